"""An upload on its way to the data disk: counted, hashed, under a limit, and gone again unless it is kept.

Knows bytes and the disk, neither options nor jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
from collections.abc import AsyncIterator
from io import FileIO
from pathlib import Path

from starlette.requests import Request

from pipeline.files import JobFiles
from service.handlers import disk_full
from service.problems import ProblemError

WRITE_BYTES = 1024 * 1024  # handed to a thread at once; what one upload holds in memory
IDLE_TIMEOUT_S = 60.0  # an upload that sends nothing for so long is given up


def check_length(
    request: Request, limit_bytes: int, files: JobFiles, reserve_bytes: int, overhead_bytes: int = 0
) -> None:
    """Refuses, before a byte is read, a body whose Content-Length is over the limit or too much for the disk.

    overhead_bytes: what the body may have beside the clip.
    """
    text = request.headers.get("content-length")
    length = int(text) if text is not None and text.isdecimal() else 0
    if length > limit_bytes + overhead_bytes:
        raise too_large(limit_bytes)
    if files.free_bytes() - length < reserve_bytes:
        raise disk_full()


async def chunks(request: Request, idle_timeout_s: float = IDLE_TIMEOUT_S) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises ClientDisconnect, or ProblemError when the client falls silent."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(idle_timeout_s):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise ProblemError("upload-timeout", f"nothing came for {idle_timeout_s:g} s") from None
        if chunk is None:
            return
        if chunk:
            yield chunk


class Upload:
    """One file being received. Use as `async with`: leaving it without keep() removes the part file."""

    def __init__(self, files: JobFiles, token: str, limit_bytes: int, reserve_bytes: int) -> None:
        self.bytes = 0
        self._files, self._token = files, token
        self._limit_bytes, self._reserve_bytes = limit_bytes, reserve_bytes
        self._buffer = bytearray()
        self._hash = hashlib.sha256()
        self._file: FileIO | None = None
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        assert self._path is not None
        return self._path

    @property
    def sha256(self) -> str:
        """Hex digest of what was written; final after finish()."""
        return self._hash.hexdigest()

    async def __aenter__(self) -> Upload:
        self._path = await asyncio.to_thread(self._files.upload, self._token)
        self._file = await asyncio.to_thread(_create, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        # Also runs when the request is cancelled: no await that could be cut short, and unlinking is quick.
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def write(self, data: bytes) -> None:
        """Takes bytes. Raises ProblemError 'too-large' or 'disk-full' before the disk has them."""
        self.bytes += len(data)
        if self.bytes > self._limit_bytes:
            raise too_large(self._limit_bytes)
        self._buffer += data
        if len(self._buffer) >= WRITE_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """Everything is on disk. Raises ProblemError 'empty-file' where nothing came."""
        await self._flush()
        if self.bytes == 0:
            raise ProblemError("empty-file", "the file has no bytes; send the clip itself")
        await asyncio.to_thread(self._close)

    def keep(self, target: Path) -> None:
        """Moves the file to where it stays; blocking. Its folder must be there."""
        self.path.replace(target)

    async def _flush(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        try:
            await asyncio.to_thread(self._store, data)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise disk_full() from error
            raise

    def _store(self, data: bytes) -> None:
        assert self._file is not None
        if self._files.free_bytes() - len(data) < self._reserve_bytes:
            raise OSError(errno.ENOSPC, "the reserve of the data disk is reached")
        self._hash.update(data)
        rest = memoryview(data)
        while rest:  # a raw file may take less than it was given, above all just before the disk is full
            rest = rest[self._file.write(rest) :]

    def _close(self) -> None:
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()


def too_large(limit_bytes: int) -> ProblemError:
    return ProblemError("too-large", f"the clip is larger than {limit_bytes} bytes, the most this service takes")


def _create(path: Path) -> FileIO:
    """A new file that only the service's user may read. Unbuffered, so that a full disk is felt at the write."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return FileIO(descriptor, "wb")
