"""H.264 as RTP packets, and its description: RFC 3550, 6184, 8866. Pure: knows no socket and no session."""

from __future__ import annotations

import base64
import secrets
import struct
from collections.abc import Iterator

from media.live_encoder import Encoded, LiveFormat
from media.live_types import CLOCK
from media.nal_units import nal_units

PAYLOAD_TYPE = 96
MAX_PAYLOAD = 1400  # bytes, so that a packet fits an Ethernet frame where the server passes it on by UDP
TRACK = "streamid=0"

_FU_A = 28
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970


def describe(live_format: LiveFormat) -> str:
    """The session description (SDP) of an H.264 stream whose packets `RtpPacker` makes."""
    units = list(nal_units(live_format.extradata))
    sets = ",".join(base64.b64encode(unit).decode() for unit in units)
    profile = next(unit[1:4].hex().upper() for unit in units if unit[0] & 31 == 7)
    lines = (
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=enhanced",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK}",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1; sprop-parameter-sets={sets}; profile-level-id={profile}",
        f"a=control:{TRACK}",
    )
    return "".join(line + "\r\n" for line in lines)


class RtpPacker:
    """One RTP stream: sequence numbers, timestamps, and what its sender reports say."""

    def __init__(self) -> None:
        self.ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._base = secrets.randbits(32)
        self._packets = self._bytes = 0

    def pack(self, encoded: Encoded) -> list[bytes]:
        """The frame's packets; a key frame's parameter sets go before it."""
        data = encoded.format.extradata + encoded.data if encoded.key else encoded.data
        payloads = [payload for unit in nal_units(data) if unit for payload in _payloads(unit)]
        last = len(payloads) - 1
        return [self._packet(payload, encoded.pts, marker=index == last) for index, payload in enumerate(payloads)]

    def _packet(self, payload: bytes, pts: int, *, marker: bool) -> bytes:
        head = struct.pack(">BBHII", 0x80, PAYLOAD_TYPE | marker << 7, self._sequence, self._timestamp(pts), self.ssrc)
        self._sequence = self._sequence + 1 & 0xFFFF
        self._packets += 1
        self._bytes += len(payload)
        return head + payload

    def _timestamp(self, pts: int) -> int:
        return self._base + pts & 0xFFFF_FFFF

    def sender_report(self, pts: int, wall: float) -> bytes:
        """Says that the frame of that pts was captured at `wall`, Unix seconds (RFC 3550, 6.4.1), and who speaks."""
        ntp = round((wall + _NTP_EPOCH) * (1 << 32))
        counts = (self._packets & 0xFFFF_FFFF, self._bytes & 0xFFFF_FFFF)
        words = (self.ssrc, ntp >> 32 & 0xFFFF_FFFF, ntp & 0xFFFF_FFFF, self._timestamp(pts), *counts)
        report = struct.pack(">BBH6I", 0x80, 200, 6, *words)
        name = struct.pack(">BBHIBB", 0x81, 202, 3, self.ssrc, 1, 4) + b"live\0\0"
        return report + name


def _payloads(unit: bytes) -> Iterator[bytes]:
    """RFC 6184: 5.6 for a unit that fits, 5.8 (FU-A) for one that does not."""
    if len(unit) <= MAX_PAYLOAD:
        yield unit
        return
    indicator, kind = unit[0] & 0xE0 | _FU_A, unit[0] & 0x1F
    size = MAX_PAYLOAD - 2
    for start in range(1, len(unit), size):
        first, last = start == 1, start + size >= len(unit)
        yield bytes((indicator, first << 7 | last << 6 | kind)) + unit[start : start + size]
