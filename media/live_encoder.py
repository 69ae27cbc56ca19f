"""Images of a live stream as H.264 packets, one for each, at once. Knows nothing of containers, files or networks.

One encoding feeds everything that leaves a camera worker: HLS, the push and the recording. So no B frames, no
lookahead, headers beside the packets, and key frames where they are due or asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from media.colour_out import FromRgb
from media.encoder import thread_count
from media.live_types import CLOCK, TICK
from media.output import H264_MACROBLOCKS, H264_SIDE
from media.resize import resize
from media.types import ColourTags, Image

NOMINAL_RATE = 25  # for rate control and the level only: times come from pts
MAX_THREADS = 4  # slices lie across the picture: more of them cost quality
# Processor time of a frame, measured on moving noisy pictures of 1920×1080 (2816×2304) at this crf: ultrafast 18 (55)
# ms for 74 (229) kB, superfast 23 (68) ms for 37 (115) kB, veryfast 36 (111) ms for 35 (108) kB.
PRESET = "superfast"
CRF = 23
BITS_PER_PIXEL = 4  # a second at most, so that noise at night does not fill the network: 8.3 Mbit/s at 1920×1080
MIN_BITS = 500_000  # a second
LEAST_SIDE = 16


@dataclass(frozen=True, slots=True)
class LiveFormat:
    """What a packet needs to be decoded. Compared by value: another one is another stream to a player."""

    width: int
    height: int
    extradata: bytes = field(repr=False)  # sequence and picture parameter sets, with start codes


@dataclass(frozen=True, slots=True)
class Encoded:
    """One coded frame. pts: ticks of 1/90000 s; it is also its place in decoding order."""

    data: bytes = field(repr=False)  # with start codes; without parameter sets
    pts: int
    key: bool
    format: LiveFormat


def live_size(width: int, height: int) -> tuple[int, int]:
    """The nearest size of that shape that H.264 players take: even, at least 16, at most 4096×2304 pixels in all."""
    largest = H264_SIDE
    while True:
        scale = min(1.0, largest / max(width, height))
        fitted = tuple(max(LEAST_SIDE, 2 * round(side * scale / 2)) for side in (width, height))
        if -(-fitted[0] // 16) * -(-fitted[1] // 16) <= H264_MACROBLOCKS:
            return fitted[0], fitted[1]
        largest -= 16


class LiveEncoder:
    """Encodes images of one size. Not thread-safe; to be closed.

    width, height: as `live_size` gives them; ValueError otherwise. key_s: seconds between key frames, to the nearest
    frame, so that a slow camera's frames are all key frames. threads: 0 for one on each processor, up to MAX_THREADS.
    """

    def __init__(
        self,
        width: int,
        height: int,
        colour: ColourTags,
        *,
        key_s: float = 2.0,
        threads: int = 0,
        preset: str = PRESET,
    ) -> None:
        if live_size(width, height) != (width, height):
            raise ValueError(f"{width}×{height} cannot be sent live; {live_size(width, height)} can")
        self._from_rgb = FromRgb(colour, "yuv420p")
        self._context = _open(width, height, colour, min(thread_count(threads), MAX_THREADS), preset)
        self._key_ticks = round(key_s * CLOCK)
        self._last: int | None = None
        self._last_key = 0
        self._step = 0
        self.format = LiveFormat(width, height, self._context.extradata or b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def encode(self, image: Image, pts: int, *, key: bool = False, grey: bool = False) -> list[Encoded]:
        """image: (H, W, 3) uint8 RGB, resized where it is not of the encoder's size. pts: ticks of 1/90000 s, rising.

        key: make it a key frame, due or not. grey: exactly neutral chroma. Returns the packet of this very frame.
        """
        if self._last is not None and pts <= self._last:
            raise ValueError(f"pts must rise: {pts} after {self._last}")
        due = self._is_due(pts)
        key = key or due
        frame = self._from_rgb(resize(image, self.format.width, self.format.height), grey=grey)
        frame.pts, frame.time_base = pts, TICK
        frame.pict_type = PictureType.I if key else PictureType.NONE
        return [self._wrap(packet) for packet in self._context.encode(frame)]

    def _is_due(self, pts: int) -> bool:
        if self._last is None:
            due = True
        else:
            self._step = pts - self._last
            due = pts - self._last_key + self._step // 2 >= self._key_ticks
        self._last = pts
        if due:
            self._last_key = pts
        return due

    def _wrap(self, packet: Packet[VideoStream]) -> Encoded:
        assert packet.pts is not None
        if packet.is_keyframe:
            self._last_key = packet.pts
        return Encoded(bytes(packet), packet.pts, packet.is_keyframe, self.format)

    def close(self) -> None:
        """Free the encoder; it holds no frame back, so nothing is lost."""
        del self._context


def _open(width: int, height: int, colour: ColourTags, threads: int, preset: str) -> VideoCodecContext:
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = TICK, Fraction(NOMINAL_RATE)
    context.color_range = 2 if colour.full_range else 1
    context.colorspace, context.color_primaries, context.color_trc = colour.matrix, colour.primaries, colour.transfer
    context.flags |= Flags.global_header
    context.thread_count, context.thread_type = threads, "SLICE"  # FFmpeg's default holds frames back
    most = max(MIN_BITS, width * height * BITS_PER_PIXEL)
    context.options = {
        "preset": preset,
        "tune": "zerolatency",
        "crf": str(CRF),
        "maxrate": str(most),
        "bufsize": str(2 * most),
        "bf": "0",
        "g": str(1 << 20),  # key frames are ours to choose
        "sc_threshold": "0",
        "forced-idr": "1",
    }
    context.open()
    return context
