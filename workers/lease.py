"""Keeps claimed frames claimed while they are computed, however long a batch takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis
import structlog

from pipeline.queue import FrameQueue

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """A thread that renews the leases of the frames in hand. A context manager: leaving it ends the thread.

    A worker that hangs for longer than `limit_s` in one round loses its leases: hanging is not working.
    """

    def __init__(self, queue: FrameQueue, consumer: str, lease_s: float, limit_s: float = 600.0) -> None:
        self._queue, self._consumer = queue, consumer
        self._every_s, self._limit_s = lease_s / 3, limit_s
        self._held: list[str] = []
        self._rounds_left = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @contextmanager
    def keep(self, entry_ids: list[str]) -> Iterator[None]:
        """Renew these entries' leases while the block runs."""
        with self._lock:
            self._held, self._rounds_left = entry_ids, max(1, int(self._limit_s / self._every_s))
        try:
            yield
        finally:
            with self._lock:
                self._held = []

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            with self._lock:
                held = self._held if self._rounds_left > 0 else []
                self._rounds_left -= 1
            if not held:
                continue
            try:
                self._queue.renew(self._consumer, held)
            except redis.RedisError as error:
                log.warning("leases not renewed", stage="enhance", error=type(error).__name__)
