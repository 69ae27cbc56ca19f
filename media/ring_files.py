"""The files of a ring: their names, which tell when. Knows no packets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from media.kept_files import list_named
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
    files = [RingFile(int(match[1]), int(match[2]), int(match[3]), size) for match, size in list_named(folder, NAME)]
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
