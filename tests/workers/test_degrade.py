"""`gleaner degrade` over files: exact pixels, every frame with its own time, equal bytes for equal seeds."""

from __future__ import annotations

import json
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from media.examine import examine
from media.reader import VideoReader
from media.types import MediaError, VideoFrame
from models.degradation.chain import UnfitError
from models.degradation.profiles import degrade, degrade_frames
from pipeline.settings import Settings
from pipeline.targets import TargetError
from tests.media.clips import LIMITS, write_clip
from workers.degrade import decide_degrade, degrade_file, read_picture

FRAMES = 12
VFR = [0, 40, 80, 90, 200, 240, 281, 400, 401, 402, 500, 560]


def work(source: Path, out: Path, profile: str, *, scale: int = 2, seed: int = 3) -> dict[str, Any]:
    settings = Settings()
    plan = decide_degrade(source, out, profile, scale, seed, settings)
    return degrade_file(source, out, plan, settings, on_frame=lambda _: None)


def frames_of(path: Path) -> tuple[list[VideoFrame], Fraction]:
    with av.open(str(path)) as container:  # as `media.probe` does in a process of its own, which takes a while to start
        facts = examine(container, LIMITS)
    with VideoReader(path, facts) as reader:
        return list(reader), facts.time_base


def seconds(path: Path) -> list[Fraction]:
    frames, time_base = frames_of(path)
    return [frame.pts * time_base for frame in frames]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "in.mp4", frames=FRAMES, times=VFR, time_base=Fraction(1, 1000), audio=True)


@pytest.mark.parametrize("profile", ["surveillance", "surveillance-night-ir"])
def test_a_lossless_clip_holds_the_degraded_pixels_at_the_times_of_the_source(
    clip: Path, profile: str, tmp_path: Path
) -> None:
    done = work(clip, tmp_path / "out.mkv", profile)
    sharp = np.stack([frame.image for frame in frames_of(clip)[0]])
    wanted = degrade_frames(sharp, profile, 2, 3)
    found, _ = frames_of(tmp_path / "out.mkv")
    assert np.array_equal(np.stack([frame.image for frame in found]), wanted.low)
    assert seconds(tmp_path / "out.mkv") == seconds(clip)
    assert done["frames"] == FRAMES
    assert done["steps"] == wanted.parameters["steps"]
    assert json.loads(json.dumps(done))["profile"] == profile


def test_an_mp4_is_near_the_degraded_pixels_keeps_times_and_says_so(clip: Path, tmp_path: Path) -> None:
    exact, near = tmp_path / "exact.mkv", tmp_path / "near.mp4"
    work(clip, exact, "surveillance-night-ir")
    done = work(clip, near, "surveillance-night-ir")
    assert seconds(near) == seconds(clip)
    assert any("H.264 of high quality" in note for note in done["notes"])
    pairs = zip(frames_of(exact)[0], frames_of(near)[0], strict=True)
    differences = [np.abs(a.image.astype(int) - b.image).mean() for a, b in pairs]
    assert 0 < max(differences) < 4
    assert all(np.ptp(frame.image, axis=-1).max() == 0 for frame in frames_of(near)[0])  # still exactly grey


def test_equal_seeds_give_equal_files_and_others_do_not(clip: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        work(clip, tmp_path / f"{name}.mkv", "low-bitrate-h265", seed=seed)
    first, again, other = ((tmp_path / f"{name}.mkv").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    peaks = []
    for frames in (10, 60):
        source = write_clip(tmp_path / f"{frames}.mp4", size=(192, 128), frames=frames)
        tracemalloc.start()
        work(source, tmp_path / "out.mkv", "reencoded")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 10 * 192 * 128 * 3  # a clip of 50 frames more, less than 10 of them


def test_a_picture_becomes_the_library_s_low_picture(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (50, 61, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "in.png"), image[..., ::-1])
    done = work(tmp_path / "in.png", tmp_path / "out.png", "surveillance-crf28", scale=4)
    wanted = degrade(image, "surveillance-crf28", 4, 3)
    assert np.array_equal(read_picture(tmp_path / "out.png", 10**6), wanted.low)
    assert (done["size"], done["frame"]) == ([15, 12], wanted.parameters["frame"])
    assert "quality 100" in work(tmp_path / "in.png", tmp_path / "out.jpg", "noise-only")["notes"][0]


def test_what_cannot_be_done_is_refused_before_anything_is_written(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(MediaError, match="convert it to PNG"):
        work(tmp_path / "bad.png", tmp_path / "out.png", "noise-only")
    with pytest.raises(UnfitError, match=r"name it out\.png"):
        work(tmp_path / "bad.png", tmp_path / "out.mkv", "noise-only")
    with pytest.raises(TargetError, match=r"name it out\.mkv"):
        work(clip, tmp_path / "out.avi", "noise-only")
    with pytest.raises(UnfitError, match="96x64 cannot be made 100 times smaller"):
        work(clip, tmp_path / "out.mkv", "noise-only", scale=100)
    with pytest.raises(ValueError, match="unknown degradation 'fog'"):
        work(clip, tmp_path / "out.mkv", "fog")
    assert not list(tmp_path.glob("out*"))
