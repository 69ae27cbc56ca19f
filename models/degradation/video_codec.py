"""H.264 and H.265 in memory, frame by frame, as cameras and recorders run them. Knows planes, not pictures or profiles.

Frames are (H·3/2, W) uint8 planar 4:2:0, H and W even. One thread, so equal input gives equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

Planes = NDArray[np.uint8]

CODECS = {"h264": ("libx264", "h264"), "h265": ("libx265", "hevc")}  # encoder, decoder
RATE = 25  # frames a second: x264 and x265 spend bits by it
# Of the sides they are given. x265 4.2 takes 32 as well, but in frames narrower than a block of 64 it reads and writes
# beyond its memory (measured: of 40 short clips 32 wide 19 differed from run to run, and with look-ahead the process
# aborted within a thousand; of 400 clips 48 wide or more none did).
SMALLEST_SIDE = {"h264": 2, "h265": 64}


class CodecError(Exception):
    """The encoder or decoder gave back something else than was put in, or cannot be had."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one encoder is set. By default as in cameras: no B frames, no looking ahead, so frames come out at once."""

    codec: str = "h264"  # a key of CODECS
    crf: float | None = 28.0  # constant rate factor of x264 or x265; None: `bits` rules
    bits: float | None = None  # a pixel and frame on the average of a second (a VBV of one second); None: `crf` rules
    preset: str = "veryfast"
    gop: int = 50  # frames from key frame to key frame at most; a scene cut begins a new one
    b_frames: int = 0
    looks_ahead: bool = False  # the encoder's own look-ahead and macroblock tree: better, but not what cameras have


class Transcoder:
    """Encodes and decodes a clip whose frames come one by one. As many come back, in order, some of them later.

    Raises ValueError for settings that contradict each other or frames of another size; CodecError where the PyAV
    build lacks a codec.
    """

    def __init__(self, width: int, height: int, encoding: Encoding) -> None:
        """width, height: of the luma plane, even, at least SMALLEST_SIDE."""
        if encoding.codec not in CODECS:
            raise ValueError(f"unknown codec {encoding.codec!r}: use one of {', '.join(CODECS)}")
        if encoding.codec == "h265" and encoding.b_frames and not encoding.looks_ahead:
            raise ValueError(f"x265 cannot place {encoding.b_frames} B frames without looking ahead: let it, or set 0")
        if (encoding.crf is None) == (encoding.bits is None):
            raise ValueError(f"crf is {encoding.crf} and bits is {encoding.bits}: set exactly one of them")
        smallest = SMALLEST_SIDE[encoding.codec]
        if width % 2 or height % 2 or min(width, height) < smallest:
            raise ValueError(
                f"{encoding.codec} cannot hold {width}x{height} in 4:2:0: pad to even sides of at least {smallest}"
            )
        self.bytes = 0  # of the stream so far
        self._shape = (height * 3 // 2, width)
        self._sent = 0
        encoder_name, decoder_name = CODECS[encoding.codec]
        self._encoder = _context(encoder_name, "w")
        _set_up(self._encoder, width, height, encoding)
        self._decoder = _context(decoder_name, "r")
        self._decoder.thread_count = 1

    def push(self, planes: Planes) -> list[Planes]:
        if planes.shape != self._shape:
            raise ValueError(
                f"a frame of shape {planes.shape} is not of the clip's {self._shape}: sizes must not change"
            )
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = self._sent, self._encoder.time_base
        self._sent += 1
        return self._decode(self._encoder.encode(frame))

    def flush(self) -> list[Planes]:
        """What is still inside. The transcoder is then used up."""
        if not self._sent:
            return []
        rest = self._decode(self._encoder.encode(None))
        return rest + [_planes(frame) for frame in self._decoder.decode(None)]

    def _decode(self, packets: list[Any]) -> list[Planes]:
        out = []
        for packet in packets:
            self.bytes += packet.size
            out += [_planes(frame) for frame in self._decoder.decode(packet)]
        return out


def transcode(frames: Iterable[Planes], width: int, height: int, encoding: Encoding) -> Iterator[Planes]:
    """Lazily. Raises as `Transcoder`; CodecError at the end where frames went missing."""
    transcoder = Transcoder(width, height, encoding)
    sent = received = 0
    for planes in frames:
        sent += 1
        for decoded in transcoder.push(planes):
            received += 1
            yield decoded
    for decoded in transcoder.flush():
        received += 1
        yield decoded
    if sent != received:
        raise CodecError(f"{encoding.codec} gave {received} frames back for {sent}: this PyAV build may lack it")


def _set_up(encoder: VideoCodecContext, width: int, height: int, encoding: Encoding) -> None:
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, RATE), Fraction(RATE)
    encoder.gop_size, encoder.max_b_frames, encoder.thread_count = encoding.gop, encoding.b_frames, 1
    options = {"preset": encoding.preset}
    if encoding.crf is not None:
        options["crf"] = f"{encoding.crf:.2f}"
    elif encoding.bits is not None:
        rate = str(max(1000, round(encoding.bits * width * height * RATE)))
        options |= {"b": rate, "maxrate": rate, "bufsize": rate}
    parameters: dict[str, str | int] = {"log-level": "none"}
    if not encoding.looks_ahead:
        parameters["rc-lookahead"] = 0
    if encoding.codec == "h264":
        if not encoding.looks_ahead:
            parameters |= {"sync-lookahead": 0, "mbtree": 0}
        options["x264-params"] = _joined(parameters)
    else:
        parameters |= {"pools": "none", "frame-threads": 1, "wpp": 0, "info": 0, "open-gop": 0}
        parameters["bframes"] = encoding.b_frames
        options["x265-params"] = _joined(parameters)
    encoder.options = options


def _joined(parameters: dict[str, str | int]) -> str:
    return ":".join(f"{name}={value}" for name, value in parameters.items())


def _planes(frame: av.VideoFrame) -> Planes:
    return np.asarray(frame.to_ndarray(), dtype=np.uint8)


def _context(name: str, mode: Any) -> VideoCodecContext:
    try:
        context = CodecContext.create(name, mode)
    except av.FFmpegError as error:
        raise CodecError(f"this PyAV build has no {name}: {error}") from None
    if not isinstance(context, VideoCodecContext):
        raise CodecError(f"{name} is not a video codec in this PyAV build")
    return context
