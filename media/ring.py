"""The last minutes of what a camera sent, packet by packet, in short closed files. Decodes nothing, keeps no sound.

Each file is a .mov of about ten seconds that begins with a key frame; its name tells when, so the folder is the index.
A file under way has the suffix ".part", and is lost with its process. Cutting is `media.ring_cut`'s.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

from media.kept_files import expired
from media.live_types import CLOCK, CameraFacts
from media.nal_units import parameter_sets, with_start_codes
from media.ring_cut import Cut, cut
from media.ring_files import RingFile, list_files, list_ranges

__all__ = ["Cut", "SourceRing", "cut", "list_ranges"]

FILE_S = 10.0
LONGEST_S = 120.0  # without a key frame; what follows cannot be decoded alone and is left out
JUMP_S = 2.0  # back by more than half, or ahead of our clock by more: the camera's clock was set
ASTRAY_S = 0.5  # a file that begins so far from where the camera's clock says begins a timeline of its own
RETRY_S = 10.0  # after the disk was full
PART = ".part"


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch of one connection, whose files follow each other by the camera's clock."""

    start_us: int  # Unix microseconds of its first key frame's arrival, or before: where those after it came too soon
    stream: VideoStream


class SourceRing:
    """Written by the camera's thread, closed by any. Where the disk fails, `problem` tells, and it is tried again."""

    def __init__(self, folder: Path, keep_s: float, keep_bytes: int, *, file_s: float = FILE_S) -> None:
        """keep_s, keep_bytes: the oldest files beyond are deleted. Leftovers of a crash are removed."""
        self.problem: str | None = None  # for people, without a path
        self.bytes = 0  # of closed files
        self._folder, self._keep_s, self._keep_bytes, self._file_s = folder, keep_s, keep_bytes, file_s
        self._session: Session | None = None
        self._times = PacketTimes()
        self._open: OpenFile | None = None
        self._not_before = 0.0
        self._reached = 0.0  # Unix seconds: where the last closed file ends
        self._closed = False
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"*{PART}"):
            leftover.unlink(missing_ok=True)
        self.bytes = sum(file.bytes for file in list_files(folder))

    def add(self, packet: Packet[VideoStream], facts: CameraFacts, arrived_at: float) -> None:
        """Keeps one packet. It is copied. arrived_at: Unix seconds."""
        with self._lock:
            if arrived_at >= self._not_before and not self._closed:
                self._try(packet, facts, arrived_at)

    def _try(self, packet: Packet[VideoStream], facts: CameraFacts, arrived_at: float) -> None:
        try:
            self._add(packet, facts, arrived_at)
            self.problem = None
        except (OSError, av.error.FFmpegError) as error:
            self.problem = f"The source is not being kept: {error.strerror or 'it cannot be written'}."
            self._not_before = arrived_at + RETRY_S
            self._abandon()

    def close(self) -> None:
        """Closes the file under way. Nothing is kept any more."""
        with self._lock:
            self._closed = True
            with suppress(OSError, av.error.FFmpegError):
                self._finish(self._times.end)
            self._abandon()

    def _add(self, packet: Packet[VideoStream], facts: CameraFacts, arrived_at: float) -> None:
        if self._session is not None and packet.stream is not self._session.stream:
            self._finish(self._times.end)
            self._session = None
        pts, dts = self._times.place(packet, arrived_at, anew=self._session is None)
        if self._open is not None and (dts - self._open.first > LONGEST_S * CLOCK):
            self._finish(self._times.end)
        if packet.is_keyframe and facts.width and self._wants_new(packet, facts.codec, pts):
            self._finish(pts, arrived_at)
            pts, dts = self._begin(packet, facts, pts, dts, arrived_at)
        if self._open is not None:
            self._open.write(packet, pts, dts, self._times.step)
            self._open.note_arrival(dts, arrived_at)

    def _wants_new(self, packet: Packet[VideoStream], codec: str, pts: int) -> bool:
        current = self._open
        if current is None or pts - current.first >= self._file_s * CLOCK:
            return True
        sets = parameter_sets(codec, bytes(packet))
        return bool(sets) and sets != current.sets

    def _begin(
        self, packet: Packet[VideoStream], facts: CameraFacts, pts: int, dts: int, arrived_at: float
    ) -> tuple[int, int]:
        """Opens a file that begins with this key frame. Returns the packet's times, on a new timeline where need be."""
        session = self._session
        if session is None or abs(session.start_us / 1e6 + pts / CLOCK - arrived_at) > ASTRAY_S:
            self._session = session = Session(round(arrived_at * 1e6), packet.stream)
            pts, dts = self._times.restart(pts, dts)
        self._open = OpenFile(self._folder, session, packet, facts, pts)
        return pts, dts

    def _finish(self, end: int, arrived_at: float | None = None) -> None:
        """Closes the file under way, which ends at `end`, and makes room. arrived_at: of the packet that follows it."""
        current, self._open = self._open, None
        if current is None:
            return
        if current.first == 0 and self._session is not None:
            # What came faster than it was filmed, as cameras send what they have kept, was filmed before it came.
            moved_s = min(current.ahead_s, max(0.0, self._session.start_us / 1e6 - self._reached))
            self._session = replace(self._session, start_us=self._session.start_us - round(moved_s * 1e6))
            current.session = self._session
        if arrived_at is not None:  # a clock that runs too fast may not claim what is still to come
            latest = round((arrived_at + ASTRAY_S - current.session.start_us / 1e6) * CLOCK)
            end = min(end, max(latest, current.first + 1))
        closed = current.close(end)
        self._reached = closed.end
        files = list_files(self._folder)
        gone = expired(files, closed.end, self._keep_s, self._keep_bytes)
        for file in gone:
            (self._folder / file.name).unlink(missing_ok=True)
        self.bytes = sum(file.bytes for file in files) - sum(file.bytes for file in gone)

    def _abandon(self) -> None:
        current, self._open = self._open, None
        if current is not None:
            current.abandon()


