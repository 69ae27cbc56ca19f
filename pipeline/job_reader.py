"""Reads jobs from asyncio, for the HTTP app: records, progress and events. Changes are made through JobStore."""

from __future__ import annotations

from typing import Any

import redis.asyncio

from pipeline import events
from pipeline.events import Event
from pipeline.job import Job
from pipeline.job_keys import events_key, progress_key, record_key
from pipeline.jobs import decode_record
from pipeline.progress import Progress, SegmentProgress, total


class AsyncJobReader:
    """The reading half of JobStore; same keys, same answers, same errors."""

    def __init__(self, redis: redis.asyncio.Redis) -> None:
        self._redis: Any = redis

    async def get(self, job_id: str) -> Job:
        return decode_record(job_id, await self._redis.get(record_key(job_id)))

    async def progress(self, job_id: str) -> Progress:
        return total(map(SegmentProgress.from_json, await self._redis.hvals(progress_key(job_id))))

    async def read_events(self, job_id: str, after: str | None = None, block_ms: int = 0) -> list[Event]:
        """Events after the one of that id, oldest first; waits up to `block_ms` (at most MAX_BLOCK_MS) for one.

        A reader that waits holds one connection of the pool for that time.
        """
        start = events.resume_point(after)
        reply = await self._redis.xread({events_key(job_id): start}, count=events.PAGE, block=block_ms or None)
        return events.decode(reply)
