"""Keeps claimed frames claimed while they are computed, however long a batch takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis
import structlog

from pipeline.periodic import Periodic
from pipeline.queue import FrameQueue

log = structlog.get_logger(__name__)


class LeaseKeeper(Periodic):
    """A thread that renews the leases of the frames in hand. A context manager: leaving it ends the thread.

    A worker that hangs for longer than `limit_s` in one round loses its leases: hanging is not working.
    """

    def __init__(self, queue: FrameQueue, consumer: str, lease_s: float, limit_s: float = 600.0) -> None:
        self._queue, self._consumer = queue, consumer
        super().__init__("leases", lease_s / 3, self._renew)
        self._limit_s = limit_s
        self._held: list[str] = []
        self._rounds_left = 0
        self._lock = threading.Lock()

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

    def _renew(self) -> None:
        with self._lock:
            held = self._held if self._rounds_left > 0 else []
            self._rounds_left -= 1
        if not held:
            return
        try:
            self._queue.renew(self._consumer, held)
        except redis.RedisError as error:
            log.warning("leases not renewed", stage="enhance", error=type(error).__name__)
