"""How an enhanced clip is written: size, codec, sample format, time base. Pure decisions; opens no file."""

from __future__ import annotations

from fractions import Fraction

import av

from media.colour import BT709, RGB
from media.matroska import NANOSECOND, choose_scale
from media.types import ClipFacts, ColourTags, MediaError, OutputSettings

CODECS = ("auto", "h264", "hevc", "ffv1")
QUALITIES = ("draft", "standard", "high")
MAX_TIMESCALE = (1 << 31) - 1

H264_SIDE = 4096  # of the longer side; hardware decoders stop there
H264_MACROBLOCKS = 4096 * 2304 // 256  # H.264 (2021) table A-1, level 5.2
HEVC_SAMPLES = 35_651_584  # H.265 table A.8, level 6.2: 8192 × 4352
HEVC_SIDE = 16_888  # sqrt(8 × HEVC_SAMPLES)
HEVC_LEAST_SIDE = 64  # x265 4.2 was seen to corrupt its memory with sides of 32 to 48, less than one coding tree unit


def output_size(facts: ClipFacts, scale: int, target_height: int | None) -> tuple[int, int]:
    """(width, height) of the coded picture of the output.

    Without `target_height` an exact multiple. `target_height` is of the displayed picture, so of a rotated clip it is
    the coded width; both sides are then even.
    """
    if target_height is None:
        return facts.width * scale, facts.height * scale
    ratio = Fraction(target_height, facts.display_size[1])
    return even(facts.width * ratio), even(facts.height * ratio)


def even(length: Fraction) -> int:
    """The nearest even number, at least 2."""
    return max(2, 2 * round(length / 2))


def decide(facts: ClipFacts, width: int, height: int, codec: str, quality: str) -> OutputSettings:
    """The settings of a clip of this size. `codec` is one of CODECS, `quality` one of QUALITIES.

    Raises MediaError("unsupported-output") for a size that the codec cannot hold, naming the size and the remedy.
    """
    if codec not in CODECS:
        raise MediaError("unsupported-output", f"Output codec {codec!r} is unknown; choose one of {', '.join(CODECS)}.")
    if quality not in QUALITIES:
        raise MediaError("unsupported-output", f"Quality {quality!r} is unknown; choose one of {', '.join(QUALITIES)}.")
    notes: list[str] = []
    if facts.interlaced != "progressive":
        first = "top" if facts.interlaced == "tff" else "bottom"
        notes.append(f"deinterlaced (bwdif, {first} field first): one frame of each two fields")
    codec = choose_codec(facts, width, height, codec, notes)
    pix_fmt = choose_format(facts, width, height, codec, notes)
    container = "matroska" if codec == "ffv1" else "mp4"
    return OutputSettings(
        codec=codec,
        quality=quality,
        container=container,
        suffix=".mkv" if container == "matroska" else ".mp4",
        pix_fmt=pix_fmt,
        width=width,
        height=height,
        time_base=choose_time_base(facts, container, notes),
        colour=choose_colour(facts, pix_fmt, notes),
        rotation=facts.rotation,
        sample_aspect_ratio=facts.sample_aspect_ratio,
        notes=tuple(notes),
        source_time_base=facts.time_base,
    )


def choose_codec(facts: ClipFacts, width: int, height: int, codec: str, notes: list[str]) -> str:
    macroblocks = -(-width // 16) * -(-height // 16)
    fits_h264 = max(width, height) <= H264_SIDE and macroblocks <= H264_MACROBLOCKS
    fits_hevc = max(width, height) <= HEVC_SIDE and width * height <= HEVC_SAMPLES
    small = min(width, height) < HEVC_LEAST_SIDE
    if codec == "auto":
        codec = "hevc"
        if not fits_h264:
            notes.append(f"HEVC, because {width}×{height} is beyond what H.264 players take (4096×2304)")
        elif facts.bit_depth > 8 and not small:
            notes.append(f"HEVC, because the source has {facts.bit_depth} bits a sample")
        else:
            codec = "h264"
    if codec == "h264" and not fits_h264:
        raise MediaError(
            "unsupported-output",
            f"The result would be {width}×{height}; H.264 ends at 4096×2304. "
            "Choose the codec hevc, or a target_height that fits.",
        )
    if codec == "hevc" and small:
        raise MediaError(
            "unsupported-output",
            f"The result would be {width}×{height}; HEVC is written from {HEVC_LEAST_SIDE}×{HEVC_LEAST_SIDE} on. "
            "Choose the codec h264 or ffv1, or a larger size.",
        )
    if codec == "hevc" and not fits_hevc:
        raise MediaError(
            "unsupported-output",
            f"The result would be {width}×{height}; HEVC ends at 8192×4352. "
            "Choose a target_height that fits, a smaller scale, or the codec ffv1.",
        )
    return codec


def choose_format(facts: ClipFacts, width: int, height: int, codec: str, notes: list[str]) -> str:
    source = av.VideoFormat(facts.pix_fmt, 16, 16)
    rgb = source.is_rgb or source.has_palette
    full_chroma = rgb or (not facts.grey and source.chroma_width() == 16 and source.chroma_height() == 16)
    if codec == "ffv1":
        depth = facts.bit_depth
        if rgb:
            return "bgr0" if depth <= 8 else f"gbrp{10 if depth <= 10 else 12}le"
        # The enhanced picture has detail of its own, but its colour has no more than the source's chroma gave.
        sampling = "444" if full_chroma or width % 2 or height % 2 else "420"
        return f"yuv{sampling}p" + ("" if depth <= 8 else "10le" if depth <= 10 else "12le")
    depth = 8
    if facts.bit_depth > 8:
        depth = 10 if codec == "hevc" else 8
        if facts.bit_depth > depth:
            notes.append(f"{depth} bits a sample; the source has {facts.bit_depth}, which few {codec} players take")
    sampling = "420"
    if width % 2 or height % 2:
        sampling = "444"
        notes.append(f"4:4:4 chroma keeps the odd size {width}×{height} exact; some players cannot show it")
    elif full_chroma:
        notes.append("4:2:0 chroma, which all players take; the source has one colour sample a pixel: ffv1 keeps them")
    return f"yuv{sampling}p" + ("10le" if depth == 10 else "")


def choose_time_base(facts: ClipFacts, container: str, notes: list[str]) -> Fraction:
    """One that keeps every source tick: 1/d of n/d for MP4, a number of nanoseconds for Matroska."""
    source = facts.time_base
    if container == "matroska":
        scale, exact = choose_scale(source, facts.start_pts or 0)
        if not exact:
            notes.append(f"Matroska cannot keep ticks of {source} s here: times are rounded to {scale} ns")
        return scale * NANOSECOND
    if source.denominator > MAX_TIMESCALE:
        notes.append(f"MP4 cannot keep ticks of {source} s: times are rounded to {Fraction(1, 1_000_000)} s")
        return Fraction(1, 1_000_000)
    return Fraction(1, source.denominator)


def choose_colour(facts: ClipFacts, pix_fmt: str, notes: list[str]) -> ColourTags:
    colour = facts.colour
    target = av.VideoFormat(pix_fmt, 16, 16)
    if colour.matrix == RGB and not target.is_rgb:
        notes.append("the source is coded as RGB; written as BT.709, limited range")
        return ColourTags(False, BT709, colour.primaries, colour.transfer)
    if colour.assumed:
        notes.append(
            f"the source names no colour matrix; {'BT.709' if colour.matrix == BT709 else 'BT.601'} by its size"
        )
    return colour
