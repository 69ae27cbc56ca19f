"""Live playlists: how far one is, waiting until it is further, and the form in which it is sent. Knows no stream.

Waiting is low-latency HLS's blocking reload (draft-pantos-hls-rfc8216bis, 6.2.5.2). All who wait for one playlist share
one look at the disk every LOOK_S.

Each owner of a stream (an epoch, milliseconds of Unix time when it began) writes into a folder of its own and counts
its segments anew. What is sent goes on over owners: numbers begin at the epoch's second, which an earlier owner cannot
have reached, since its segments last longer than a second on average; and files are named with the epoch before them.
The discontinuity sequence goes on by itself: each owner reads where the one before stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from anyio import CapacityLimiter, move_on_after, to_thread

LOOK_S = 0.04
MAX_BYTES = 1 << 20  # a playlist of ours has some kilobytes
WAITERS = 500  # requests that may wait at once
_READERS = 4  # threads that look at the disk
_URI = re.compile(r'([:,]URI=)"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Position:
    """How far a playlist is. Seconds."""

    last: int  # number of the last whole segment; one less than the first where there is none yet
    parts: int  # parts of the segment after it
    target_s: float

    def holds(self, msn: int, part: int | None) -> bool:
        """Whether segment `msn`, or part `part` of it, is there. A part that a segment ended before counts as there."""
        return msn <= self.last or (part is not None and msn == self.last + 1 and part < self.parts)


@dataclass(frozen=True, slots=True)
class Playlist:
    text: str
    position: Position


def base(epoch: int) -> int:
    """What the numbers of an owner's segments are raised by."""
    return epoch // 1000


def sent(text: str, epoch: int) -> str:
    """The playlist as clients get it: numbers raised by base(epoch), files below a folder named by the epoch."""
    raised, lines = base(epoch), []
    for line in text.splitlines():
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-MEDIA-SEQUENCE":
            lines.append(f"{tag}:{_number(value, 0) + raised}")
        elif line.startswith("#"):
            lines.append(_URI.sub(rf'\g<1>"{epoch}/\g<2>"', line))
        else:
            lines.append(f"{epoch}/{line}" if line.strip() else line)
    return "\n".join(lines) + "\n"


def position(text: str) -> Position:
    """How far a media playlist is. What cannot be read counts as not there."""
    first, segments, parts, target_s = 0, 0, 0, 2.0
    for line in text.splitlines():
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-MEDIA-SEQUENCE":
            first = _number(value, first)
        elif tag == "#EXT-X-TARGETDURATION":
            target_s = float(_number(value, 2))
        elif tag == "#EXT-X-PART":
            parts += 1
        elif tag == "#EXTINF":
            segments, parts = segments + 1, 0
    return Position(first + segments - 1, parts, target_s)


def _number(text: str, default: int) -> int:
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) < 16 else default


class Playlists:
    """Playlists that somebody waits for. One per app, used in its event loop only."""

    def __init__(self) -> None:
        self._watches: dict[Path, _Watch] = {}
        self._waiting = 0
        self._readers: CapacityLimiter | None = None  # belongs to a running loop, so it is made in one

    @property
    def full(self) -> bool:
        return self._waiting >= WAITERS

    async def read(self, path: Path) -> Playlist | None:
        """The playlist as it is; None where there is none."""
        signed = await to_thread.run_sync(_read, path, None)
        return None if signed is None else signed[1]

    async def wait(self, path: Path, wanted: Callable[[Position], bool], seconds: float) -> Playlist | None:
        """The playlist once it is as wanted; None where it is not within that time."""
        watch = self._watches.get(path)
        if watch is None:
            self._readers = self._readers or CapacityLimiter(_READERS)
            watch = self._watches[path] = _Watch(path, self._readers)
            watch.task = asyncio.create_task(watch.run())
        watch.waiters += 1
        self._waiting += 1
        try:
            with move_on_after(seconds):
                while True:
                    changed = watch.changed  # before the look, or a change in between would be slept through
                    if watch.latest is not None and wanted(watch.latest.position):
                        return watch.latest
                    await changed.wait()
            return None
        finally:
            self._waiting -= 1
            watch.waiters -= 1
            if watch.waiters == 0:
                self._watches.pop(path, None)
                if watch.task is not None:
                    watch.task.cancel()


@dataclass(slots=True, eq=False)
class _Watch:
    path: Path
    readers: CapacityLimiter
    waiters: int = 0
    latest: Playlist | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        signature: object = None
        while True:
            found = await to_thread.run_sync(_read, self.path, signature, limiter=self.readers)
            if found is not None:
                signature, self.latest = found
                before, self.changed = self.changed, asyncio.Event()
                before.set()
            await asyncio.sleep(LOOK_S)


def _read(path: Path, known: object) -> tuple[object, Playlist] | None:
    """(signature, playlist); None where there is none, or it is the one known."""
    with contextlib.suppress(OSError):
        stat = path.stat()
        signature = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if signature != known:
            with path.open("rb") as file:
                text = file.read(MAX_BYTES).decode("utf-8", "replace")
            return signature, Playlist(text, position(text))
    return None
