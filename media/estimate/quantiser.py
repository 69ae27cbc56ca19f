"""How coarsely H.264 was quantised, as its decoder tells. Knows nothing of pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import cast

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

from media.opening import open_video
from media.packets import read_packets
from media.types import ClipFacts

CODEC = "h264"  # FFmpeg's decoders of MPEG-4 and MPEG-2 tell too, on scales of their own; HEVC's does not
PACKETS = 12  # read at each place
_HEAD = struct.Struct("@IQQii")  # of FFmpeg's AVVideoEncParams: blocks, offset of the first, size, type, QP
_DELTA = 16  # bytes into a block: its QP beyond the frame's, after x, y, width and height
_TYPE = "VIDEO_ENC_PARAMS"


def quantiser_of(path: Path, facts: ClipFacts, places: Sequence[int], count: int) -> float | None:
    """Mean QP (0..51) of up to `count` pictures after each key frame at or before `places` (ticks).

    None where the codec is another or nothing could be decoded. Raises MediaError as `media.opening.open_video`.
    """
    if facts.codec != CODEC:
        return None
    found: list[float] = []
    with open_video(path, facts.video_index) as (container, stream):
        context = stream.codec_context
        context.thread_count = 1
        context.options = {"export_side_data": "venc_params", "max_pixels": str(4 * facts.width * facts.height)}
        for place in places:
            found += islice(_from(container, stream, place), count)
    return float(np.mean(found)) if found else None


def _from(container: InputContainer, stream: VideoStream, place: int) -> Iterator[float]:
    with suppress(av.error.FFmpegError):
        container.seek(place, stream=stream, backward=True, any_frame=False)
        packets = islice(read_packets(container, stream, lambda _: None), PACKETS)
        for packet in chain(packets, [None]):  # None: what a decoder of a short clip still holds
            with suppress(av.error.FFmpegError):
                for frame in stream.codec_context.decode(packet):
                    yield from (parsed(bytes(data)) for data in _side_data(frame) if data.type.name == _TYPE)


def _side_data(frame: av.VideoFrame) -> Iterator[SideData]:
    """PyAV's container of it is a mapping by its types, and iterates over the entries."""
    return iter(cast(Iterable[SideData], frame.side_data))


def parsed(data: bytes) -> float:
    """Mean QP of the picture that AVVideoEncParams describes: the frame's and the mean of what its blocks add."""
    count, offset, size, _, base = _HEAD.unpack_from(data)
    if not count:
        return float(base)
    blocks = np.frombuffer(data, np.uint8, count * size, offset).reshape(count, size)
    deltas = np.ascontiguousarray(blocks[:, _DELTA : _DELTA + 4]).view(np.int32)
    return float(base + deltas.mean())
