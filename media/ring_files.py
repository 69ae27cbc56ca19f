"""The files of a ring: their names, which tell when, and which of them have had their time. Knows no packets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from media.live_types import CLOCK

NAME = re.compile(r"(\d{1,20})_(\d{1,15})_(\d{1,15})\.mov")
APART_S = 0.5  # files that are less apart are one stretch


@dataclass(frozen=True, slots=True)
class RingFile:
    """A closed file. Files of one session follow each other by the camera's clock, exactly."""

    session_us: int  # Unix microseconds at which the session began, by our clock
    first: int  # pts of its first frame, 1/90000 s since then
    last: int  # where its last frame ends
    bytes: int

    @property
    def name(self) -> str:
        return f"{self.session_us}_{self.first}_{self.last}.mov"

    @property
    def start(self) -> float:
        """Unix seconds."""
        return self.session_us / 1e6 + self.first / CLOCK

    @property
    def end(self) -> float:
        return self.session_us / 1e6 + self.last / CLOCK


def list_files(folder: Path) -> list[RingFile]:
    """The closed files, in the order they were kept. Empty without such a folder; others' files are left alone."""
    files: list[RingFile] = []
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        return []
    for entry in entries:
        if match := NAME.fullmatch(entry.name):
            try:
                size = entry.stat().st_size
            except FileNotFoundError:  # it has just had its time
                continue
            files.append(RingFile(int(match[1]), int(match[2]), int(match[3]), size))
    # Not by their start: where a clock runs too fast, files of one session reach into the next.
    return sorted(files, key=lambda file: (file.session_us, file.first))


def list_ranges(folder: Path) -> list[tuple[float, float]]:
    """Stretches without a gap, as (start, end) in Unix seconds."""
    ranges: list[tuple[float, float]] = []
    for file in list_files(folder):
        if ranges and file.start - ranges[-1][1] < APART_S:
            ranges[-1] = ranges[-1][0], max(ranges[-1][1], file.end)
        else:
            ranges.append((file.start, file.end))
    return ranges


def expired(files: Sequence[RingFile], now: float, keep_s: float, keep_bytes: int) -> list[RingFile]:
    """Those to delete: too old at `now`, or, the oldest first, more than may be kept. files: as `list_files`."""
    total = sum(file.bytes for file in files)
    gone: list[RingFile] = []
    for file in files:
        if file.end >= now - keep_s and total <= keep_bytes:
            continue
        gone.append(file)
        total -= file.bytes
    return gone
