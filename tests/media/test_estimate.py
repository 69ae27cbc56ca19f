"""The estimate of a clip's degradation against degradations whose parameters are known, on a drawn street."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from media.estimate.clip import bits_per_pixel, estimate_clip
from media.estimate.degradation import Degradation, from_json
from media.estimate.frames import estimate_frames
from media.estimate.quantiser import quantiser_of
from media.probe import probe
from media.scene import frame
from models.degradation.noise import gain
from models.degradation.profiles import degrade_frames
from tests.media.clips import LIMITS, write_clip

RATE = Fraction(25)


@cache
def street(count: int = 3) -> tuple[np.ndarray, ...]:
    return tuple(frame(index, 1280, 720, RATE) for index in range(count))


@cache
def small() -> np.ndarray:
    """(3, 180, 320, 3): the street without any degradation but its sampling, softened so that nothing aliases."""
    soft = [cv2.GaussianBlur(picture, (0, 0), 2) for picture in street()]
    return np.stack([cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA) for picture in soft])


def noisy(sigma: float, grain: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((3, 180, 320, 1)).astype(np.float32)
    if grain:
        noise = np.stack([cv2.GaussianBlur(one, (0, 0), grain)[..., None] / gain(grain) for one in noise])
    return np.clip(np.rint(small() + sigma * noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("grain", [0.0, 0.5, 0.8])
def test_noise_is_measured_to_a_quarter_and_grows(grain: float) -> None:
    sigmas = (0.0, 5.0, 10.0, 20.0, 40.0)
    found = [estimate_frames([noisy(sigma, grain)]).noise for sigma in sigmas]
    assert found == sorted(found)
    assert found[0] < 2
    assert found[1:] == pytest.approx(sigmas[1:], rel=0.25)


def test_noise_of_single_frames_is_measured_too() -> None:
    for sigma in (5.0, 10.0, 20.0):
        assert estimate_frames([noisy(sigma)[:1]]).noise == pytest.approx(sigma, rel=0.25)


def test_sensor_noise_of_a_profile_is_measured() -> None:
    """classical-dn has 30 levels in each channel independently, which on luma are 30 times 0.668."""
    low = degrade_frames(street(), "classical-dn", 4, 1).low
    assert estimate_frames([low]).noise == pytest.approx(30 * np.hypot.reduce([0.299, 0.587, 0.114]), rel=0.25)


def test_a_moving_picture_is_no_noise() -> None:
    panned = np.stack([np.roll(small()[0], 5 * index, axis=1) for index in range(3)])
    assert estimate_frames([panned]).noise < 2


@pytest.mark.parametrize("noise", [0.0, 6.0])
def test_blur_grows_and_is_measured_to_a_quarter(noise: float) -> None:
    sharp = [cv2.resize(one, (640, 360), interpolation=cv2.INTER_AREA) for one in street(1)]
    rng = np.random.default_rng(1)
    found = []
    for sigma in (0.0, 1.0, 1.5, 2.0, 3.0):
        blurred = cv2.GaussianBlur(sharp[0], (0, 0), sigma) if sigma else sharp[0]
        grain = noise * rng.standard_normal((360, 640, 1))
        found.append(estimate_frames([[np.clip(np.rint(blurred + grain), 0, 255).astype(np.uint8)]]).blur)
    assert None not in found
    assert found == sorted(found)
    assert found[0] < 0.8
    assert found[1:4] == pytest.approx([1.0, 1.5, 2.0], rel=0.25)


def test_a_flat_picture_has_no_blur_to_be_told() -> None:
    assert estimate_frames([[np.full((180, 320, 3), 90, np.uint8)]]).blur is None


def written(path: Path, crf: int, codec: str = "libx264") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for picture in street():
            shrunk = cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shrunk, "rgb24")))
        container.mux(stream.encode(None))
    return path


def test_a_coarser_codec_is_told_from_a_finer_one(tmp_path: Path) -> None:
    fine, coarse = (written(tmp_path / f"{crf}.mkv", crf) for crf in (20, 40))
    one, other = (estimate_clip(path, probe(path, LIMITS)) for path in (fine, coarse))
    assert one is not None
    assert other is not None
    assert other.blockiness > one.blockiness + 0.5
    assert one.quantiser is not None
    assert other.quantiser == pytest.approx(one.quantiser + 20, abs=2)
    assert other.bits_per_pixel < one.bits_per_pixel / 3  # type: ignore[operator]
    facts = probe(fine, LIMITS)
    assert one.bits_per_pixel == pytest.approx(fine.stat().st_size * 8 / 3 / (640 * 360))
    assert bits_per_pixel(10, facts) == pytest.approx(80 / 3 / (640 * 360))


def test_blocks_of_jpeg_show() -> None:
    found = []
    for quality in (95, 50, 15):
        _, data = cv2.imencode(".jpg", small()[0], [cv2.IMWRITE_JPEG_QUALITY, quality])
        found.append(estimate_frames([[cv2.imdecode(data, cv2.IMREAD_COLOR)]]).blockiness)
    assert found == sorted(found)
    assert found[2] > found[0] + 2


@pytest.mark.parametrize("seed", [1, 2])
def test_fields_of_two_times_are_found_and_only_they(seed: int) -> None:
    frames = [np.roll(street()[0], 7 * index, axis=1) for index in range(3)]
    for profile in ("surveillance-interlaced", "surveillance-day", "noise-only"):
        found = estimate_frames([degrade_frames(frames, profile, 4, seed).low])
        assert found.interlaced is (profile == "surveillance-interlaced"), f"{profile}: {found.combing}"


def test_level_lines_that_stand_still_are_no_comb() -> None:
    picture = small()[0].copy()
    picture[60:120:2] = 250
    assert not estimate_frames([[picture, picture, picture]]).interlaced


def test_grey_is_exact() -> None:
    night = degrade_frames(street(), "surveillance-night-ir", 4, 1).low
    assert estimate_frames([night]).grey
    tinted = night.copy()
    tinted[2, 0, 0, 0] ^= 1
    assert not estimate_frames([tinted]).grey


def test_light_is_told() -> None:
    day = estimate_frames([small()])
    dim = estimate_frames([(small() // 6).astype(np.uint8)])
    assert (day.dark, day.low_contrast, dim.dark, dim.low_contrast) == (False, False, True, True)
    assert day.level == pytest.approx((small() @ np.array([0.299, 0.587, 0.114])).mean(), rel=1e-3)


def test_sixteen_bits_are_read_as_eight() -> None:
    eight, deep = estimate_frames([noisy(10)]), estimate_frames([noisy(10).astype(np.uint16) * 257])
    assert deep.noise == pytest.approx(eight.noise, rel=1e-3)
    assert deep.level == pytest.approx(eight.level, rel=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (40, 2), (17, 33)])
def test_tiny_pictures_have_an_estimate(size: tuple[int, int]) -> None:
    found = estimate_frames([np.random.default_rng(1).integers(0, 256, (2, *size, 3)).astype(np.uint8)])
    assert np.isfinite([found.noise, found.blockiness, found.combing, found.level]).all()


def test_no_frame_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        estimate_frames([[]])


def test_it_survives_json() -> None:
    found = Degradation(9, 2.5, None, 0.25, 0.125, False, 90.0, 120.0, 28.5, 0.125)
    assert from_json(found.to_json()) == found
    assert found.to_json()["interlaced"] is True


@pytest.mark.parametrize("make", [{"codec": "mjpeg", "pix_fmt": "yuvj420p"}, {"frames": 1}, {"grey": True}])
def test_any_clip_has_an_estimate(make: dict[str, object], tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mkv", **({"frames": 30} | make))  # type: ignore[arg-type]
    facts = probe(path, LIMITS)
    found = estimate_clip(path, facts)
    assert found is not None
    assert found.frames in (
        (1,) if facts.frames == 1 else (3, 6, 9)
    )  # runs that begin at the same key frame count once
    assert found.grey is bool(make.get("grey"))
    assert (quantiser_of(path, facts, [0], 1) is None) is (facts.codec != "h264")
