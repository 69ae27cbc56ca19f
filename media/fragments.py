"""Fragmented MP4 of one H.264 track, as bytes: an init segment, and a fragment for any run of frames. Touches no file.

ISO/IEC 14496-12 (2020), 8.8 for fragments; 14496-15 for H.264 in them. The init segment is FFmpeg's. Fragments are
written here, because FFmpeg's muxer, driven through PyAV, gives a fragment only when the next packet comes, counts time
from its own start, and keeps an index that grows for as long as the stream lasts.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
from av.packet import Packet
from av.stream import Stream

from media.live_encoder import Encoded
from media.live_types import CLOCK, TICK
from media.nal_units import nal_units

TRACK = 1
MAX_TICKS = (1 << 32) - 1  # a sample's duration has 32 bits: 13 hours

_KEY_FLAGS = 0x0200_0000  # depends on no other sample
_OTHER_FLAGS = 0x0101_0000  # depends on others, no place to begin at
_BASE_IS_MOOF = 0x02_0000
_TRUN_FIELDS = 0x1 | 0x100 | 0x200 | 0x400  # data offset; each sample's duration, size, flags
_DELIMITERS = frozenset((9, 12))  # access unit delimiter, filler: nothing in MP4


@dataclass(frozen=True, slots=True)
class TimedFrame:
    encoded: Encoded
    duration: int  # ticks of 1/90000 s until the next frame


def init_segment(key_frame: Encoded) -> bytes:
    """ftyp and moov for everything of `key_frame.format`."""
    if not key_frame.key:
        raise ValueError("an init segment is made of a key frame")
    out = io.BytesIO()
    options = {
        "movflags": "empty_moov+default_base_moof",
        "video_track_timescale": str(CLOCK),
        "movie_timescale": str(CLOCK),
        "fflags": "+bitexact",
    }
    with av.open(out, "w", format="mp4", container_options=options) as container:
        stream = container.add_mux_stream("h264", width=key_frame.format.width, height=key_frame.format.height)
        stream.time_base = TICK
        packet = mux_packet(key_frame, with_parameters=True)
        packet.stream, packet.pts, packet.dts = stream, 0, 0
        container.mux(packet)
    written = out.getvalue()
    return b"".join(written[start:end] for name, start, end in boxes(written) if name in (b"ftyp", b"moov"))


def mux_packet(encoded: Encoded, *, with_parameters: bool) -> Packet[Stream]:
    """The frame for a muxer of PyAV; parameter sets before it where they are wanted (PyAV finds them in the first)."""
    data = encoded.data
    if with_parameters:  # short start codes: the first zero of a long one would be taken for the end of what is before
        data = encoded.format.extradata + b"".join(b"\0\0\1" + unit for unit in nal_units(encoded.data))
    packet: Packet[Stream] = Packet(data)
    packet.pts = packet.dts = encoded.pts
    packet.time_base = TICK
    packet.is_keyframe = encoded.key
    return packet


def fragment(frames: Sequence[TimedFrame], sequence: int, offset: int = 0) -> bytes:
    """moof and mdat of frames of one format, in order. The first one's pts, plus `offset`, is their place in time.

    sequence: a number that rises from fragment to fragment; of a longer one the lowest 32 bits are written.
    """
    samples = [b"".join(_sample(frame.encoded)) for frame in frames]
    entries = b"".join(
        struct.pack(
            ">III", min(frame.duration, MAX_TICKS), len(sample), _KEY_FLAGS if frame.encoded.key else _OTHER_FLAGS
        )
        for frame, sample in zip(frames, samples, strict=True)
    )
    header = _box(b"mfhd", struct.pack(">II", 0, sequence & 0xFFFF_FFFF))
    track = _box(b"tfhd", struct.pack(">II", _BASE_IS_MOOF, TRACK))
    track += _box(b"tfdt", struct.pack(">IQ", 1 << 24, frames[0].encoded.pts + offset))

    def moof(data_offset: int) -> bytes:
        run = struct.pack(">IIi", _TRUN_FIELDS, len(frames), data_offset) + entries
        return _box(b"moof", header + _box(b"traf", track + _box(b"trun", run)))

    return moof(len(moof(0)) + 8) + _box(b"mdat", b"".join(samples))


def _box(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", 8 + len(payload)) + name + payload


def boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of each box of the top level."""
    start = 0
    while start + 8 <= len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        yield data[start + 4 : start + 8], start, start + size
        start += max(size, 8)


def _sample(encoded: Encoded) -> Iterator[bytes]:
    # Key frames carry their parameter sets although the init segment has them: FFmpeg's HLS reader (ffplay, mpv) goes
    # on with its first init segment when a playlist comes to another one.
    for unit in nal_units(encoded.format.extradata + encoded.data if encoded.key else encoded.data):
        if unit and unit[0] & 31 not in _DELIMITERS:
            yield struct.pack(">I", len(unit))
            yield unit


def span(data: bytes) -> tuple[int, int]:
    """(begin, end) of a segment of fragments that `fragment` wrote. Ticks of 1/90000 s; (0, 0) if there is none."""
    moofs = [data[start:end] for name, start, end in boxes(data) if name == b"moof"]
    if not moofs:
        return 0, 0
    begin, last = (int(struct.unpack_from(">Q", moof, moof.index(b"tfdt") + 8)[0]) for moof in (moofs[0], moofs[-1]))
    run = moofs[-1].index(b"trun")
    count: int = struct.unpack_from(">I", moofs[-1], run + 8)[0]
    durations: list[int] = [struct.unpack_from(">I", moofs[-1], run + 16 + 12 * index)[0] for index in range(count)]
    return begin, last + sum(durations)
