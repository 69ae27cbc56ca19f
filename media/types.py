"""What media knows of a clip, as values. No PyAV here: every room may import this file."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]  # (H, W, 3) uint8 in 0..255 or uint16 in 0..65535, RGB, gamma-encoded as the source is


class MediaError(Exception):
    """A clip cannot be read or written. `code` is stable; the message names the thing, the value and the remedy.

    Messages never contain a path or a URL: they go to clients as they are.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class ColourTags:
    """How sample values mean colours, decided (never 'unspecified') when a clip is opened. FFmpeg's numbers."""

    full_range: bool  # True: 0..255 (JPEG, "yuvj"), False: 16..235
    matrix: int  # AVColorSpace: 1 BT.709, 5/6 BT.601, 9 BT.2020, 0 RGB
    primaries: int  # AVColorPrimaries, 2 where the source does not say
    transfer: int  # AVColorTransferCharacteristic, 2 where the source does not say
    assumed: bool = False  # the matrix was not in the file and was chosen by size


@dataclass(frozen=True, slots=True)
class StreamFacts:
    index: int
    kind: str  # "video", "audio", "subtitle", "data", "attachment"
    codec: str  # FFmpeg's name
    detail: str = ""  # e.g. "48000 Hz, 2 channels"


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What probing found. Sizes are of the coded picture; rotation is carried, not applied."""

    container: str  # FFmpeg's format name, e.g. "mov,mp4,m4a,3gp,3g2,mj2"
    codec: str
    width: int
    height: int
    pix_fmt: str
    bit_depth: int  # per component, of the source: 8, 10 or 12
    grey: bool  # the pixel format has no chroma; frames of a coloured format may be grey too, see VideoFrame
    rotation: int  # degrees, as FFmpeg's display matrix says: 0, 90, 180, 270
    sample_aspect_ratio: Fraction  # 1 where unknown
    colour: ColourTags
    interlaced: str  # "progressive", "tff" or "bff"
    time_base: Fraction
    start_pts: int | None
    duration_s: float | None
    average_rate: Fraction | None
    frames: int | None  # as the container says or as its packets were counted; None where unknown
    video_index: int  # index of the video stream that is enhanced
    streams: tuple[StreamFacts, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def display_size(self) -> tuple[int, int]:
        """(width, height) as seen after rotation, square pixels not assumed."""
        return (self.height, self.width) if self.rotation in (90, 270) else (self.width, self.height)


@dataclass(frozen=True, slots=True)
class Span:
    """A run of frames in presentation order: start_pts <= pts < end_pts (None: to the clip's end).

    Starts on a key frame, except the first, which starts at the clip's beginning (start_pts None).
    """

    index: int
    start_pts: int | None
    end_pts: int | None
    frames: int | None = None  # packets counted in it: an estimate for progress, the reader decides


@dataclass(slots=True, eq=False)
class VideoFrame:
    image: Image
    pts: int  # ticks of the clip's time base
    grey: bool  # every chroma sample of the source frame is neutral: the output must be exactly grey
    damaged: bool = False  # the decoder concealed damage in it
    duration: int | None = None  # ticks, where the container says


@dataclass(frozen=True, slots=True)
class DamageEvent:
    pts: int | None  # ticks, where known
    what: str  # one line for people: "packet could not be decoded", "frame is corrupt", ...


@dataclass(slots=True)
class Damage:
    """What was wrong with a clip. Counted in full, located up to `KEEP` events."""

    packets: int = 0  # packets that no frame came of, because they could not be decoded
    frames: int = 0  # frames delivered, but marked corrupt by the decoder
    events: list[DamageEvent] = field(default_factory=list)

    KEEP: ClassVar[int] = 100

    def note(self, pts: int | None, what: str) -> None:
        if len(self.events) < self.KEEP:
            self.events.append(DamageEvent(pts, what))


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """How an enhanced clip is written: the closed list. Decided once per clip by `media.output.decide`."""

    codec: str  # "h264", "hevc" or "ffv1"
    quality: str  # "draft", "standard", "high"; ignored by the lossless codec
    container: str  # "mp4" or "matroska"
    suffix: str  # ".mp4" or ".mkv"
    pix_fmt: str  # FFmpeg's name, e.g. "yuv420p", "yuv420p10le", "yuv444p"
    width: int
    height: int
    time_base: Fraction  # of the video stream as written
    colour: ColourTags
    rotation: int
    sample_aspect_ratio: Fraction
    notes: tuple[str, ...] = ()  # what was decided and why, for the report
    source_time_base: Fraction | None = None  # of the pts that a writer is given; None: `time_base`


def is_grey(image: Image) -> bool:
    """True where all three channels are equal everywhere."""
    return bool(np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 1], image[..., 2]))
