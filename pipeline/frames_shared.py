"""Frame store in shared memory: files on a tmpfs, one a frame and part. Knows no Redis.

    folder/<job>/<segment>-<attempt>/<frame>.in, .out

Segments are dropped by renaming their folder away first: from then on nobody can add to it by its name, so a late
writer leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import shutil
import stat
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import check_id
from pipeline.frames import PARTS, FrameStoreFull, Part, SegmentGone
from pipeline.tasks import SegmentKey

if TYPE_CHECKING:
    from typing_extensions import Buffer

_DROPPED = ".dropped-"
_MIB = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


class FrameStoreFolderError(Exception):
    """The store's folder cannot be trusted or used."""


class SharedFrameStore:
    """See FrameStore. folder: on a tmpfs shared by all workers; it is made, private to this user, when first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open_segment(self, key: SegmentKey) -> None:
        self._make_folder()
        while True:
            with contextlib.suppress(FileNotFoundError):  # the job's folder went with the last of its other segments
                self._job(key.job).mkdir(mode=0o700, exist_ok=True)
                self._segment(key).mkdir(mode=0o700, exist_ok=True)
                return
            self._make_folder()

    def put(self, key: SegmentKey, frame: int, part: Part, *chunks: Buffer) -> None:
        path = self._path(key, frame, part)
        part_path = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
        try:
            with part_path.open("xb", buffering=0) as file:
                for chunk in chunks:
                    left = memoryview(chunk).cast("B")
                    while left:
                        left = left[file.write(left) :]
            part_path.replace(path)
        except FileNotFoundError:
            raise SegmentGone(key) from None
        except OSError as error:
            with contextlib.suppress(OSError):
                part_path.unlink()
            if error.errno in _FULL:
                raise self._full() from error
            raise

    def get(self, key: SegmentKey, frame: int, part: Part) -> memoryview | None:
        try:
            with self._path(key, frame, part).open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if size == 0:  # cannot be mapped
                    return memoryview(b"")
                flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
                return memoryview(mmap.mmap(file.fileno(), size, flags=flags, prot=mmap.PROT_READ))
        except FileNotFoundError:
            return None

    def exists(self, key: SegmentKey, frame: int, part: Part) -> bool:
        return self._path(key, frame, part).exists()

    def drop(self, key: SegmentKey, frame: int) -> None:
        for part in PARTS:
            self._path(key, frame, part).unlink(missing_ok=True)

    def drop_segment(self, key: SegmentKey) -> None:
        self._drop(self._segment(key))
        with contextlib.suppress(OSError):  # other segments are open, or it is gone already
            self._job(key.job).rmdir()

    def drop_job(self, job_id: str) -> None:
        self._drop(self._job(job_id))

    def jobs(self) -> set[str]:
        """Also removes what a process left that was killed while dropping."""
        try:
            names = [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            return set()
        for name in names:
            if name.startswith(_DROPPED):
                shutil.rmtree(self._folder / name, ignore_errors=True)
        return {name for name in names if not name.startswith(".")}

    def _drop(self, folder: Path) -> None:
        away = self._folder / f"{_DROPPED}{uuid.uuid4().hex}"
        with contextlib.suppress(FileNotFoundError):
            folder.rename(away)
            shutil.rmtree(away, ignore_errors=True)

    def _make_folder(self) -> None:
        """The default lies in a place all users write to, so a folder of somebody else's making is refused."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = self._folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
            raise FrameStoreFolderError(
                f"{self._folder} is a link or belongs to user {facts.st_uid}, not to {os.getuid()};"
                " remove it or set GLEANER_FRAME_STORE_DIR to a directory of this user"
            )
        if stat.S_IMODE(facts.st_mode) & 0o077:
            self._folder.chmod(0o700)

    def _job(self, job_id: str) -> Path:
        return self._folder / check_id(job_id)

    def _segment(self, key: SegmentKey) -> Path:
        return self._job(key.job) / f"{int(key.segment)}-{int(key.attempt)}"

    def _path(self, key: SegmentKey, frame: int, part: Part) -> Path:
        return self._segment(key) / f"{int(frame)}.{part}"

    def _full(self) -> FrameStoreFull:
        size = shutil.disk_usage(self._folder)
        return FrameStoreFull(
            f"the frame store {self._folder} is full ({size.used // _MIB} of {size.total // _MIB} MiB used);"
            " enlarge that tmpfs (in a container: its shm_size), lower GLEANER_WINDOW_FRAMES,"
            " or point GLEANER_FRAME_STORE_DIR to a larger one"
        )
