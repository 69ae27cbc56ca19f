"""What is decided about an output, from facts alone."""

from fractions import Fraction

import pytest

from media.output import decide, output_size
from media.types import ClipFacts, ColourTags, MediaError

LIMITED = ColourTags(False, 1, 1, 1)


def facts(width: int = 640, height: int = 360, **changes: object) -> ClipFacts:
    fields: dict[str, object] = {
        "container": "mov",
        "codec": "h264",
        "width": width,
        "height": height,
        "pix_fmt": "yuv420p",
        "bit_depth": 8,
        "grey": False,
        "rotation": 0,
        "sample_aspect_ratio": Fraction(1),
        "colour": LIMITED,
        "interlaced": "progressive",
        "time_base": Fraction(1, 90000),
        "start_pts": 0,
        "duration_s": None,
        "average_rate": None,
        "frames": None,
        "video_index": 0,
    }
    return ClipFacts(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "bits", "codec"),
    [
        ((2560, 1440), 8, "h264"),
        ((4096, 2304), 8, "h264"),
        ((2304, 4096), 8, "h264"),
        ((4098, 2304), 8, "hevc"),
        ((4096, 2306), 8, "hevc"),
        ((2560, 1440), 10, "hevc"),
    ],
)
def test_the_codec_follows_size_and_depth(size: tuple[int, int], bits: int, codec: str) -> None:
    pix_fmt = "yuv420p" if bits == 8 else "yuv420p10le"
    assert decide(facts(bit_depth=bits, pix_fmt=pix_fmt), *size, "auto", "standard").codec == codec


def test_h264_beyond_its_limit_names_size_and_remedy() -> None:
    with pytest.raises(MediaError, match=r"5120×2880.*hevc.*target_height") as caught:
        decide(facts(1280, 720), 5120, 2880, "h264", "standard")
    assert caught.value.code == "unsupported-output"


def test_hevc_is_not_written_in_pictures_so_small_that_its_encoder_fails() -> None:
    with pytest.raises(MediaError, match=r"640×48; HEVC is written from 64×64 on.*h264 or ffv1"):
        decide(facts(), 640, 48, "hevc", "standard")
    assert decide(facts(), 640, 64, "hevc", "standard").codec == "hevc"
    deep = decide(facts(bit_depth=10, pix_fmt="yuv420p10le"), 640, 48, "auto", "standard")
    assert (deep.codec, deep.pix_fmt) == ("h264", "yuv420p")
    assert any("8 bits a sample" in note for note in deep.notes)


def test_hevc_beyond_its_limit_names_size_and_remedy() -> None:
    with pytest.raises(MediaError, match=r"15360×8640.*target_height.*ffv1") as caught:
        decide(facts(3840, 2160), 15360, 8640, "auto", "standard")
    assert caught.value.code == "unsupported-output"


@pytest.mark.parametrize(("codec", "quality"), [("mpeg2", "standard"), ("auto", "best")])
def test_unknown_words_are_refused_with_the_known_ones(codec: str, quality: str) -> None:
    with pytest.raises(MediaError, match="choose one of"):
        decide(facts(), 1280, 720, codec, quality)


@pytest.mark.parametrize(
    ("source", "bits", "lossless"),
    [
        ("yuv420p", 8, "yuv420p"),
        ("yuv422p", 8, "yuv420p"),
        ("yuv444p", 8, "yuv444p"),
        ("gray", 8, "yuv420p"),
        ("yuv420p10le", 10, "yuv420p10le"),
        ("yuv444p12le", 12, "yuv444p12le"),
        ("gbrp", 8, "bgr0"),
        ("gbrp10le", 10, "gbrp10le"),
    ],
)
def test_lossless_output_keeps_depth_and_sampling(source: str, bits: int, lossless: str) -> None:
    output = decide(facts(pix_fmt=source, bit_depth=bits, grey=source == "gray"), 1280, 720, "ffv1", "standard")
    assert (output.pix_fmt, output.container, output.suffix) == (lossless, "matroska", ".mkv")


def test_twelve_bits_become_ten_with_a_note() -> None:
    output = decide(facts(bit_depth=12, pix_fmt="yuv420p12le"), 1280, 720, "auto", "standard")
    assert (output.codec, output.pix_fmt) == ("hevc", "yuv420p10le")
    assert any("12" in note and "10 bits" in note for note in output.notes)


def test_rgb_sources_are_written_as_bt709_with_a_note() -> None:
    output = decide(facts(pix_fmt="gbrp", colour=ColourTags(True, 0, 2, 2)), 1280, 720, "auto", "standard")
    assert (output.colour.matrix, output.colour.full_range) == (1, False)
    assert any("RGB" in note for note in output.notes)


@pytest.mark.parametrize(
    ("source", "mp4", "matroska"),
    [
        (Fraction(1, 12800), Fraction(1, 12800), Fraction(1, 12800)),
        (Fraction(1, 25), Fraction(1, 25), Fraction(1, 1000)),
        (Fraction(1001, 30000), Fraction(1, 30000), Fraction(1, 100_000)),
        (Fraction(1, 90000), Fraction(1, 90000), Fraction(1, 200_000)),
        (Fraction(1, 1000), Fraction(1, 1000), Fraction(1, 1000)),
    ],
)
def test_the_time_base_keeps_ticks(source: Fraction, mp4: Fraction, matroska: Fraction) -> None:
    assert decide(facts(time_base=source), 1280, 720, "h264", "draft").time_base == mp4
    lossless = decide(facts(time_base=source), 1280, 720, "ffv1", "draft")
    assert lossless.time_base == matroska
    assert lossless.notes == ()


def test_sizes_by_scale_are_exact_multiples() -> None:
    assert output_size(facts(641, 359), 4, None) == (2564, 1436)


def test_a_target_height_is_of_the_displayed_picture() -> None:
    assert output_size(facts(640, 360), 4, 1080) == (1920, 1080)
    assert output_size(facts(640, 360, rotation=90), 4, 1280) == (1280, 720)
    assert output_size(facts(641, 359), 4, 719) == (1284, 720)


@pytest.mark.parametrize(("order", "words"), [("tff", "top field first"), ("bff", "bottom field first")])
def test_deinterlacing_is_noted(order: str, words: str) -> None:
    assert any(
        "bwdif" in note and words in note for note in decide(facts(interlaced=order), 640, 360, "auto", "high").notes
    )
    assert not decide(facts(), 640, 360, "auto", "high").notes


def test_chroma_that_is_lost_is_noted() -> None:
    full = facts(pix_fmt="yuv444p")
    assert any("4:2:0" in note for note in decide(full, 1280, 720, "auto", "high").notes)
    assert not decide(full, 1280, 720, "ffv1", "high").pix_fmt.startswith("yuv420")
