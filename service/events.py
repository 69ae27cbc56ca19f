"""The route of a clip's events: Server-Sent Events that can be resumed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from redis.exceptions import RedisError

from service.backend import Given
from service.follow import follow
from service.lookup import ClipJob
from service.problems import ProblemError
from service.schemas import ProblemBody
from service.views import CLIPS

RECONNECT_MS = 3000  # how long a client waits before it comes back

router = APIRouter(prefix=CLIPS, tags=["clips"])
log = structlog.get_logger()


async def a_place(backend: Given) -> AsyncIterator[None]:
    """One of the event streams that may be open at once. Raises ProblemError 'too-busy' when all are taken."""
    if backend.streams.locked():
        raise ProblemError("too-busy", "too many event streams are open; ask GET /v1/clips/{id} instead")
    async with backend.streams:
        yield


@router.get(
    "/{clip_id}/events",
    response_class=EventSourceResponse,
    summary="Follow a clip",
    responses={404: {"model": ProblemBody}},
    dependencies=[Depends(a_place)],
)
async def clip_events(
    job: ClipJob,
    backend: Given,
    last_event_id: Annotated[str | None, Header(description="Go on after this event.")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Events `state` and `progress` from the beginning, or after Last-Event-ID; ends with the terminal state."""
    yield ServerSentEvent(comment=f"events of {job.id}", retry=RECONNECT_MS)
    try:
        async for event in follow(backend, job.id, last_event_id):
            yield ServerSentEvent(event=event.kind, data=event.data, id=event.id or None)
    except RedisError as error:  # the answer has begun: end it, and the client comes back with Last-Event-ID
        log.warning("event stream cut", job=job.id, error=type(error).__name__)
