"""RTP of a camera of `tests.media.camera_servers`: its tracks, and media sent on them in real time. Not a test file.

RTP and sender reports by RFC 3550.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from tests.media.camera_behaviour import Behaviour
from tests.media.camera_material import Material, broken, is_parameter, payloads

NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
AUDIO_RATE = 8000
REPORT_S = 0.5
VIDEO, AUDIO = 0, 1  # tracks


class Track:
    """One RTP stream and its sender reports, interleaved on the RTSP connection or over UDP."""

    def __init__(self, interleave: Callable[[bytes], None], kind: int, rate: int, ssrc: int) -> None:
        self.rate = rate
        self.channel: int | None = None
        self.sockets: tuple[socket.socket, socket.socket] | None = None
        self._interleave, self._kind, self._ssrc = interleave, kind, ssrc
        self._targets: tuple[int, int] = (0, 0)
        self.sequence = 65_500  # soon over the edge, as after hours
        self._base = 0xFFFF0000  # timestamps too
        self._sent = self._bytes = 0

    def open_udp(self, first: int) -> None:
        sockets = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
        for udp in sockets:
            udp.bind(("127.0.0.1", 0))
        self.sockets, self._targets = sockets, (first, first + 1)

    def close(self) -> None:
        for udp in self.sockets or ():
            udp.close()

    def timestamp(self, seconds: float) -> int:
        return (self._base + round(seconds * self.rate)) & 0xFFFFFFFF

    def rtp(self, payload: bytes, seconds: float, marker: bool) -> None:
        head = struct.pack(
            ">BBHII",
            0x80,
            marker << 7 | self._kind,
            self.sequence & 0xFFFF,
            self.timestamp(seconds),
            self._ssrc,
        )
        self.sequence += 1
        self._sent += 1
        self._bytes += len(payload)
        self._send(0, head + payload)

    def report(self, utc: float, seconds: float) -> None:
        """A sender report: at `utc`, the stream's clock told `seconds`."""
        ntp = round((utc + NTP_EPOCH) * (1 << 32))
        report = struct.pack(
            ">BBHIQIII", 0x80, 200, 6, self._ssrc, ntp, self.timestamp(seconds), self._sent, self._bytes & 0xFFFFFFFF
        )
        self._send(1, report)

    def _send(self, control: int, packet: bytes) -> None:
        if self.sockets is not None:
            self.sockets[control].sendto(packet, ("127.0.0.1", self._targets[control]))
        elif self.channel is not None:
            self._interleave(b"$" + struct.pack(">BH", self.channel + control, len(packet)) + packet)


class Sending:
    """Media of one PLAY, in real time."""

    def __init__(
        self, behaviour: Behaviour, tracks: Mapping[int, Track], stopped: threading.Event, frozen: threading.Event
    ) -> None:
        self._behaviour, self._tracks, self._stopped, self._frozen = behaviour, tracks, stopped, frozen
        self._began, self._began_utc = time.monotonic(), time.time()
        self._reported = -REPORT_S
        self._sound = self._packets = 0
        self._noise = random.Random(1)

    def run(self) -> None:
        behaviour = self._behaviour
        if behaviour.silent == "play" or not behaviour.rate:
            self._stopped.wait()
            return
        if not behaviour.video:
            for tick in self._ticks(25.0):
                self._audio(tick / 25.0)
            return
        self._video()

    def _ticks(self, rate: float) -> Iterator[int]:
        """0, 1, 2, ... in real time, `rate` a second, until stopped."""
        number = 0
        while self._wait_for(number / rate):
            yield number
            number += 1

    def _wait_for(self, seconds: float) -> bool:
        """Waits for a time of the stream. False where sending is over."""
        due = self._began + seconds / self._behaviour.speed
        if self._stopped.wait(max(0.0, due - time.monotonic())):
            return False
        while self._frozen.is_set():
            if self._stopped.wait(0.05):
                return False
        return True

    def _video(self) -> None:
        behaviour = self._behaviour
        interval = 1 / behaviour.rate
        loop, base, at = behaviour.loop, 0, 0  # frame intervals before this round of the loop; units of it sent
        changes = dict(sorted(behaviour.changes.items()))
        sent = 0
        while behaviour.frames is None or sent < behaviour.frames:
            if at == len(loop.units):
                base, at = base + len(loop.units), 0
            unit = loop.units[at]
            if not self._wait_for((base + unit.decoding) * interval):
                return
            now = (base + unit.decoding) * interval
            if changes and unit.key and now >= next(iter(changes)):  # at a key frame, and begun anew
                base, at = base + unit.decoding, 0
                loop = changes.pop(next(iter(changes)))
                unit = loop.units[0]
            shown = (base + unit.presentation) * interval
            if behaviour.reports and now - self._reported >= REPORT_S:
                self._reported = now
                self._report(now)
            nals = broken(loop.codec, unit) if now < behaviour.broken_for_s else unit.nals
            if not behaviour.in_band:
                nals = tuple(nal for nal in nals if not is_parameter(loop.codec, nal))
            if behaviour.damage_every and sent % behaviour.damage_every == behaviour.damage_every - 1:
                nals = tuple(spoilt(nal) for nal in nals)
            self._picture(loop, nals, behaviour.clock(shown))
            self._audio(now)
            at += 1
            sent += 1
        if behaviour.at_end == "quiet":
            self._stopped.wait()

    def _picture(self, loop: Material, nals: tuple[bytes, ...], seconds: float) -> None:
        parts = list(payloads(loop.codec, nals, (loop.width, loop.height)))
        for number, part in enumerate(parts):
            self._packets += 1
            noisy = self._behaviour.noise_every and self._packets % self._behaviour.noise_every == 0
            payload = self._noise.randbytes(len(part)) if noisy else part
            self._tracks[VIDEO].rtp(payload, seconds, marker=number == len(parts) - 1)

    def _report(self, now: float) -> None:
        utc = self._began_utc + now if self._behaviour.utc is None else self._behaviour.utc(now)
        for track in self._tracks.values():
            track.report(utc, self._behaviour.clock(now))

    def _audio(self, now: float) -> None:
        """Silence in packets of 20 ms, up to now."""
        if AUDIO not in self._tracks:
            return
        while self._sound * 0.02 <= now:
            self._tracks[AUDIO].rtp(b"\xff" * (AUDIO_RATE // 50), self._sound * 0.02, marker=False)
            self._sound += 1


def spoilt(nal: bytes) -> bytes:
    """The NAL unit with its later half scrambled."""
    half = max(8, len(nal) // 2)
    return nal[:half] + bytes(byte ^ 0x5A for byte in nal[half:])
