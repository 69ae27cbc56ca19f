"""The asyncio reader says what the store says."""

from __future__ import annotations

import asyncio

import pytest
from redis import Redis

from pipeline.connection import connect_async
from pipeline.job import ClipOptions, Job, JobState
from pipeline.job_reader import AsyncJobReader
from pipeline.jobs import JobStore, UnknownJob, new_id
from pipeline.progress import SegmentProgress


def test_reads_what_the_store_wrote(redis: Redis, redis_url: str) -> None:
    store = JobStore(redis)
    options = ClipOptions(model="lanczos")
    job = Job(
        id=new_id(),
        options=options,
        scale=2,
        source_name="a",
        source_sha256="0",
        source_bytes=1,
        clip={},
        created_at=1,
    )
    store.create(job)
    store.set_segment(job.id, 0, SegmentProgress(4))

    async def scenario() -> None:
        async with connect_async(redis_url) as client:
            reader = AsyncJobReader(client)
            assert await reader.get(job.id) == job
            assert (await reader.progress(job.id)).frames_done == 4
            events = await reader.read_events(job.id)
            assert events == store.read_events(job.id)
            assert [event.kind for event in events] == ["state", "progress"]
            waiting = asyncio.create_task(reader.read_events(job.id, events[-1].id, block_ms=5000))
            await asyncio.to_thread(store.transition, job.id, JobState.PLANNING)
            assert [event.data["state"] for event in await waiting] == ["planning"]
            assert await reader.read_events(job.id, (await reader.read_events(job.id))[-1].id) == []
            with pytest.raises(UnknownJob):
                await reader.get("none")

    asyncio.run(scenario())
