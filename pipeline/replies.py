"""Replies to a segment's worker: one FrameDone after another in a stream per segment. Knows no tasks.

A stream and not a list: popping from a list loses the element when the reply does not arrive and redis-py asks again,
whereas reading on from a position may be repeated.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from redis import Redis

from pipeline.tasks import FrameDone, SegmentKey

KEPT = 1000  # replies, roughly, so that a camera's stream of them does not grow; far fewer are ever waiting to be read
EXPIRE_S = 3600  # counted from the last reply; for workers that never come back
BLOCK_MS = 2000
FETCH = 64
SCAN_COUNT = 1000


class Replies:
    """Both ends. One thread at a time may wait for a given segment; positions are kept in this object."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # redis-py types every reply as "awaitable or not"
        self._position: dict[SegmentKey, bytes] = {}
        self._fetched: dict[SegmentKey, deque[FrameDone]] = {}

    def add(self, pipe: Any, key: SegmentKey, done: FrameDone) -> None:
        """Adds the reply as part of the caller's transaction."""
        pipe.xadd(_name(key), {"d": done.model_dump_json()}, maxlen=KEPT, approximate=True)
        pipe.expire(_name(key), EXPIRE_S)

    def wait(self, key: SegmentKey, timeout_s: float) -> FrameDone | None:
        """The next reply, in the order they were sent; None if there is none within `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        fetched = self._fetched.setdefault(key, deque())
        while not fetched:
            left_ms = round((deadline - time.monotonic()) * 1000)
            block = min(left_ms, BLOCK_MS) if left_ms > 0 else None  # None: do not block
            after = self._position.get(key, b"0-0")
            for _, entries in self._redis.xread({_name(key): after}, count=FETCH, block=block):
                fetched.extend(FrameDone.model_validate_json(fields[b"d"]) for _, fields in entries)
                self._position[key] = entries[-1][0]
            if block is None and not fetched:
                return None
        return fetched.popleft()

    def drop(self, owner: SegmentKey | str) -> None:
        """Removes the replies of a segment, or of a whole job given its id."""
        if isinstance(owner, SegmentKey):
            self._forget(owner)
            self._redis.unlink(_name(owner))
            return
        for key in [key for key in self._fetched if key.job == owner]:
            self._forget(key)
        names = list(self._redis.scan_iter(match=f"gleaner:done:{owner}:*", count=SCAN_COUNT))
        if names:
            self._redis.unlink(*names)

    def _forget(self, key: SegmentKey) -> None:
        self._position.pop(key, None)
        self._fetched.pop(key, None)


def _name(key: SegmentKey) -> str:
    return f"gleaner:done:{key}"
