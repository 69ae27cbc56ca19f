"""A region of a clip's frame: the right frame, upright, cut where asked, explored, and written for people."""

from __future__ import annotations

import json
from itertools import count as counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.pulse import random_bank
from media.probe import probe
from media.reader import VideoReader
from media.types import Image
from models.pulse.region import Box, RegionError
from models.pulse.search import STATEMENT, SearchSettings, SearchStopped, Step
from models.stylegan2 import StyleGan2
from tests.media.clips import LIMITS, write_clip
from workers.exploration import (
    Found,
    FrameMissing,
    describe,
    explore_frame,
    read_frame,
    write_candidate,
    write_sheet,
    write_spread,
)

QUICK = SearchSettings(steps=2, samples=100, restarts=0)


@pytest.fixture(scope="module")
def bank() -> StyleGan2:
    return random_bank(16, channels=8, style=32)


def frames(path: Path) -> list[Image]:
    with VideoReader(path, probe(path, LIMITS)) as reader:
        return [frame.image for frame in reader]


def found_in(path: Path, frame: int, box: Box, bank: StyleGan2, count: int = 2) -> Found:
    return explore_frame(path, probe(path, LIMITS), frame, box, bank, count, QUICK, lambda _: True)


def test_the_frame_is_counted_in_presentation_order(tmp_path: Path, bank: StyleGan2) -> None:
    path = write_clip(tmp_path / "in.mp4", frames=20, times=[3 * i for i in range(20)])
    found = found_in(path, 13, Box(40, 20, 8, 8), bank)
    assert found.pts == read_frame(path, probe(path, LIMITS), 13, lambda: True)[1]
    assert np.array_equal(found.observed, frames(path)[13][20:28, 40:48])
    assert found.box_used == found.box == Box(40, 20, 8, 8)


def test_the_box_grows_to_a_square_that_the_bank_explains(tmp_path: Path, bank: StyleGan2) -> None:
    path = write_clip(tmp_path / "in.mp4", frames=2)
    found = found_in(path, 0, Box(90, 58, 6, 5), bank)
    assert found.box_used == Box(88, 56, 8, 8)
    assert found.observed.shape == (8, 8, 3)
    assert describe(found)["box"] == [90, 58, 6, 5]
    assert describe(found)["region"] == [88, 56, 8, 8]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_boxes_are_of_the_picture_as_shown(rotation: int, tmp_path: Path, bank: StyleGan2) -> None:
    """The upper right corner as people see it, whichever way the camera was held."""
    path = write_clip(tmp_path / "in.mp4", frames=1, rotation=rotation)
    facts = probe(path, LIMITS)
    width, height = facts.display_size
    assert (width, height) == ((64, 96) if rotation != 180 else (96, 64))
    found = found_in(path, 0, Box(width - 8, 0, 8, 8), bank)
    turned = np.rot90(frames(path)[0], facts.rotation // 90)
    assert turned.shape[:2] == (height, width)
    assert np.array_equal(found.observed, turned[:8, -8:])


def test_deep_pictures_are_explored_in_their_depth(tmp_path: Path, bank: StyleGan2) -> None:
    path = write_clip(tmp_path / "in.mkv", frames=1, codec="ffv1", pix_fmt="yuv420p10le")
    assert found_in(path, 0, Box(0, 0, 8, 8), bank).observed.dtype == np.uint16


def test_frames_and_boxes_that_are_not_there_are_named(tmp_path: Path, bank: StyleGan2) -> None:
    path = write_clip(tmp_path / "in.mp4", frames=5)
    with pytest.raises(FrameMissing, match=r"no frame 5.*5 frames.*0 to 4"):
        found_in(path, 5, Box(0, 0, 8, 8), bank)
    with pytest.raises(FrameMissing, match="counted from 0"):
        found_in(path, -1, Box(0, 0, 8, 8), bank)
    with pytest.raises(RegionError, match="96x64"):
        found_in(path, 0, Box(92, 0, 8, 8), bank)
    with pytest.raises(RegionError, match="16 pixels explains 8"):
        found_in(path, 0, Box(0, 0, 9, 9), bank)


def test_reading_and_searching_can_be_stopped(tmp_path: Path, bank: StyleGan2) -> None:
    path = write_clip(tmp_path / "in.mp4", frames=40)
    facts, told = probe(path, LIMITS), list[Step]()

    def stop(step: Step) -> bool:
        told.append(step)
        return step.step == 0  # reads on, but searches no further

    with pytest.raises(SearchStopped):
        explore_frame(path, facts, 35, Box(0, 0, 8, 8), bank, 2, QUICK, stop)
    assert [each.step for each in told] == [0, 0, 1]
    assert [each.fraction for each in told[:2]] == [0, 0]
    calls = counter()
    with pytest.raises(SearchStopped):
        read_frame(path, facts, 35, lambda: next(calls) < 1)
    assert next(calls) == 2


def test_what_was_found_is_written_for_people(tmp_path: Path, bank: StyleGan2) -> None:
    path = write_clip(tmp_path / "in.mp4", frames=2)
    found = found_in(path, 1, Box(40, 20, 8, 8), bank)
    told = json.loads(json.dumps(describe(found), allow_nan=False))
    assert told["statement"] == STATEMENT
    assert told["frame"] == 1
    assert [each["error"] for each in told["candidates"]] == [each.error for each in found.exploration.candidates]
    assert told["explaining"] == sum(each["explains"] for each in told["candidates"])
    assert np.allclose(told["distances"], found.exploration.distances, atol=1e-6)

    write_candidate(found, 0, tmp_path / "one.png")
    write_spread(found, tmp_path / "spread.png")
    write_sheet(found, tmp_path / "sheet.png", ("Bank x.",))
    one = np.rint(found.exploration.candidates[0].image * 255)
    assert np.array_equal(_read(tmp_path / "one.png")[..., ::-1], one)
    spread = _read(tmp_path / "spread.png")
    assert spread.dtype == np.uint16
    assert np.allclose(spread / 65535, found.exploration.spread, atol=1e-5)
    assert _read(tmp_path / "sheet.png").shape[2] == 3
    assert not list(tmp_path.glob("*.part"))


def _read(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return np.asarray(picture)
