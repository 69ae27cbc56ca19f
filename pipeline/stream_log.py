"""The files of a stream's frame log: names, which tell when, how long they are kept, and the lines in them.

A file holds frames of one minute by our clock, one JSON object a line, behind a heading that says what was wanted then:

    log/2026-11-22T19-04-00-120Z_-350.jsonl     first line's time, and how far the camera's clock is from ours, ms

Knows neither who writes the lines nor what is made of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.stream_options import StreamOptions

NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)-(\d{3})Z_(-?\d{1,13})\.jsonl")
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


def moment(at: float) -> str:
    """RFC 3339, UTC, to the nearest millisecond as names of recordings are; texts of moments sort as they do."""
    milliseconds = round(at * 1000)
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def log_name(start: float, offset_ms: int) -> str:
    milliseconds = round(start * 1000)
    at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{at:%Y-%m-%dT%H-%M-%S}-{milliseconds % 1000:03d}Z_{offset_ms}.jsonl"


def list_logs(folder: Path) -> list[LogFile]:
    """By their beginning. Empty where there is no such folder; others' files are left alone."""
    files: list[LogFile] = []
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        return []
    for entry in entries:
        match = NAME.fullmatch(entry.name)
        if match is None:
            continue
        try:
            at = datetime.strptime(match[1], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
            size = entry.stat().st_size
        except (ValueError, FileNotFoundError):  # no date, or it has just had its time
            continue
        files.append(LogFile(entry.name, at.timestamp() + int(match[2]) / 1000, int(match[3]) / 1000, size))
    return sorted(files, key=lambda file: (file.start, file.name))


def expired(files: Sequence[LogFile], now: float, keep_s: float, keep_bytes: int) -> list[LogFile]:
    """Those to delete: too old at `now`, or, the oldest first, more bytes than may be kept. files: by beginning."""
    total = sum(file.bytes for file in files)
    gone: list[LogFile] = []
    for file in files:
        if file.end >= now - keep_s and total <= keep_bytes:
            continue
        gone.append(file)
        total -= file.bytes
    return gone


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
