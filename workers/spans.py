"""The plan of a clip on disk: its segments, in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from media.types import Span


def write_spans(path: Path, spans: Sequence[Span]) -> None:
    part = path.with_name(path.name + ".part")
    rows = [[span.index, span.start_pts, span.end_pts, span.frames] for span in spans]
    part.write_text(json.dumps(rows), encoding="utf-8")
    part.replace(path)


def read_spans(path: Path) -> list[Span]:
    return [Span(*row) for row in json.loads(path.read_text(encoding="utf-8"))]
