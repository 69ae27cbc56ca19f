"""Writes a stream's frame log, by a thread of its own, and deletes what has had its time. Knows no frames.

Lines are written whole, twice a second, and not synced: a crash costs the last ones, and at worst tears the last of a
file, which readers leave out.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import structlog

from media.kept_files import expired
from pipeline.periodic import Periodic
from pipeline.stream_log import SLACK_S, line_of, list_logs, log_name, minute_of
from workers.live_log import LogLine

log = structlog.get_logger(__name__)

WRITE_S = 0.5
QUEUED = 8192  # lines that could not be written yet; further ones are lost, and counted
EXPIRE_S = 60.0
LEAVE_S = 5.0
NAMES = 1000  # tried for a file


class LogWriter(Periodic):
    """A context manager. heading: the first line of each file. `clock` gives Unix seconds.

    keep_s, keep_bytes: see `pipeline.stream_log.expired`. The folder must be there; it is never made, so that a stream
    that was removed stays so.
    """

    def __init__(
        self,
        folder: Path,
        heading: Mapping[str, Any],
        keep_s: float,
        keep_bytes: int,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("log", WRITE_S, self._look, last=self._finish, leave_s=LEAVE_S)
        self._folder, self._heading, self._clock = folder, line_of({"v": 1, **heading}), clock
        self._keep_s, self._keep_bytes = keep_s, keep_bytes
        self._queue: deque[LogLine] = deque()
        self._overrun = self._failed = self._told = 0  # lines lost: by the loop, by the thread; of both, in the log
        self._file: FileIO | None = None
        self._minute = self._offset_s = 0.0  # of the file
        self._expired_at = float("-inf")
        self.problem: str | None = None

    def put(self, line: LogLine) -> None:
        """Takes a line; never waits. To be called by one thread."""
        if len(self._queue) >= QUEUED:
            self._overrun += 1
        else:
            self._queue.append(line)

    def _finish(self) -> None:
        self._look()
        self._close()

    def _look(self) -> None:
        while self._queue:
            self._write_some()
        now = time.monotonic()
        if now - self._expired_at >= EXPIRE_S:
            self._expired_at = now
            self._expire()

    def _write_some(self) -> None:
        """Lines that belong in one file. Those that cannot be written are lost."""
        first = self._queue[0]
        if self._file is None or not self._belongs(first):
            self._close()
            self._minute, self._offset_s = minute_of(first.at), first.offset_s
        lines: list[LogLine] = []
        while self._queue and self._belongs(self._queue[0]):
            lines.append(self._queue.popleft())
        lost = self._overrun + self._failed
        if lost > self._told:
            lines[0].content["lost"] = lost - self._told
        try:
            if self._file is None:
                self._file = self._open(lines[0])
            data = b"".join(line_of(line.content) for line in lines)
            if self._file.write(data) != len(data):
                raise OSError("the disk is full")
        except OSError as error:
            self._close()
            self._failed += len(lines)
            if self.problem is None:
                log.warning("no frame log", stage="camera", error=error.strerror or type(error).__name__)
            self.problem = "the frame log cannot be written; see that the disk of the data folder has room"
        else:
            self._told, self.problem = lost, None

    def _belongs(self, line: LogLine) -> bool:
        """Whether the line lies in the minute and within half the slack of the clocks' distance that a name tells."""
        return minute_of(line.at) == self._minute and abs(line.offset_s - self._offset_s) <= SLACK_S / 2

    def _open(self, first: LogLine) -> FileIO:
        offset_ms = round(first.offset_s * 1000)
        for number in range(NAMES):  # one more, where another has begun in the same millisecond
            with contextlib.suppress(FileExistsError):
                file = FileIO(self._folder / log_name(first.at, offset_ms + number), "x")
                if file.write(self._heading) != len(self._heading):
                    file.close()
                    raise OSError("the disk is full")
                return file
        raise OSError("there are too many files of the same moment")

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _expire(self) -> None:
        try:
            for file in expired(list_logs(self._folder), self._clock(), self._keep_s, self._keep_bytes):
                (self._folder / file.name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("frame logs not deleted", stage="camera", error=error.strerror or type(error).__name__)
