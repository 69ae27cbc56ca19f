"""What test cameras send: short encoded loops, cut into access units, and their RTP payloads. Not a test file.

Pictures are those of `tests.media.clips.picture`. Packetising: H.264 by RFC 6184, H.265 by RFC 7798, JPEG by RFC 2435.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av

from tests.media.clips import flagged, picture

MTU = 1400
START_CODE = re.compile(b"\x00\x00\x00?\x01")
PAYLOAD_TYPES = {"h264": 96, "hevc": 97, "mjpeg": 26}
ENCODERS = {"h264": "libx264", "hevc": "libx265", "mjpeg": "mjpeg"}


@dataclass(frozen=True, slots=True)
class Unit:
    """One coded picture, in decoding order."""

    nals: tuple[bytes, ...]  # without start codes; a whole JPEG file as the only one for "mjpeg"
    decoding: int  # frame intervals from the loop's start
    presentation: int
    key: bool


@dataclass(frozen=True, slots=True)
class Material:
    """A loop of pictures, coded. `parameters` are its parameter sets: SPS, PPS (and VPS before them)."""

    codec: str
    width: int
    height: int
    units: tuple[Unit, ...]
    parameters: tuple[bytes, ...]


@cache
def material(
    codec: str = "h264",
    size: tuple[int, int] = (96, 64),
    *,
    frames: int = 24,
    gop: int = 12,
    b_frames: int = 0,
    fields: str = "",
    deep: bool = False,
) -> Material:
    """A loop of `frames` pictures with a key frame every `gop`. Closed groups, so the loop may be repeated for ever."""
    x26 = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b_frames}:b-adapt=0:open-gop=0:repeat-headers=1"
    options = {"flags": "+bitexact"}
    if codec == "h264":
        options = {"preset": "ultrafast", "x264-params": x26 + (f":{fields}=1" if fields else "")}
    elif codec == "hevc":
        options = {"preset": "ultrafast", "x265-params": x26 + ":log-level=none:pools=1:frame-threads=1"}
    else:
        options = {"huffman": "default", "force_duplicated_matrix": "0"}
    context = av.CodecContext.create(ENCODERS[codec], "w")
    context.width, context.height = size
    context.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p10le" if deep else "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.thread_count = 1
    context.options = options
    packets = []
    for index in range(frames):
        image = picture(index, *size)
        if fields:
            image[1 if fields == "tff" else 0 :: 2] = picture(index + 1, *size)[1 if fields == "tff" else 0 :: 2]
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=context.pix_fmt)
        frame = flagged(frame, fields) if fields else frame
        frame.pts, frame.time_base = index, Fraction(1, 25)
        packets += context.encode(frame)
    packets += context.encode(None)
    first = packets[0].dts or 0
    units = tuple(
        Unit(
            (bytes(packet),) if codec == "mjpeg" else split(bytes(packet)),
            (packet.dts or 0) - first,
            (packet.pts or 0) - first,
            packet.is_keyframe,
        )
        for packet in packets
    )
    parameters = () if codec == "mjpeg" else tuple(nal for nal in units[0].nals if is_parameter(codec, nal))
    return Material(codec, *size, units, parameters)


def split(stream: bytes) -> tuple[bytes, ...]:
    """The NAL units of an Annex B byte stream."""
    return tuple(nal for nal in START_CODE.split(stream) if nal)


def nal_type(codec: str, nal: bytes) -> int:
    return nal[0] & 31 if codec == "h264" else nal[0] >> 1 & 63


def is_parameter(codec: str, nal: bytes) -> bool:
    return nal_type(codec, nal) in ((7, 8) if codec == "h264" else (32, 33, 34))


def broken(codec: str, unit: Unit) -> tuple[bytes, ...]:
    """The unit's NAL units with parameter sets that make no sense."""
    return tuple(
        nal[:2] + bytes(byte ^ 0xA5 for byte in nal[2:]) if is_parameter(codec, nal) else nal for nal in unit.nals
    )


def sdp_lines(loop: Material, rate: Fraction | float, *, parameters: bool, control: str) -> list[str]:
    """The media section of a session description (RFC 4566) for the loop."""
    number = PAYLOAD_TYPES[loop.codec]
    lines = [f"m=video 0 RTP/AVP {number}", f"a=framerate:{float(rate):g}"]
    sets = [base64.b64encode(nal).decode() for nal in loop.parameters]
    if loop.codec == "h264":
        lines.append(f"a=rtpmap:{number} H264/90000")
        profile = loop.parameters[0][1:4].hex()
        sprop = f";sprop-parameter-sets={','.join(sets)}" if parameters else ""
        lines.append(f"a=fmtp:{number} packetization-mode=1;profile-level-id={profile}{sprop}")
    elif loop.codec == "hevc":
        lines.append(f"a=rtpmap:{number} H265/90000")
        if parameters:
            lines.append(f"a=fmtp:{number} sprop-vps={sets[0]};sprop-sps={sets[1]};sprop-pps={sets[2]}")
    return [*lines, f"a=control:{control}"]


def payloads(codec: str, nals: tuple[bytes, ...], size: tuple[int, int]) -> Iterator[bytes]:
    """RTP payloads of one access unit, each at most `MTU` bytes."""
    if codec == "mjpeg":
        yield from jpeg_payloads(nals[0], size)
        return
    for nal in nals:
        if len(nal) <= MTU:
            yield nal
            continue
        header = 1 if codec == "h264" else 2
        kind = nal_type(codec, nal)
        for start in range(header, len(nal), MTU - 3):
            part = nal[start : start + MTU - 3]
            flags = (start == header) << 7 | (start + len(part) == len(nal)) << 6
            if codec == "h264":  # FU-A
                yield bytes((nal[0] & 0xE0 | 28, flags | kind)) + part
            else:  # FU
                yield bytes((nal[0] & 0x81 | 49 << 1, nal[1], flags | kind)) + part


def jpeg_payloads(jpeg: bytes, size: tuple[int, int]) -> Iterator[bytes]:
    """RFC 2435: type 1 (4:2:0), quantisation tables in every picture (Q = 255), Huffman tables the standard's."""
    tables, scan = b"", b""
    at = 2
    while at < len(jpeg):
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == 0xDB:
            segment = jpeg[at + 4 : at + 2 + length]
            for table in range(0, len(segment), 65):
                tables += segment[table + 1 : table + 65]
        at += 2 + length
        if marker == 0xDA:
            scan = jpeg[at:].removesuffix(b"\xff\xd9")
            break
    if len(tables) == 64:
        tables *= 2
    width, height = size
    quantisation = b"\x00\x00" + len(tables).to_bytes(2, "big") + tables
    offset = 0
    while offset < len(scan):
        extra = quantisation if offset == 0 else b""
        part = scan[offset : offset + MTU - 8 - len(extra)]
        yield b"\x00" + offset.to_bytes(3, "big") + bytes((1, 255, width // 8, height // 8)) + extra + part
        offset += len(part)
