"""A segment's frame log: one JSON line per written frame, a last line with what was wrong with its source.

Written beside the segment file, under a temporary name until whole; the report is made of these logs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from media.partfile import sync
from media.types import Damage
from workers.reuse_report import look_json
from workers.stretch import FrameRecord, Tally


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """The last line of a log."""

    tally: dict[str, Any]  # workers.stretch.Tally
    damage: dict[str, Any]  # packets, frames, events
    wall_s: float


class FrameLog:
    """Writes a log. A context manager: `finish` makes it appear under its name, an exception removes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._file = self._part.open("w", encoding="utf-8")
        self._map = ""

    def __enter__(self) -> FrameLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self._file.close()
        finally:  # closing fails too where the disk is full
            self._part.unlink(missing_ok=True)

    def add(self, record: FrameRecord) -> None:
        line: dict[str, Any] = {"pts": record.pts, "how": record.how, "tiles": record.tiles, "changed": record.changed}
        if record.damaged:
            line["damaged"] = True
        if record.detail:
            line["detail"] = record.detail
        if record.look is not None:
            line["look"] = look_json(record.look)
        if record.added is not None:
            line["added"] = record.added.to_json()
            if record.added.map == self._map:
                del line["added"]["map"]
            self._map = record.added.map
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def finish(self, tally: Tally, damage: Damage, wall_s: float) -> None:
        events = [{"pts": event.pts, "what": event.what} for event in damage.events]
        end = SegmentEnd(
            asdict(tally), {"packets": damage.packets, "frames": damage.frames, "events": events}, round(wall_s, 3)
        )
        self._file.write(json.dumps({"end": asdict(end)}, separators=(",", ":")) + "\n")
        self._file.close()
        sync(self._part)  # a log without its end would fail the segment for good
        self._part.replace(self._path)


def frame_lines(path: Path) -> Iterator[str]:
    """The frames of a log, as JSON texts, in order."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith('{"end"'):
                yield line.rstrip("\n")


def segment_end(path: Path) -> SegmentEnd:
    """The last line of a log. Raises ValueError if it has none: then the log was cut short."""
    last = ""
    with path.open(encoding="utf-8") as file:
        for line in file:
            last = line
    if not last.startswith('{"end"'):
        raise ValueError("the frame log has no end: the segment was not finished")
    return SegmentEnd(**json.loads(last)["end"])