class OpenFile:
    """The file under way."""

    def __init__(
        self, folder: Path, session: Session, packet: Packet[VideoStream], facts: CameraFacts, first: int
    ) -> None:
        self.first = first  # of its first packet, ticks since the session's start
        source = packet.stream
        data = bytes(packet)
        known = source.codec_context.extradata or b""
        self.sets = parameter_sets(facts.codec, data)  # as sent; empty where only the session description has them
        self._prefix = b"" if self.sets or not with_start_codes(data) else parameter_sets(facts.codec, known)
        self.session = session
        self.ahead_s = 0.0  # by how much the packets came faster than the camera's clock went, at most
        self._began: tuple[int, float] | None = None  # dts and arrival of the first packet
        self._folder = folder
        self._path = folder / f"{session.start_us}{PART}"
        self._last_dts: int | None = None
        self._container = av.open(str(self._path), "w", format="mov")
        try:
            self._stream = self._container.add_stream_from_template(source, opaque=True)
            self._stream.width, self._stream.height = facts.width, facts.height
            if self.sets:
                self._stream.codec_context.extradata = self.sets
            self._stream.time_base = Fraction(1, CLOCK)
        except BaseException:
            self.abandon()
            raise

    def write(self, packet: Packet[VideoStream], pts: int, dts: int, step: int) -> None:
        prefix = self._prefix if packet.is_keyframe else b""
        copy: Packet[Any] = Packet(prefix + bytes(packet))
        copy.stream = self._stream
        copy.time_base = Fraction(1, CLOCK)
        copy.dts, copy.pts, copy.duration = dts - self.first, max(pts, dts) - self.first, step
        copy.is_keyframe = packet.is_keyframe
        self._container.mux(copy)

    def note_arrival(self, dts: int, arrived_at: float) -> None:
        first, at = self._began = self._began or (dts, arrived_at)
        self.ahead_s = max(self.ahead_s, (dts - first) / CLOCK - (arrived_at - at))

    def close(self, end: int) -> RingFile:
        try:
            self._container.close()
            size = self._path.stat().st_size
            file = RingFile(self.session.start_us, self.first, max(end, self.first + 1), size)
            self._path.replace(self._folder / file.name)
        except BaseException:
            self.abandon()
            raise
        return file

    def abandon(self) -> None:
        with suppress(OSError, av.error.FFmpegError):
            self._container.close()
        self._path.unlink(missing_ok=True)


class PacketTimes:
    """Times of packets in the order they are sent, in ticks since the session's start; dts always rises."""

    def __init__(self) -> None:
        self.step = CLOCK // 25  # ticks of the last frame
        self._last = -1  # dts
        self._shown = 0  # the largest pts
        self._raw: int | None = None
        self._offset = 0
        self._arrived_at = 0.0

    @property
    def end(self) -> int:
        """Where the last frame ends."""
        return self._shown + self.step

    def place(self, packet: Packet[VideoStream], arrived_at: float, *, anew: bool) -> tuple[int, int]:
        """(pts, dts). anew: nothing is known of this connection yet."""
        base = Fraction(packet.time_base or Fraction(1, CLOCK)) * CLOCK
        raw_pts = None if packet.pts is None else round(packet.pts * base)
        raw = raw_pts if packet.dts is None else round(packet.dts * base)
        raw_pts = raw if raw_pts is None else raw_pts
        if anew:
            self._raw, self._last, self._shown = None, -1, 0
        elapsed = round(min(max(0.0, arrived_at - self._arrived_at), 3600.0) * CLOCK)
        self._arrived_at = arrived_at
        if raw is None or raw_pts is None or raw == self._raw:  # no timestamps: by arrival
            dts = pts = self._last + (1 if anew else max(1, elapsed))
        else:
            dts = raw + self._offset
            if self._raw is None or not self._last - JUMP_S / 2 * CLOCK < dts < self._last + elapsed + JUMP_S * CLOCK:
                dts = self._last + (1 if anew else max(elapsed, self.step))
                self._offset = dts - raw
            pts = raw_pts + self._offset
        self._raw = raw if raw is not None else self._raw
        dts = max(dts, self._last + 1)
        if not anew and 0 < dts - self._last < CLOCK:
            self.step = dts - self._last
        self._last = dts
        self._shown = max(self._shown, pts, dts)
        return max(pts, dts), dts

    def restart(self, pts: int, dts: int) -> tuple[int, int]:
        """Moves the timeline so that this packet is shown at 0."""
        self._offset -= pts
        self._last, self._shown = dts - pts, 0
        return 0, dts - pts
