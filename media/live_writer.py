"""Writes one live stream as HLS into a folder: init segments, parts, segments, `live.m3u8`. Encodes nothing.

A frame is written with its true duration, so it leaves when the next one comes; `flush` lets a frame leave that waits
for long. Files appear whole. They are not synced: after a power cut nobody watches them.
"""

from __future__ import annotations

import contextlib
import re
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from media import hls
from media.fragments import TimedFrame, fragment, init_segment, span
from media.hls import Left, Part, Segment
from media.live_encoder import Encoded, LiveFormat
from media.live_types import CLOCK
from media.partfile import FULL
from media.types import MediaError

PLAYLIST = "live.m3u8"
LONGEST_S = 10.0  # a frame that lasts longer is a gap, whatever the camera's rate
STEPS = 9  # of which the median is taken as the time between frames
_NUMBERED = re.compile(r"(seg|part|init)-(\d+)(?:-\d+)?\.(?:m4s|mp4)")


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """A part or a whole segment that players can fetch now."""

    kind: str  # "part" or "segment"
    number: int  # media sequence number
    part: int | None = None


class LiveWriter:
    """The HLS view of one stream. Not thread-safe.

    keep: whole segments in the playlist, at least; files stay as long again as a player may still fetch them. An owner
    that takes over a folder goes on with its numbers, behind a discontinuity; one that begins a new folder beside those
    of earlier owners begins with the discontinuity sequence `first_era`, see `next_era`. `clock` is a steady one, for
    `flush`.
    Raises MediaError("disk-full") where space runs out, OSError for other failures; the next key frame tries again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_s: float = 2.0,
        part_s: float = 0.5,
        keep: int = 8,
        low_latency: bool = True,
        first_era: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.dropped = 0  # frames that came where only a key frame can be used
        self._segment_ticks, self._segment_s = round(segment_s * CLOCK), segment_s
        self._parts_wanted = max(1, round(segment_s / part_s))
        self._part_s = part_s
        self._keep = keep
        self._low_latency = low_latency
        self._clock = clock

        self._target_s = hls.rounded(segment_s) + 1
        self._part_target_s = 0.0  # of the first segment's parts; 0 until then
        self._segments: list[Segment] = []
        self._leaving: deque[tuple[float, str]] = deque()  # (written seconds at which the file may go, its name)
        self._written_s = 0.0
        self._published = False
        self._number = self._era = 0
        self._init = -1  # of the latest init segment
        self._fragments = 0
        self._end = self._offset = 0  # where what is written ends; ticks that pts are raised by, so that they rise

        self._format: LiveFormat | None = None
        self._broken = True  # the next frame does not go on from the last one
        self._first = True  # no segment of this or an earlier owner lies before the next one
        self._last: Encoded | None = None
        self._last_added = 0.0
        self._previous_step = 0
        self._steps: deque[int] = deque(maxlen=STEPS)
        self._growing: Segment | None = None
        self._begin = 0  # pts of the growing segment
        self._bytes: list[bytes] = []  # of its parts
        self._pending: list[Encoded] = []  # frames of the part that is not written yet
        self._part_ticks = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._take_over(first_era)

    # What callers do

    @property
    def wants_key(self) -> bool:
        """Whether a frame that is no key frame would be dropped."""
        return self._broken

    @property
    def position(self) -> tuple[int, int]:
        """(number, parts) of the segment that grows: what a blocking reload can wait for next."""
        return self._number, 0 if self._growing is None else len(self._growing.parts)

    def add(self, encoded: Encoded, wall: float) -> list[LiveEvent]:
        """Take the next frame. wall: Unix seconds when it was captured, or else arrived. Returns what appeared."""
        events: list[LiveEvent] = []
        if self._broken and encoded.key:
            events += self._close_segment(None)  # one that could not be written when it was due
        elif self._last is not None and not self._broken:
            step = encoded.pts - self._last.pts
            breaks = self._breaks(encoded, step)
            self._previous_step = step
            if breaks:
                events += self._close_segment(None)
                self._broken = True
            else:
                self._steps.append(step)
                if encoded.key and encoded.pts - self._begin + step // 2 >= self._segment_ticks:
                    events += self._close_segment(encoded.pts)
                elif (
                    self._published
                    and self._pending
                    and encoded.pts - self._pending[0].pts + step // 2 >= self._part_ticks
                ):
                    events += self._close_part(encoded.pts)
        if (self._broken or self._growing is None) and not encoded.key:
            self.dropped += 1
            self._broken = True
            return events
        if self._growing is None:
            self._open_segment(encoded, wall)
        self._pending.append(encoded)
        self._last, self._last_added, self._broken = encoded, self._clock(), False
        return events

    def flush(self) -> list[LiveEvent]:
        """Let frames leave that have waited for a part's time for the next one; to be called every now and then.

        The last one's duration is then a guess: as long as frames last here, or have lasted already.
        """
        waited = self._clock() - self._last_added
        if not (self._pending and self._in_parts) or waited < self._part_s:
            return []
        return self._close_part(self._pending[-1].pts + max(self._typical(), round(min(waited, LONGEST_S) * CLOCK)))

    def gap(self) -> list[LiveEvent]:
        """The next frame does not go on from the last one: frames are missing between them."""
        events = self._close_segment(None)
        self._broken = True
        return events

    def finish(self, *, ended: bool = False) -> list[LiveEvent]:
        """Write what is left. ended: say so in the playlist; players then stop asking."""
        events = self.gap()
        if self._segments:
            self._write_playlist(ended=ended)
        return events

    # Deciding

    def _breaks(self, encoded: Encoded, step: int) -> bool:
        """Whether this frame begins anew. Raises the target duration where the camera has become slow."""
        if encoded.format != self._format or step <= 0:
            return True
        lasts = (encoded.pts - self._begin) / CLOCK
        if lasts > LONGEST_S:
            return True
        if hls.rounded(lasts) > self._target_s:
            # Two long steps are a slow camera, one is a gap. RFC 8216 has no form for a target that becomes too short;
            # players read it at each reload.
            if self._published and self._previous_step * 2 < step:
                return True
            self._target_s = hls.rounded(lasts)
        return False

    @property
    def _in_parts(self) -> bool:
        return self._low_latency and self._published  # how long parts are to be is known after the first segment

    def _typical(self) -> int:
        return round(statistics.median(self._steps)) if self._steps else round(self._part_s * CLOCK)

    def _part_length(self) -> int:
        """Ticks of a part: a whole number of frames, such that a segment's parts are about equally long."""
        step = self._typical()
        frames = max(1, round(self._segment_ticks / step))
        return -(-frames // self._parts_wanted) * step

    # Segments and parts

    def _open_segment(self, encoded: Encoded, wall: float) -> None:
        if encoded.format != self._format:
            self._init += 1
            self._place(hls.init_name(self._init), init_segment(encoded))
            self._format = encoded.format
        discontinuity = self._broken and not self._first
        self._growing = Segment(self._number, 0.0, wall, self._init, self._era + discontinuity, discontinuity)
        self._begin = encoded.pts
        if self._broken:
            self._offset = max(self._offset, self._end - encoded.pts)
        self._part_ticks = self._part_length()
        self._bytes = []

    def _close_part(self, until: int, *, segment_ends: bool = False) -> list[LiveEvent]:
        """Write the frames that wait; the last one lasts until that pts. Where the segment ends, it tells of both."""
        frames, self._pending = self._pending, []
        if not frames or self._growing is None:
            return []
        ends = [*(frame.pts for frame in frames[1:]), max(until, frames[-1].pts + 1)]
        timed = [TimedFrame(frame, end - frame.pts) for frame, end in zip(frames, ends, strict=True)]
        self._fragments += 1
        data = fragment(timed, self._fragments, self._offset)
        parts = self._growing.parts
        if self._in_parts:
            parts = (*parts, Part((ends[-1] - frames[0].pts) / CLOCK, frames[0].key))
            self._place(hls.part_name(self._number, len(parts) - 1), data)
        self._bytes.append(data)
        self._end = ends[-1] + self._offset
        self._growing = replace(self._growing, parts=parts, duration_s=(ends[-1] - self._begin) / CLOCK)
        if not parts or segment_ends:
            return []
        self._write_playlist()
        return [LiveEvent("part", self._number, len(parts) - 1)]

    def _close_segment(self, until: int | None) -> list[LiveEvent]:
        """until: pts of the frame that follows; None where none does."""
        if self._growing is None:
            return []
        last = self._last
        assert last is not None
        before = len(self._growing.parts)
        self._close_part(last.pts + self._typical() if until is None else until, segment_ends=True)
        if not self._bytes:  # its only part could not be written: the number is still free
            self._growing = None
            return []
        # Not the sum of its parts: where a frame was let go before the next one, that holds a guess.
        duration_s = ((last.pts + self._typical() if until is None else until) - self._begin) / CLOCK
        self._target_s = max(self._target_s, hls.rounded(duration_s))
        whole = replace(self._growing, duration_s=duration_s)
        self._place(hls.segment_name(self._number), b"".join(self._bytes))
        self._segments.append(whole)
        self._growing, self._bytes, self._first = None, [], False
        self._number, self._era = self._number + 1, whole.era
        self._written_s += duration_s
        events = [LiveEvent("segment", whole.number)]
        if len(whole.parts) > before:
            events.insert(0, LiveEvent("part", whole.number, len(whole.parts) - 1))
        if not self._part_target_s:  # a little more than parts will last: frames do not come to the tick
            length, step = self._part_length() / CLOCK, self._typical() / CLOCK
            self._part_target_s = length + min(step / 2, length / 10)
        self._published = True
        self._retire()
        self._write_playlist()
        return events

    # Files

    def _write_playlist(self, *, ended: bool = False) -> None:
        listed = [part for segment in self._segments for part in segment.parts]
        listed += self._growing.parts if self._growing is not None else ()
        part_target_s = max([self._part_target_s, *(part.duration_s for part in listed)])
        growing = self._growing
        text = hls.playlist(
            self._segments, growing, self._target_s, part_target_s, low_latency=self._low_latency, ended=ended
        )
        self._place(PLAYLIST, text.encode())

    def _place(self, name: str, data: bytes) -> None:
        part = self.folder / f".{name}.tmp"
        try:
            part.write_bytes(data)
            part.replace(self.folder / name)
        except OSError as error:
            self._broken = True
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            if error.errno in FULL:
                raise MediaError("disk-full", "The live view could not be written: the disk is full.") from error
            raise

    def _retire(self) -> None:
        """Take old segments from the list, and files that no player can want any more from the disk."""
        count = hls.leaving_count(self._segments, self._keep, self._target_s)
        # RFC 8216, 6.2.2: for the segment's duration and that of the longest playlist that held it.
        stays_s = sum(segment.duration_s for segment in self._segments) + LONGEST_S
        for segment in self._segments[:count]:
            until = self._written_s + stays_s
            self._leaving.append((until, hls.segment_name(segment.number)))
            self._leaving.extend((until, hls.part_name(segment.number, part)) for part in range(len(segment.parts)))
            if all(later.init != segment.init for later in self._segments if later.number > segment.number):
                self._leaving.append((until, hls.init_name(segment.init)))
        del self._segments[:count]
        while self._leaving and self._leaving[0][0] <= self._written_s:
            (self.folder / self._leaving.popleft()[1]).unlink(missing_ok=True)

    # Taking over

    def _take_over(self, first_era: int) -> None:
        """Go on where an earlier owner stopped, wherever that was."""
        found = {kind: dict[str, int]() for kind in ("seg", "part", "init")}
        for path in self.folder.iterdir():
            match = _NUMBERED.fullmatch(path.name)
            if match is not None:
                found[match[1]][path.name] = int(match[2])
            elif path.suffix == ".tmp":
                path.unlink(missing_ok=True)
        self._init = max(found["init"].values(), default=-1)
        numbers = [*found["seg"].values(), *found["part"].values()]
        self._number = max(numbers, default=-1) + 1
        self._era = first_era + self._number  # no fewer segments than discontinuities, so no player has seen this one
        with contextlib.suppress(OSError, ValueError):
            self._go_on(hls.read_back((self.folder / PLAYLIST).read_text()))
        if not self._segments:  # what it listed is gone
            (self.folder / PLAYLIST).unlink(missing_ok=True)
        self._first = self._number == 0
        stays_s = self._keep * self._segment_s + LONGEST_S
        listed = {hls.segment_name(segment.number) for segment in self._segments}
        listed |= {hls.part_name(whole.number, part) for whole in self._segments for part in range(len(whole.parts))}
        listed |= {hls.init_name(segment.init) for segment in self._segments}
        for kind, names in found.items():
            for name, number in names.items():
                if kind != "init" and number >= self._number:  # nobody was told of it, and its name is needed
                    (self.folder / name).unlink(missing_ok=True)
                elif name not in listed:
                    self._leaving.append((stays_s, name))

    def _go_on(self, left: Left) -> None:
        """Raises OSError where files of the segment that grew cannot be read."""
        last = left.growing or (left.segments[-1] if left.segments else None)
        if last is None:
            return
        self._number, self._era = last.number + 1, last.era
        self._target_s = max(self._target_s, left.target_s)
        self._part_target_s = left.part_target_s
        segments = list(left.segments)
        if left.growing is not None:
            names = [hls.part_name(last.number, part) for part in range(len(last.parts))]
            data = b"".join((self.folder / name).read_bytes() for name in names)
            self._place(hls.segment_name(last.number), data)
            begin, end = span(data)
            segments.append(replace(left.growing, duration_s=(end - begin) / CLOCK))
            self._target_s = max(self._target_s, hls.rounded(segments[-1].duration_s))
        there = [(self.folder / hls.segment_name(segment.number)).is_file() for segment in segments]
        while not all(there):
            del segments[: there.index(False) + 1], there[: there.index(False) + 1]
        self._segments = segments
        if segments:
            self._end = span((self.folder / hls.segment_name(self._number - 1)).read_bytes())[1]
            self._published = True
            self._write_playlist()


def next_era(folder: Path) -> int:
    """The discontinuity sequence after all that the playlists in the folders below `folder` have told; 0: none there.

    It has to be a small number: hls.js keeps an array that long, and walks through it.
    """
    eras = [0]
    for path in folder.glob(f"*/{PLAYLIST}"):
        with contextlib.suppress(OSError, ValueError):
            left = hls.read_back(path.read_text())
            eras += [segment.era + 1 for segment in (*left.segments[-1:], left.growing) if segment is not None]
    return max(eras)
