"""Moments as text: RFC 3339 for people and playlists, and the same without colons for names of files. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

STAMP = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z"  # what `stamp` gives, for patterns of names


def moment(at: float) -> str:
    """RFC 3339, UTC, to the nearest millisecond. at: Unix seconds. Such texts sort as the moments do."""
    milliseconds = round(at * 1000)
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def stamp(at: float) -> str:
    """The same for the name of a file: 2026-09-21T14-13-20-250Z."""
    return moment(at).replace(":", "-").replace(".", "-")


def stamped(text: str) -> float:
    """Unix seconds of what `stamp` gave. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H-%M-%S-%fZ").replace(tzinfo=UTC).timestamp()
