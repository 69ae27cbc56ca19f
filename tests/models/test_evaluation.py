"""Measures of evaluation against known values: PSNR, gains with their intervals, flicker, sources, sheets."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.degradation.matlab import imresize
from models.evaluation import bicubic, detections, fidelity, flicker, gain, sources
from models.training.data import DataError


def picture(seed: int = 0, height: int = 96, width: int = 112) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 1.5)


def test_psnr_of_a_known_error_and_the_perfect_scores_of_the_truth() -> None:
    truth = np.clip(picture(), 20, 230)
    off = fidelity.measure(truth + np.uint8(5), truth, 4)
    assert off.psnr == pytest.approx(20 * np.log10(255 / 5))
    assert off.shift == pytest.approx(5)
    same = fidelity.measure(truth, truth, 4)
    assert same.psnr == fidelity.MOST_DB
    assert (same.ssim, same.vif, same.gmsd, same.haarpsi) == pytest.approx((1, 1, 0, 1), abs=1e-4)
    blurred = fidelity.measure(cv2.GaussianBlur(truth, (0, 0), 2), truth, 4)
    assert blurred.vif < 0.8
    assert blurred.haarpsi < 0.8
    assert blurred.gmsd > 0.05


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot compare"):
        fidelity.measure(picture(), picture(height=100), 4)


def test_bicubic_is_matlabs() -> None:
    low = picture(3, 12, 14)
    wanted = np.clip(np.floor(imresize(low.astype(np.float32), Fraction(4)) + 0.5), 0, 255)
    assert np.array_equal(bicubic.enlarge(low, 4), wanted)
    assert np.array_equal(bicubic.enlarge(np.full((5, 6, 3), 77, np.uint8), 3), np.full((15, 18, 3), 77))


def test_gain_counts_scenes_and_not_pictures() -> None:
    found = gain.gain([("a", 1.0), ("a", 3.0), ("b", -1.0), ("c", 2.0)])
    assert found.mean == pytest.approx(1.0)  # of 2, -1 and 2
    assert found.share == pytest.approx(2 / 3)
    assert found.scenes == 3
    assert -1 <= found.low <= found.mean <= found.high <= 2


def test_the_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(0.5, 1.0, 200)
    found = gain.gain([(str(i), float(v)) for i, v in enumerate(values)])
    half = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)
    assert found == gain.gain([(str(i), float(v)) for i, v in enumerate(values)])
    one = gain.gain([("a", 0.25)])
    assert (one.low, one.high) == (0.25, 0.25)


def test_a_still_clip_does_not_flicker_and_a_jittering_one_does() -> None:
    truth = [picture(5)] * 4
    moves = flicker.motion(truth)
    assert flicker.flicker(truth, moves) == flicker.Flicker(0.0, None)
    jitter = [np.clip(truth[0].astype(int) + (3 if i % 2 else -3), 0, 255).astype(np.uint8) for i in range(4)]
    found = flicker.flicker(jitter, moves)
    assert found.static == pytest.approx(6.0, abs=0.1)
    assert found.moving is None
    with pytest.raises(ValueError, match="3 frames"):
        flicker.flicker(jitter[:3], moves)


def test_flow_follows_what_moves() -> None:
    large = cv2.GaussianBlur(picture(6, 160, 200), (0, 0), 2)
    truth = [np.ascontiguousarray(large[20:140, 20 + 2 * i : 150 + 2 * i]) for i in range(4)]
    moves = flicker.motion(truth)
    assert np.mean([still.mean() for still in moves.static]) < 0.05
    found = flicker.flicker(truth, moves)
    assert found.moving is not None
    raw = np.sqrt(np.mean([(a.astype(float) - b) ** 2 for a, b in pairwise(truth)]))
    assert found.moving < raw / 3  # the flow explains most of the change


def test_sources_take_the_dev_split_by_scene_and_keep_their_numbers(tmp_path: Path) -> None:
    entries = []
    for name, split, scene in (("c.png", "dev", "yard"), ("a.png", "dev", "yard"), ("b.png", "train", "gate")):
        cv2.imwrite(str(tmp_path / name), picture())
        entries.append(
            {"file": name, "split": split, "kind": "still", "licence": "CC0", "redistributable": "yes", "scene": scene}
        )
    (tmp_path / "manifest.json").write_text(json.dumps({"files": entries}))
    found = sources.sources(tmp_path)
    assert [(s.path.name, s.scene, s.number) for s in found] == [("a.png", "yard", 0), ("c.png", "yard", 1)]
    (tmp_path / "manifest.json").unlink()
    assert [(s.scene, s.number) for s in sources.sources(tmp_path, 2)] == [("a.png", 0), ("c.png", 2)]
    whole = sources.read(found[0], 5, 1)[0]
    assert whole.shape == (95, 110, 3)
    cut = sources.read(found[0], 5, 1, edge=80)[0]
    middle = picture()[(picture().shape[0] - 80) // 2 :, (picture().shape[1] - 80) // 2 :][:80, :80, ::-1]
    assert np.array_equal(cut, middle)


def test_unusable_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures"):
        sources.sources(tmp_path)
    cv2.imwrite(str(tmp_path / "tiny.png"), picture(0, 40, 40))
    with pytest.raises(DataError, match=r"tiny\.png is only 40x40"):
        sources.read(sources.sources(tmp_path)[0], 4, 1)
    (tmp_path / "bad.mp4").write_bytes(b"no clip")
    with pytest.raises(DataError, match=r"bad\.mp4 is not a readable clip"):
        sources.read(sources.sources(tmp_path)[0], 4, 1)


def test_detections_are_matched_one_to_one_at_half_overlap() -> None:
    wanted = [(0, 0, 10, 10), (50, 50, 20, 20)]
    assert detections.iou((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    twice = detections.match([(1, 0, 10, 10), (0, 1, 10, 10), (80, 80, 5, 5)], wanted)
    assert twice == detections.Counts(hits=1, found=3, wanted=2)
    assert (twice.precision, twice.recall, twice.f1) == pytest.approx((1 / 3, 1 / 2, 2 / 5))
    assert detections.match([], []).f1 is None


def test_a_gain_in_detections_is_said_only_where_it_is_shown() -> None:
    scenes = [str(i) for i in range(12)]
    all_of_them = dict.fromkeys(scenes, detections.Counts(2, 2, 2))
    half = dict.fromkeys(scenes, detections.Counts(1, 2, 2))
    found = detections.verdict(all_of_them, half, 0)
    assert (found.gain, found.words) == (pytest.approx(0.5), "gain")
    assert detections.verdict(half, all_of_them, 0).words == "loss"
    assert detections.verdict(half, half, 0).words == "no gain"
    one = half | {"0": detections.Counts(2, 2, 2)}
    assert detections.verdict(one, half, 0).words == "no gain"  # one scene of twelve shows nothing
    none = dict.fromkeys(scenes, detections.Counts())
    assert detections.verdict(none, none, 0) == detections.Verdict(None, None, None, "no gain (nothing detected)")


def test_detectors_are_those_that_opencv_carries() -> None:
    found = detections.detectors()
    assert ("people" in found) == hasattr(cv2, "HOGDescriptor")
    for seek in found.values():
        assert seek(np.full((160, 160, 3), 128, np.uint8)) == []
