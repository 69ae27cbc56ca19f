"""A job's events as they come, from Redis's stream to whoever waits. Knows events, not how they are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pipeline import events
from pipeline.events import Event
from pipeline.job import TERMINAL
from pipeline.jobs import UnknownJob
from service.backend import Backend

BLOCK_MS = 1000  # how soon a stream notices that the server is leaving
_LAST = frozenset({*TERMINAL, "deleted"})


async def follow(backend: Backend, job_id: str, after: str | None) -> AsyncIterator[Event]:
    """Events after that id, ending with the terminal state, or when the server is leaving.

    An event with an empty id was not in the stream.

    Where the stream ends without the terminal state (it was read before, or trimmed), the job's record supplies it;
    a job that was deleted ends with state "deleted".
    """
    at = events.resume_point(after)
    block_ms = 0  # the first look does not wait
    while not backend.leaving.is_set():
        page = await backend.reader.read_events(job_id, at, block_ms)
        ended = None if page else await _ended(backend, job_id)
        if ended is not None:
            page = [
                *await backend.reader.read_events(job_id, at),
                ended,
            ]  # what came between the read and the look first
        for event in page:
            at = event.id
            yield event
            if event.kind == "state" and event.data.get("state") in _LAST:
                return
        block_ms = 0 if len(page) == events.PAGE else BLOCK_MS


async def _ended(backend: Backend, job_id: str) -> Event | None:
    try:
        job = await backend.reader.get(job_id)
    except UnknownJob:
        return Event("", "state", {"state": "deleted"})
    if not job.terminal:
        return None
    problem = {"problem": job.problem.model_dump()} if job.problem else {}
    return Event("", "state", {"state": job.state.value, "at": job.finished_at, **problem})
