"""A file that appears whole or not at all: written beside its place, synced, then renamed. Knows nothing of media."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from media.types import MediaError

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def disk_full(error: OSError) -> MediaError:
    """The error that a client gets for an OSError of `FULL`."""
    reason = "the disk is full" if error.errno != errno.EFBIG else "the file would be larger than this system allows"
    return MediaError("disk-full", f"The result could not be written: {reason}. Free space and start the job again.")


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """Yields the path to write. On a clean exit it is synced and takes the name `path`; on an exception it is removed.

    Raises MediaError("disk-full") where space ran out.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        sync(part)
        part.replace(path)
        sync(path.parent)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in FULL:
            raise disk_full(error) from error
        raise


def sync(path: Path) -> None:
    """fsync of a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
