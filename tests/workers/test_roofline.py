"""The roofline: the peak, a network's share of it, and where the time of a clip goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from media.moving import write_moving
from media.probe import probe
from media.reader import VideoReader
from models.catalog import MODELS, Catalog
from models.espcn import Espcn
from models.peak import Clock, MatrixPeak, memory_bandwidth, why_not
from models.registry import load
from pipeline.limits import probe_limits
from pipeline.settings import Settings
from workers.roofline import STAGES, Reach, enhancers, make_clip, reach, walk

CPU = torch.device("cpu")
LIMITS = probe_limits(Settings(), max_bytes=None)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_network_reaches_a_share_of_the_peak() -> None:
    enhancer = load("espcn-x2", 2, "cpu")
    peaks = {torch.float32: MatrixPeak(torch.float32, CPU)}
    found = reach(enhancer, Catalog(), peaks, rounds=3)
    assert found.gmacs == pytest.approx(128 * 128 * (3 * 64 * 25 + 64 * 32 * 9 + 32 * 12 * 9) / 1e9)
    assert found.form == "QuickEspcn"
    assert found.share is not None
    assert found.written is not None
    assert 0.05 < found.share < 1.3  # noise aside it is below 1
    assert 0.05 < found.written < 1.3
    assert found.share == pytest.approx(2e9 * found.gmacs / (found.ms / 1000) / peaks[torch.float32].once(), rel=0.9)


def test_what_is_no_network_has_no_share() -> None:
    found = reach(load("lanczos", 2, "cpu"), Catalog(), {}, rounds=1)
    assert found == Reach("lanczos", 2, "Lanczos", "float32", 0.0, found.ms, None, None)


def test_every_stage_of_a_clip_is_timed_and_together_they_are_the_whole(tmp_path: Path) -> None:
    enhancer = load("espcn-x2", 2, "cpu")
    clock = Clock(CPU)
    began = clock.now()
    found = walk(enhancer, make_clip(tmp_path, "64x48", 3), LIMITS)
    took = clock.now() - began
    assert found.frames == 3
    assert tuple(found.seconds) == STAGES
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert found.total <= took
    assert found.seconds["network"] > found.seconds["tile"]
    assert not enhancer.network._forward_hooks
    assert not enhancer.network._forward_pre_hooks


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_clip_moves_in_the_share_that_was_asked_for(share: float, tmp_path: Path) -> None:
    write_moving(tmp_path / "clip.mp4", 128, 64, 5, share)
    facts = probe(tmp_path / "clip.mp4", LIMITS)
    with VideoReader(tmp_path / "clip.mp4", facts) as reader:
        frames = np.stack([frame.image for frame in reader]).astype(np.int16)
    assert frames.shape == (5, 64, 128, 3)
    moved = np.abs(np.diff(frames[1:], axis=0)).mean((0, 1, 3))
    assert (moved[: round(128 * share)] > 10).all()
    assert (moved[round(128 * share) + 16 :] < 3).all()


def test_models_to_measure_are_all_with_their_scales_or_those_named() -> None:
    named = [(facts.name, scale) for facts, scale in enhancers(Catalog(), None)]
    assert {("espcn-x2", 2), ("espcn-x4", 4), ("lanczos", 2), ("lanczos", 4)} <= set(named)
    assert ("lanczos", 1) not in named
    assert enhancers(Catalog(), ["espcn-x2"]) == [(MODELS["espcn-x2"], 2)]


def test_the_cpu_s_types_are_told_from_those_it_emulates() -> None:
    assert why_not(torch.float32, CPU) is None
    reason = why_not(torch.bfloat16, CPU)
    native = torch.cpu.get_capabilities()
    assert (reason is None) == bool(native.get("amx_bf16") or native.get("avx512_bf16"))


def test_memory_moves_gigabytes_a_second() -> None:
    assert 1e8 < memory_bandwidth(CPU, rounds=2) < 1e12


def test_a_model_s_network_is_found_as_it_was_after_measuring(tmp_path: Path) -> None:
    enhancer = load("espcn-x2", 2, "cpu")
    tiles = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    before = enhancer.enhance(tiles).pixels
    walk(enhancer, make_clip(tmp_path, "64x48", 1), LIMITS)
    assert np.array_equal(enhancer.enhance(tiles).pixels, before)
    assert not isinstance(enhancer.network, Espcn)
