"""The Range header decided (RFC 9110, 14.2). Pure functions over one file's size."""

from __future__ import annotations

import re

MAX_RANGES = 8  # more in one request is no player's wish; such a header is ignored
_SPEC = re.compile(r"[ \t]*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))[ \t]*")

Ranges = list[tuple[int, int]]  # (first, last), both included, ascending, apart from each other


def parse(header: str | None, size: int) -> Ranges | None:
    """The ranges of a file of `size` bytes that were asked for.

    None: no range, another unit, too many or malformed ones, which means the whole file. Empty: none can be met.
    """
    unit, found, specs = (header or "").partition("=")
    if not found or unit.strip().lower() != "bytes":
        return None
    parts = [part for part in specs.split(",") if part.strip()]
    matches = [_SPEC.fullmatch(part) for part in parts]
    if not matches or len(matches) > MAX_RANGES:
        return None
    met: Ranges = []
    for match in matches:
        if match is None:
            return None
        first, last, suffix = match.groups()
        if first is not None and last and int(last) < int(first):
            return None
        span = (
            (max(0, size - int(suffix)), size - 1) if first is None else (int(first), min(int(last or size), size - 1))
        )
        if span[0] <= span[1]:
            met.append(span)
    return _merged(met)


def header(ranges: Ranges) -> str:
    """The ranges in their plainest form."""
    return "bytes=" + ",".join(f"{first}-{last}" for first, last in ranges)


def _merged(ranges: Ranges) -> Ranges:
    out: Ranges = []
    for first, last in sorted(ranges):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return out


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names this entity tag (weak comparison, as RFC 9110 13.1.2 wants)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags
