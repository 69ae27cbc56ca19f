"""A stretch cut from a camera's ring, on its way to becoming a clip; gone again unless it is kept.

Knows files and the disk, neither options nor jobs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from anyio import CapacityLimiter, to_thread

from media.camera_files import ChildLimits, Stretch, cut_stretch
from pipeline.files import JobFiles
from service.handlers import disk_full

TIMEOUT_S = 60.0


class Cut:
    """One file being cut. Use as `async with`: leaving it without keep() removes the file."""

    def __init__(self, files: JobFiles, token: str, limit_bytes: int, reserve_bytes: int, memory_bytes: int) -> None:
        self.bytes, self.sha256 = 0, ""
        self._files, self._token = files, token
        self._limit_bytes, self._reserve_bytes, self._memory_bytes = limit_bytes, reserve_bytes, memory_bytes
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        assert self._path is not None
        return self._path

    async def __aenter__(self) -> Cut:
        self._path = await to_thread.run_sync(self._files.upload, self._token)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def make(self, folder: Path, start: float, end: float, limiter: CapacityLimiter) -> Stretch:
        """Cuts between two moments, Unix seconds. Raises MediaError, or ProblemError 'disk-full'."""
        return await to_thread.run_sync(self._make, folder, start, end, limiter=limiter)

    def keep(self, target: Path) -> None:
        """Moves the file to where it stays; blocking. Its folder must be there."""
        self.path.replace(target)

    def _make(self, folder: Path, start: float, end: float) -> Stretch:
        room = self._files.free_bytes() - self._reserve_bytes
        if room <= 0:
            raise disk_full()
        limits = ChildLimits(self._memory_bytes, TIMEOUT_S, min(room, self._limit_bytes))
        stretch = cut_stretch(folder, start, end, self.path, limits)
        with self.path.open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self.bytes = file.tell()
        self.path.chmod(0o600)
        return stretch
