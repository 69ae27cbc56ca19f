"""The files of a recording: their names, which tell when, and which of them have had their time. Knows no packets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)-(\d{3})Z_(\d{1,12})\.mp4")


@dataclass(frozen=True, slots=True)
class Recording:
    """A closed file. start and end: Unix seconds, to the millisecond."""

    name: str
    start: float
    end: float
    bytes: int


def recording_name(start: float, duration_s: float) -> str:
    """By UTC, so that names sort as the recordings do."""
    milliseconds = round(start * 1000)
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H-%M-%S}-{milliseconds % 1000:03d}Z_{round(duration_s * 1000)}.mp4"


def list_recordings(folder: Path) -> list[Recording]:
    """The closed files, by their beginning. Empty where there is no such folder; others' files are left alone."""
    found: list[Recording] = []
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        return []
    for entry in entries:
        match = NAME.fullmatch(entry.name)
        if match is None:
            continue
        try:
            moment = datetime.strptime(match[1], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
            size = entry.stat().st_size
        except (ValueError, FileNotFoundError):  # no date, or it has just had its time
            continue
        start = moment.timestamp() + int(match[2]) / 1000
        found.append(Recording(entry.name, start, start + int(match[3]) / 1000, size))
    return sorted(found, key=lambda recording: (recording.start, recording.end))


def expired(
    recordings: Sequence[Recording], now: float, keep_s: float | None, keep_bytes: int | None
) -> list[Recording]:
    """Those to delete: ended too long before `now`, or, the oldest first, more bytes than may be kept.

    recordings: by their beginning. None: no such bound.
    """
    total = sum(recording.bytes for recording in recordings)
    gone: list[Recording] = []
    for recording in recordings:
        old = keep_s is not None and recording.end < now - keep_s
        if old or (keep_bytes is not None and total > keep_bytes):
            gone.append(recording)
            total -= recording.bytes
    return gone
