"""NAL units of H.264 and H.265 between start codes, and the parameter sets (SPS, PPS, VPS) among them. Only bytes."""

from __future__ import annotations

from collections.abc import Iterator

START_CODES = (b"\x00\x00\x01", LONG := b"\x00\x00\x00\x01")
SETS = {"h264": frozenset((7, 8)), "hevc": frozenset((32, 33, 34))}
PICTURES = {"h264": frozenset(range(1, 6)), "hevc": frozenset(range(32))}


def with_start_codes(data: bytes) -> bool:
    """Whether a packet or extradata is an Annex B stream; else it is length-prefixed, as in MP4 and FLV."""
    return data.startswith(START_CODES)


def nal_units(data: bytes) -> Iterator[bytes]:
    """The NAL units between start codes (ITU-T H.264, annex B)."""
    start = data.find(b"\0\0\1")
    while start >= 0:
        start += 3
        following = data.find(b"\0\0\1", start)
        yield data[start : len(data) if following < 0 else following].rstrip(b"\0")
        start = following


def parameter_sets(codec: str, data: bytes) -> bytes:
    """The parameter sets in an Annex B stream up to its first picture, each with a start code; empty: none."""
    kinds = SETS.get(codec)
    if kinds is None or not with_start_codes(data):
        return b""
    found: list[bytes] = []
    for unit in filter(None, nal_units(data)):
        kind = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
        if kind in PICTURES[codec]:
            break
        if kind in kinds:
            found.append(LONG + unit)
    return b"".join(found)
