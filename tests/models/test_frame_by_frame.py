"""The baseline of the benchmarks: the same network, frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.chart import draw
from benchmarks.frame_by_frame import PAD, FrameByFrame, baseline
from media.moving import write_moving
from media.probe import probe
from models.catalog import Catalog
from models.registry import build, load, read_state
from pipeline.limits import probe_limits
from pipeline.settings import Settings


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_frame_is_what_the_network_makes_of_it() -> None:
    """Within a level: Gleaner rounds halves up and has a quicker form of the network."""
    image = picture(40, 48)
    found = baseline("espcn-x2", 2, Catalog()).enhance(image).astype(int)
    wanted = load("espcn-x2", 2, "cpu").enhance(image[None]).pixels[0].astype(int)
    assert found.shape == (80, 96, 3)
    assert np.abs(found - wanted).max() <= 1
    assert (found == wanted).mean() > 0.99


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("size", [(40, 56), (33, 47), (20, 24)])
def test_tiles_put_together_are_the_whole_frame(fixed: bool, size: tuple[int, int]) -> None:
    """ESPCN sees 4 pixels each way and a tile 10 more than its own, so tiling changes nothing within the picture."""
    facts = Catalog().facts("espcn-x2")
    network = build(facts, 2, read_state(Catalog(), facts)).eval()
    image = picture(*size)
    whole = FrameByFrame(network, 2).enhance(image).astype(int)
    tiled = FrameByFrame(network, 2, 16, fixed)
    given = []
    hook = network.register_forward_pre_hook(lambda _, inputs: given.append(tuple(inputs[0].shape[2:])))
    with torch.inference_mode():
        found = tiled.enhance(image).astype(int)
    hook.remove()
    if fixed:
        assert set(given) == {(16 + 2 * PAD,) * 2}
    # Where a small picture is continued for a network of fixed tiles, its lower and right edge see that, not zeros.
    inner = slice(0, -8) if fixed and min(size) < 16 + 2 * PAD else slice(None)
    assert np.abs(found - whole)[inner, inner].max() <= 1


def test_a_clip_comes_out_larger_with_all_its_frames(tmp_path: Path) -> None:
    write_moving(tmp_path / "in.mp4", 48, 32, 4)
    assert baseline("espcn-x2", 2, Catalog()).run(tmp_path / "in.mp4", tmp_path / "out.mp4") == 4
    facts = probe(tmp_path / "out.mp4", probe_limits(Settings(), max_bytes=None))
    assert (facts.width, facts.height, facts.frames) == (96, 64, 4)


def test_a_chart_shows_its_lines(tmp_path: Path) -> None:
    import cv2

    draw(tmp_path / "a" / "chart.png", "speed", "size", ["small", "large"], {"one": [1, 2], "two": [2, 2]})
    image = cv2.imread(str(tmp_path / "a" / "chart.png"))
    assert image is not None
    for colour in ((200, 80, 30), (30, 140, 30)):
        assert (image == colour).all(2).any()
