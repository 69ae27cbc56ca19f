"""The files of a stream's frame log: names, which tell when, how long they are kept, and the lines in them.

A file holds frames of one minute by our clock, one JSON object a line, behind a heading that says what was wanted then:

    log/2026-11-22T19-04-00-120Z_-350.jsonl     first line's time, and how far the camera's clock is from ours, ms

Knows neither who writes the lines nor what is made of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.kept_files import list_named
from media.moments import STAMP, stamp, stamped
from pipeline.stream_options import StreamOptions

NAME = re.compile(rf"({STAMP})_(-?\d{{1,13}})\.jsonl")
MINUTE_S = 60.0
LONGEST_LINE = 64 * 1024  # bytes; what is longer is no line of ours
SLACK_S = 2.0  # lines of a file keep within so much of the file's distance between the clocks
LEAST_S = 600.0  # kept at least, with neither ring nor recording
BYTES_S = 16_000  # a second that is kept: some 60 frames
LEAST_BYTES, MOST_BYTES = 16_000_000, 1_000_000_000  # and at most; a recording adds a share of its own limit
RECORD_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class LogFile:
    """start: Unix seconds of its first line. offset_s: the camera's clock minus ours."""

    name: str
    start: float
    offset_s: float
    bytes: int

    @property
    def minute(self) -> float:
        return minute_of(self.start)

    @property
    def end(self) -> float:
        """No line is of this moment or later."""
        return self.minute + MINUTE_S

    def touches(self, start: float, end: float, *, by_camera: bool) -> bool:
        """Whether it may hold lines of the stretch. by_camera: start and end are by the camera's clock."""
        shift, slack = (self.offset_s, SLACK_S) if by_camera else (0.0, 0.0)
        return self.minute + shift - slack < end and self.end + shift + slack > start


def minute_of(at: float) -> float:
    """Unix seconds at which the UTC minute began."""
    return at // MINUTE_S * MINUTE_S


def log_name(start: float, offset_ms: int) -> str:
    return f"{stamp(start)}_{offset_ms}.jsonl"


def list_logs(folder: Path) -> list[LogFile]:
    """By their beginning. Empty where there is no such folder; others' files are left alone."""
    files: list[LogFile] = []
    for match, size in list_named(folder, NAME):
        try:
            start = stamped(match[1])
        except ValueError:  # no date
            continue
        files.append(LogFile(match[0], start, int(match[2]) / 1000, size))
    return sorted(files, key=lambda file: (file.start, file.name))


def log_bounds(options: StreamOptions) -> tuple[float, int]:
    """(seconds, bytes) kept: as long as the ring or the recording, whichever is longer."""
    record = options.record
    keep_s = max(LEAST_S, options.ring * 60, record.hours * 3600 if record is not None else 0.0)
    most = MOST_BYTES + (RECORD_SHARE * record.gigabytes * 1e9 if record is not None else 0.0)
    return keep_s, round(min(max(LEAST_BYTES, keep_s * BYTES_S), most))


def line_of(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def read_lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each line as it is, and what it says. A line torn by a crash is left out; of a file that is gone, all are."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        while raw := file.readline(LONGEST_LINE):
            if not raw.endswith(b"\n"):
                return
            try:
                content = json.loads(raw)
            except ValueError:
                continue
            if isinstance(content, dict):
                yield raw, content
