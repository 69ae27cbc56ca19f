"""Colour through decode, encode and back: within the bounds that media/colour.py promises."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.colour import ToRgb, decide_tags, plane_samples
from media.colour_out import FromRgb, grey_levels
from media.types import ColourTags, Image

BT709_LIMITED = ColourTags(False, 1, 1, 1)
BT601_FULL = ColourTags(True, 6, 6, 6)
BT2020_LIMITED = ColourTags(False, 9, 9, 14)


def bars(width: int = 640, height: int = 192) -> Image:
    """Eight bars at 75 %, eight at full, and a ramp of greys."""
    image = np.zeros((height, width, 3), np.uint8)
    for bar in range(8):
        colour = [bool(bar & 2), bool(bar & 4), bool(bar & 1)]
        image[: height // 3, bar * width // 8 : (bar + 1) * width // 8] = np.multiply(colour, 191)
        image[height // 3 : 2 * height // 3, bar * width // 8 : (bar + 1) * width // 8] = np.multiply(colour, 255)
    image[2 * height // 3 :] = np.linspace(0, 255, width).astype(np.uint8)[None, :, None]
    return image


def through_codec(
    path: Path, image: Image, tags: ColourTags, codec: str, pix_fmt: str, options: dict[str, str]
) -> Image:
    convert = FromRgb(tags, pix_fmt)
    with av.open(path, "w") as out:
        stream = out.add_stream(codec, rate=Fraction(10), options=options)
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], pix_fmt
        for number in range(2):
            frame = convert(image)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open(path) as clip:
        return ToRgb(tags)(next(clip.decode(video=0)))[0]


def mean_error(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean(axis=(0, 1)).max())


@pytest.mark.parametrize("tags", [BT709_LIMITED, BT601_FULL, BT2020_LIMITED])
def test_bars_survive_a_source_and_an_enhanced_clip_within_two_levels(tmp_path: Path, tags: ColourTags) -> None:
    high = {"crf": "12", "preset": "veryfast"}
    first = through_codec(tmp_path / "source.mp4", bars(), tags, "libx264", "yuv420p", high)
    second = through_codec(tmp_path / "enhanced.mp4", first, tags, "libx264", "yuv420p", high)
    assert mean_error(second, first) < 2


@pytest.mark.parametrize("tags", [BT709_LIMITED, BT601_FULL, BT2020_LIMITED])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p"])
def test_bars_survive_ffv1_within_one_level(tmp_path: Path, tags: ColourTags, pix_fmt: str) -> None:
    first = through_codec(tmp_path / "source.mkv", bars(), tags, "ffv1", pix_fmt, {})
    second = through_codec(tmp_path / "enhanced.mkv", first, tags, "ffv1", pix_fmt, {})
    assert mean_error(second, first) < 1


@pytest.mark.parametrize("tags", [BT709_LIMITED, BT601_FULL, BT2020_LIMITED])
def test_luma_is_that_of_the_standards_formula(tags: ColourTags) -> None:
    red, blue = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}[tags.matrix]
    image = np.random.default_rng(3).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    luma = image @ np.array([red, 1 - red - blue, blue])
    expected = luma if tags.full_range else 16 + luma * 219 / 255
    written = plane_samples(FromRgb(tags, "yuv444p")(image).planes[0], deep=False)
    assert np.abs(written - expected).max() < 0.6


def test_deep_colours_keep_more_than_eight_bits() -> None:
    ramp = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(16, 256)
    image = np.dstack([ramp, ramp[::-1], ramp[:, ::-1]])
    frame = FromRgb(BT709_LIMITED, "yuv444p10le")(image)
    back, grey = ToRgb(BT709_LIMITED)(frame)
    assert back.dtype == np.uint16
    assert not grey
    assert np.abs(back.astype(int) - image).mean() < 65535 / 1023


@pytest.mark.parametrize(("fmt", "deep"), [("yuv420p", False), ("yuv444p", False), ("yuv420p10le", True)])
@pytest.mark.parametrize("full", [False, True])
def test_grey_frames_keep_every_luma_sample_and_neutral_chroma(fmt: str, deep: bool, full: bool) -> None:
    tags = ColourTags(full, 1, 1, 1)
    depth = 10 if deep else 8
    low, high = (0, (1 << depth) - 1) if full else (16 << (depth - 8), 235 << (depth - 8))
    luma = np.resize(np.arange(low, high + 1), (16, 64))
    frame = av.VideoFrame(64, 16, fmt)
    plane_samples(frame.planes[0], deep)[...] = luma
    for plane in frame.planes[1:]:
        plane_samples(plane, deep)[...] = 1 << (depth - 1)

    image, grey = ToRgb(tags)(frame)
    again = FromRgb(tags, fmt)(image, grey=True)

    assert grey
    assert (image[..., 0] == image[..., 1]).all()
    assert (image[..., 1] == image[..., 2]).all()
    assert (plane_samples(again.planes[0], deep) == luma).all()
    assert all((plane_samples(plane, deep) == 1 << (depth - 1)).all() for plane in again.planes[1:])


def test_one_coloured_sample_makes_a_frame_coloured() -> None:
    frame = FromRgb(BT709_LIMITED, "yuv420p")(np.full((16, 16, 3), 90, np.uint8), grey=True)
    plane_samples(frame.planes[2], deep=False)[7, 5] = 129
    assert not ToRgb(BT709_LIMITED)(frame)[1]


def test_a_tinted_image_written_grey_has_its_own_luma() -> None:
    image = np.full((4, 4, 3), (200, 100, 50), np.uint8)
    assert (grey_levels(image, matrix=1) == round(200 * 0.2126 + 100 * 0.7152 + 50 * 0.0722)).all()


@pytest.mark.parametrize("fmt", ["nv12", "yuyv422", "p010le", "gray", "gray10le"])
def test_formats_that_are_not_planar_yuv_are_read_as_grey_too(fmt: str) -> None:
    tags = ColourTags(True, 1, 1, 1)
    planar = FromRgb(tags, "yuv420p10le" if "10" in fmt else "yuv420p")(bars()[128:], grey=True)
    packed = planar.reformat(format=fmt, src_color_range=2, dst_color_range=2)
    image, grey = ToRgb(tags)(packed)
    assert grey
    assert mean_error((image >> 8).astype(np.uint8) if image.dtype == np.uint16 else image, bars()[128:]) < 1


@pytest.mark.parametrize(("codec", "pix_fmt"), [("ffv1", "bgr0"), ("libx264rgb", "rgb24")])
def test_rgb_sources_come_through_unchanged(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    tags = decide_tags(0, 2, 2, 2, 192, pix_fmt)
    options = {"qp": "0"} if codec == "libx264rgb" else {}
    assert (tags.matrix, tags.full_range, tags.assumed) == (0, True, False)
    assert (through_codec(tmp_path / "rgb.mkv", bars(), tags, codec, pix_fmt, options) == bars()).all()


@pytest.mark.parametrize(
    ("height", "matrix"),
    [(480, 6), (576, 5), (719, 6), (720, 1), (1080, 1)],
)
def test_a_missing_matrix_is_chosen_by_height_and_said_to_be_assumed(height: int, matrix: int) -> None:
    tags = decide_tags(0, 2, 2, 2, height, "yuv420p")
    assert (tags.matrix, tags.full_range, tags.assumed) == (matrix, False, True)


def test_jpeg_formats_are_full_range_and_stated_tags_are_kept() -> None:
    assert decide_tags(0, 5, 2, 2, 1080, "yuvj420p") == ColourTags(True, 5, 2, 2)
    assert decide_tags(1, 9, 9, 16, 480, "yuv420p10le") == ColourTags(False, 9, 9, 16)


def test_frames_are_converted_by_the_clips_tags_not_their_own() -> None:
    frame = FromRgb(BT709_LIMITED, "yuv420p")(bars())
    frame.colorspace, frame.color_range = 5, 2
    assert mean_error(ToRgb(BT709_LIMITED)(frame)[0], bars()) < 3
