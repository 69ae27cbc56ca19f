"""The files of a recording: their names, which tell when. Knows no packets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from media.kept_files import list_named
from media.moments import STAMP, stamp, stamped

NAME = re.compile(rf"({STAMP})_(\d{{1,12}})\.mp4")


@dataclass(frozen=True, slots=True)
class Recording:
    """A closed file. start and end: Unix seconds, to the millisecond."""

    name: str
    start: float
    end: float
    bytes: int


def recording_name(start: float, duration_s: float) -> str:
    """By UTC, so that names sort as the recordings do."""
    return f"{stamp(start)}_{round(duration_s * 1000)}.mp4"


def list_recordings(folder: Path) -> list[Recording]:
    """The closed files, by their beginning. Empty where there is no such folder; others' files are left alone."""
    found: list[Recording] = []
    for match, size in list_named(folder, NAME):
        try:
            start = stamped(match[1])
        except ValueError:  # no date
            continue
        found.append(Recording(match[0], start, start + int(match[2]) / 1000, size))
    return sorted(found, key=lambda recording: (recording.start, recording.end))
