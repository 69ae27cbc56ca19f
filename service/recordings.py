"""Routes of a stream's recordings: what there is, and the files."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from media.recording_files import NAME, Recording, list_recordings
from pipeline.stream import Stream
from service.backend import Given
from service.moments import Moment, check_order
from service.names import content_disposition
from service.paging import Cursor, next_page
from service.problems import ProblemError
from service.results import send_file
from service.schemas import ProblemBody
from service.stream_lookup import KnownStream
from service.stream_reports import report_link
from service.stream_schemas import RecordingBody, RecordingListBody
from service.stream_views import STREAMS
from service.views import timestamp

router = APIRouter(prefix=STREAMS, tags=["streams"])


@router.head("/{stream_id}/recordings", include_in_schema=False)
@router.get(
    "/{stream_id}/recordings",
    summary="List recordings",
    responses={code: {"model": ProblemBody} for code in (400, 404)},
)
async def list_stream_recordings(
    stream: KnownStream,
    backend: Given,
    response: Response,
    start: Annotated[Moment | None, Query(description="Only those that end after it. RFC 3339.")] = None,
    end: Annotated[Moment | None, Query(description="Only those that begin before it. RFC 3339.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
) -> RecordingListBody:
    """Of the enhanced stream, oldest first. Follow `next` until it is null."""
    after = "" if cursor is None else _after(cursor)
    if start is not None and end is not None:
        check_order(start.timestamp(), end.timestamp())
    every = await to_thread.run_sync(list_recordings, backend.stream_files.recordings(stream.id))
    low = float("-inf") if start is None else start.timestamp()
    high = float("inf") if end is None else end.timestamp()
    wanted = [found for found in every if found.end > low and found.start < high and found.name > after]
    page = wanted[:limit]
    next_cursor = _cursor(page[-1].name) if len(wanted) > limit else None
    within = {name: None if at is None else at.isoformat() for name, at in (("start", start), ("end", end))}
    link = next_page(response, f"{STREAMS}/{stream.id}/recordings", next_cursor, limit=limit, **within)
    bodies = [_body(stream, found) for found in page]
    return RecordingListBody(recordings=bodies, next_cursor=next_cursor, next=link)


@router.head("/{stream_id}/recordings/{name}", include_in_schema=False)
@router.get(
    "/{stream_id}/recordings/{name}",
    response_class=FileResponse,
    summary="Download a recording",
    responses={
        200: {"content": {"video/mp4": {}}},
        206: {"description": "The ranges that were asked for."},
        304: {"description": "Not changed."},
        **{code: {"model": ProblemBody} for code in (404, 410, 416)},
    },
)
async def stream_recording(
    request: Request,
    stream: KnownStream,
    backend: Given,
    name: Annotated[str, Path(max_length=80, description="As listed.")],
) -> Response:
    """Whole or in ranges. Gone once its retention is over."""
    if not NAME.fullmatch(name):
        raise ProblemError("not-found", "there is no such recording; the list has the names")
    headers = {
        "ETag": f'"{stream.id}-{name}"',
        "Content-Disposition": content_disposition(f"{stream.name}-{name}"),
    }
    path = backend.stream_files.recordings(stream.id) / name
    return await send_file(request, path, "video/mp4", headers)


def _body(stream: Stream, found: Recording) -> RecordingBody:
    return RecordingBody(
        name=found.name,
        start=timestamp(found.start),
        end=timestamp(found.end),
        bytes=found.bytes,
        url=f"{STREAMS}/{stream.id}/recordings/{found.name}",
        report=report_link(stream.id, found.start, found.end, "capture"),
    )


def _cursor(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _after(cursor: str) -> str:
    try:
        name = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        if NAME.fullmatch(name):
            return name
    except (ValueError, binascii.Error):
        pass
    raise ProblemError("invalid-cursor", "the cursor is not one of ours; pass next_cursor on as it was given, or none")
