"""The routes of a job's events: Server-Sent Events that can be resumed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from redis.exceptions import RedisError

from pipeline.events import Event
from service.backend import Given
from service.follow import follow
from service.lookup import ClipJob, ExploreJob
from service.problems import ProblemError
from service.schemas import ProblemBody
from service.views import CLIPS, EXPLORATIONS

RECONNECT_MS = 3000  # how long a client waits before it comes back

router = APIRouter()
LastEventId = Annotated[str | None, Header(description="Go on after this event.")]

log = structlog.get_logger()


async def a_place(backend: Given) -> AsyncIterator[None]:
    """One of the event streams that may be open at once. Raises ProblemError 'too-busy' when all are taken."""
    if backend.followers.locked():
        raise ProblemError("too-busy", "too many event streams are open; ask for the job itself instead")
    async with backend.followers:
        yield


@router.get(
    f"{CLIPS}/{{clip_id}}/events",
    tags=["clips"],
    response_class=EventSourceResponse,
    summary="Follow a clip",
    responses={404: {"model": ProblemBody}},
    dependencies=[Depends(a_place)],
)
async def clip_events(
    job: ClipJob,
    backend: Given,
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """Events `state` and `progress` from the beginning, or after Last-Event-ID; ends with the terminal state."""
    async for event in sent(job.id, follow(backend, job.id, last_event_id)):
        yield event


@router.get(
    f"{EXPLORATIONS}/{{exploration_id}}/events",
    tags=["explorations"],
    response_class=EventSourceResponse,
    summary="Follow an exploration",
    responses={404: {"model": ProblemBody}},
    dependencies=[Depends(a_place)],
)
async def exploration_events(
    job: ExploreJob,
    backend: Given,
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """Events `state` and `progress` from the beginning, or after Last-Event-ID; ends with the terminal state."""
    async for event in sent(job.id, follow(backend, job.id, last_event_id)):
        yield event


async def sent(subject: str, followed: AsyncIterator[Event]) -> AsyncIterator[ServerSentEvent]:
    """Events as they are sent. subject: id of the job or stream."""
    yield ServerSentEvent(comment=f"events of {subject}", retry=RECONNECT_MS)
    try:
        async for event in followed:
            yield ServerSentEvent(event=event.kind, data=event.data, id=event.id or None)
    except RedisError as error:  # the answer has begun: end it, and the client comes back with Last-Event-ID
        log.warning("event stream cut", of=subject, error=type(error).__name__)
