"""The parameter sets (SPS, PPS, VPS) of H.264 and H.265 as cameras send them, with start codes. Knows only bytes."""

from __future__ import annotations

import re

START_CODE = re.compile(b"\x00\x00\x00?\x01")
LONG = b"\x00\x00\x00\x01"
SETS = {"h264": frozenset((7, 8)), "hevc": frozenset((32, 33, 34))}
PICTURES = {"h264": frozenset(range(1, 6)), "hevc": frozenset(range(32))}


def with_start_codes(data: bytes) -> bool:
    """Whether a packet or extradata is an Annex B stream; else it is length-prefixed, as in MP4 and FLV."""
    return data.startswith((b"\x00\x00\x01", LONG))


def parameter_sets(codec: str, data: bytes) -> bytes:
    """The parameter sets in an Annex B stream up to its first picture, each with a start code; empty: none."""
    kinds = SETS.get(codec)
    if kinds is None or not with_start_codes(data):
        return b""
    found: list[bytes] = []
    at = START_CODE.match(data)
    while at is not None and at.end() < len(data):
        first = data[at.end()]
        kind = first & 31 if codec == "h264" else first >> 1 & 63
        if kind in PICTURES[codec]:
            break
        following = START_CODE.search(data, at.end())
        if kind in kinds:
            found.append(LONG + data[at.end() : following.start() if following else len(data)])
        at = following
    return b"".join(found)
