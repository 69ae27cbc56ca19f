"""The route of a stream's events: Server-Sent Events that can be resumed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from pipeline import events
from pipeline.events import Event
from pipeline.stream_errors import UnknownStream
from service.backend import Backend, Given
from service.events import LastEventId, a_place, sent
from service.follow import BLOCK_MS
from service.schemas import ProblemBody
from service.stream_lookup import KnownStream
from service.stream_views import STREAMS

router = APIRouter(prefix=STREAMS, tags=["streams"])


@router.get(
    "/{stream_id}/events",
    response_class=EventSourceResponse,
    summary="Follow a stream",
    responses={404: {"model": ProblemBody}, 503: {"model": ProblemBody}},
    dependencies=[Depends(a_place)],
)
async def stream_events(
    stream: KnownStream, backend: Given, last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """Changes of state, rung, size and clock, gaps, dropped frames, pushes and recordings; from the first kept, or
    after Last-Event-ID. Ends with state `deleted`."""
    async for event in sent(stream.id, _follow(backend, stream.id, last_event_id)):
        yield event


async def _follow(backend: Backend, stream_id: str, after: str | None) -> AsyncIterator[Event]:
    """Events until the stream is deleted or the server is leaving."""
    at, block_ms = events.resume_point(after), 0  # the first look does not wait
    while not backend.leaving.is_set():
        page = await backend.stream_reader.read_events(stream_id, at, block_ms)
        for event in page:
            at = event.id
            yield event
        if not page:
            try:
                await backend.stream_reader.get(stream_id)
            except UnknownStream:
                yield Event("", "state", {"state": "deleted"})
                return
        block_ms = 0 if len(page) == events.PAGE else BLOCK_MS
