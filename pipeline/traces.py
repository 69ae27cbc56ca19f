"""Where an error came from, without its message: FFmpeg's repeat the URL they were about, password and all."""

from __future__ import annotations

import traceback
from pathlib import Path


def trace(error: BaseException) -> str:
    """Types of the error and of what caused it, each with file, line and function, the innermost first."""
    parts = []
    seen: BaseException | None = error
    while seen is not None:
        frames = [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in reversed(traceback.extract_tb(seen.__traceback__))
        ]
        parts.append(" < ".join([type(seen).__name__, *frames]))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "; from ".join(parts)
