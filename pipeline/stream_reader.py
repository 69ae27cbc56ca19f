"""Reads streams from asyncio, for the HTTP app: records, status and events. Changes are made through StreamStore."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import redis.asyncio

from pipeline import events
from pipeline.events import Event
from pipeline.stream import Stream, StreamStatus
from pipeline.stream_keys import events_key, record_key, reporting_key, status_key
from pipeline.stream_report import as_seen
from pipeline.streams import decode_record


class AsyncStreamReader:
    """The reading half of StreamStore; same keys, same answers, same errors."""

    def __init__(self, redis: redis.asyncio.Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self._clock = clock

    async def get(self, stream_id: str) -> Stream:
        return decode_record(stream_id, await self._redis.get(record_key(stream_id)))

    async def status(self, stream_id: str) -> StreamStatus:
        keys = [record_key(stream_id), status_key(stream_id), reporting_key(stream_id)]
        record, raw, reporting = await self._redis.mget(keys)
        return as_seen(decode_record(stream_id, record), raw, reporting is not None, self._clock())

    async def read_events(self, stream_id: str, after: str | None = None, block_ms: int = 0) -> list[Event]:
        """Events after the one of that id, oldest first; waits up to `block_ms` (at most MAX_BLOCK_MS) for one.

        A reader that waits holds one connection of the pool for that time.
        """
        start = events.resume_point(after)
        reply = await self._redis.xread({events_key(stream_id): start}, count=events.PAGE, block=block_ms or None)
        return events.decode(reply)
