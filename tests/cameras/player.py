"""A player of a live view over HTTP, which judges what it gets and notes when. Not a test file.

It reloads the playlist as low-latency players do, waiting for the next part, and fetches every whole segment.
"""

from __future__ import annotations

import struct
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Self

import httpx2

from tests.media import hls_rules
from tests.media.hls_rules import Listed, Media

AGAIN_S = 0.1  # after an answer that is no playlist
TOLERANCE_S = 0.002  # playlists tell milliseconds
CLOCK = 90_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A part or a segment, when it was first in a playlist."""

    at: float  # Unix seconds
    number: int
    part: int | None  # None: the whole segment
    begins: float  # Unix seconds of its first frame, as EXT-X-PROGRAM-DATE-TIME says
    lasts: float  # seconds
    epoch: str  # which owner wrote it


class Player:
    """A context manager: plays in a thread of its own. `problems` are rules broken, in words."""

    def __init__(self, service_url: str, stream_id: str, *, segments: bool = True) -> None:
        self.seen: list[Seen] = []
        self.problems: list[str] = []
        self.overlaps_s: list[float] = []  # of each fragment: how long the frame before it seems to last beyond it
        self.refusals: dict[str, int] = {}  # by the problem's code
        self._url = f"{service_url}/v1/streams/{stream_id}/live/"
        self._segments = segments  # whether to fetch them and to look at their timeline
        self._media: Media | None = None
        self._last: dict[str, tuple[int, int]] = {}  # ticks, of each owner: its last frame, and where that ends
        self._date = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(30)

    def parts(self) -> list[Seen]:
        return [seen for seen in list(self.seen) if seen.part is not None]

    def whole(self) -> list[Seen]:
        return [seen for seen in list(self.seen) if seen.part is None]

    def longest_pause_s(self, since: float, until: float) -> float:
        """The longest time without anything new between two moments (Unix seconds)."""
        times = [since, *(seen.at for seen in list(self.seen) if since <= seen.at <= until), until]
        return max(b - a for a, b in pairwise(times))

    def _run(self) -> None:
        with httpx2.Client(timeout=30) as http:
            while not self._stopped.is_set():
                try:
                    if not self._reload(http):
                        self._stopped.wait(AGAIN_S)
                except httpx2.TransportError as error:
                    self._refused(type(error).__name__)
                    self._stopped.wait(AGAIN_S)
                except (AssertionError, ValueError, KeyError, struct.error) as error:
                    self.problems.append(f"{type(error).__name__}: {error!s:.500}")
                    self._media = None
                    self._stopped.wait(AGAIN_S)

    def _reload(self, http: httpx2.Client) -> bool:
        """Whether there was a playlist."""
        query = {}
        if self._media is not None:
            after = self._media.sequence + len(self._media.segments)
            parts = 0 if self._media.growing is None else len(self._media.growing.parts)
            query = {"_HLS_msn": str(after), "_HLS_part": str(parts)}
        answer = http.get(f"{self._url}live.m3u8", params=query)
        now = time.time()
        if answer.status_code != 200:
            self._refused(answer.json().get("code", str(answer.status_code)))
            self._media = None
            return False
        media = hls_rules.read(answer.text)
        if self._media is not None:
            before, self._media = self._media, media
            if media.segments and before.segments and owner(before.segments[-1]) == owner(media.segments[-1]):
                hls_rules.check_change(before, media)
            elif media.sequence < before.sequence:
                self.problems.append(f"media sequence went back from {before.sequence} to {media.sequence}")
        self._media = media
        self._note(http, media, now)
        return True

    def _note(self, http: httpx2.Client, media: Media, now: float) -> None:
        known = {(seen.number, seen.part) for seen in self.seen[-200:]}
        last = self.seen[-1] if self.seen else None
        for segment in [*media.segments, *([media.growing] if media.growing else [])]:
            if last is not None and segment.number < last.number - 20:
                continue
            begins = segment.date
            for index, part in enumerate(segment.parts):
                if (segment.number, index) not in known:
                    self.seen.append(Seen(now, segment.number, index, begins, float(part.duration), owner(segment)))
                begins += float(part.duration)
            if segment.uri is not None and (segment.number, None) not in known:
                if segment.date < self._date - TOLERANCE_S:
                    self.problems.append(f"segment {segment.number} is dated {self._date - segment.date:.3f} s back")
                self._date = segment.date
                self.seen.append(Seen(now, segment.number, None, segment.date, float(segment.duration), owner(segment)))
                if self._segments:
                    self._look_into(http, segment)

    def _look_into(self, http: httpx2.Client, segment: Listed) -> None:
        """Its frames come after those before. A last frame that was let out early may seem to last too long."""
        answer = http.get(self._url + str(segment.uri))
        if answer.status_code != 200:
            self.problems.append(f"segment {segment.number} is listed and cannot be fetched: {answer.status_code}")
            return
        epoch = owner(segment)
        for first, last, end in fragments(answer.content):
            before, ended = self._last.get(epoch, (-1, 0))
            if first <= before:
                self.problems.append(f"segment {segment.number} goes back by {before - first} ticks")
            self.overlaps_s.append(max(0, ended - first) / CLOCK)
            self._last[epoch] = last, end

    def _refused(self, code: str) -> None:
        self.refusals[code] = self.refusals.get(code, 0) + 1


def owner(segment: Listed) -> str:
    """The epoch that its files are named with."""
    return str(segment.map_uri).partition("/")[0]


def fragments(data: bytes) -> list[tuple[int, int, int]]:
    """(first frame, last frame, end) of each fragment, ticks of 1/90000 s (ISO/IEC 14496-12: tfdt, trun)."""
    found = []
    for kind, moof in boxes(data):
        if kind != b"moof":
            continue
        traf = next(body for name, body in boxes(moof) if name == b"traf")
        inner = dict(boxes(traf))
        tfdt = inner[b"tfdt"]
        begins = struct.unpack(">Q" if tfdt[0] else ">I", tfdt[4 : 12 if tfdt[0] else 8])[0]
        tfhd = inner[b"tfhd"]
        default, at = 0, 8
        tfhd_flags = int.from_bytes(tfhd[1:4], "big")
        for flag, size in ((1, 8), (2, 4), (8, 4)):
            if tfhd_flags & flag:
                if flag == 8:
                    default = int.from_bytes(tfhd[at : at + 4], "big")
                at += size
        trun = inner[b"trun"]
        flags, count = int.from_bytes(trun[1:4], "big"), int.from_bytes(trun[4:8], "big")
        at = 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4)
        step = 4 * sum(bool(flags & flag) for flag in (0x100, 0x200, 0x400, 0x800))
        lasts = [default] * count
        if flags & 0x100:
            lasts = [int.from_bytes(trun[at + n * step : at + n * step + 4], "big") for n in range(count)]
        end = begins + sum(lasts)
        found.append((begins, end - lasts[-1], end))
    return found


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """(type, body) of the boxes that follow each other."""
    found, at = [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + size]))
        at += max(8, size)
    return found
