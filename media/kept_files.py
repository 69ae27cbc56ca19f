"""Files that are kept for some time, whose names tell when: listing a folder of them, and which have had their time.

Knows not what is in the files, nor how they are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar


class Kept(Protocol):
    @property
    def end(self) -> float:
        """Unix seconds."""
        ...

    @property
    def bytes(self) -> int: ...


K = TypeVar("K", bound=Kept)


def list_named(folder: Path, name: re.Pattern[str]) -> Iterator[tuple[re.Match[str], int]]:
    """(match of its name, bytes) of each such file. None without such a folder; other files are left alone."""
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        return
    for entry in entries:
        if match := name.fullmatch(entry.name):
            try:
                size = entry.stat().st_size
            except FileNotFoundError:  # it has just had its time
                continue
            yield match, size


def expired(files: Sequence[K], now: float, keep_s: float | None, keep_bytes: int | None) -> list[K]:
    """Those to delete: ended too long before `now`, or, the oldest first, more bytes than may be kept.

    files: the oldest first. None: no such bound.
    """
    total = sum(file.bytes for file in files)
    gone: list[K] = []
    for file in files:
        old = keep_s is not None and file.end < now - keep_s
        if old or (keep_bytes is not None and total > keep_bytes):
            gone.append(file)
            total -= file.bytes
    return gone
