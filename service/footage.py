"""Routes of a stream's source as it came: what of it is kept, and clips made of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Response
from pydantic import Field

from media.camera_files import Stretch
from media.ring_files import list_ranges
from media.types import MediaError
from pipeline.job import CameraStretch, ClipOptions, JobKind
from pipeline.jobs import new_id
from pipeline.stream import Stream
from service import intake
from service import options as opts
from service.backend import Backend, Given
from service.clips import answer_accepted, enqueue
from service.cuts import Cut
from service.idempotency import claimed, payload_of
from service.lookup import find_job
from service.moments import Moment, check_order
from service.names import clean_name
from service.problems import ProblemError
from service.schemas import MAX_NAME, ClipBody, ProblemBody, SubmitOptions
from service.stream_lookup import KnownStream
from service.stream_schemas import RangeBody, SourceRangesBody
from service.stream_views import STREAMS
from service.views import timestamp

router = APIRouter(prefix=STREAMS, tags=["streams"])


class StretchQuery(SubmitOptions):
    start: Moment = Field(description="RFC 3339 with a time zone.")
    end: Moment = Field(description="RFC 3339 with a time zone, after `start`.")
    name: str | None = Field(default=None, max_length=MAX_NAME, description="Of the clip, for display.")


@router.head("/{stream_id}/source", include_in_schema=False)
@router.get("/{stream_id}/source", summary="What of the source is kept", responses={404: {"model": ProblemBody}})
async def stream_source(stream: KnownStream, backend: Given) -> SourceRangesBody:
    """The stretches of which clips can be made, by the time they arrived."""
    ranges = await to_thread.run_sync(list_ranges, backend.stream_files.ring(stream.id))
    return SourceRangesBody(
        ranges=[
            RangeBody(start=timestamp(start), end=timestamp(end), seconds=round(end - start, 3))
            for start, end in ranges
        ],
        kept_minutes=stream.options.ring,
    )


@router.post(
    "/{stream_id}/clips",
    status_code=202,
    response_model=ClipBody,
    summary="Make a clip of the source",
    responses={
        202: {"description": "Accepted; the job is at Location."},
        **{code: {"model": ProblemBody} for code in (400, 404, 409, 413, 415, 507)},
    },
)
async def clip_of_stream(
    stream: KnownStream,
    query: Annotated[StretchQuery, Query()],
    backend: Given,
    idempotency_key: Annotated[
        str | None, Header(description="The same key with the same query gets the same job for 24 hours.")
    ] = None,
) -> Response:
    """Cuts the source between two moments, packet by packet, and submits it as if it had been uploaded.

    Model and size are the stream's unless given. `camera` of the clip says what was really cut, and what is missing.
    """
    start, end = query.start.timestamp(), query.end.timestamp()
    _check_moments(stream, start, end)
    received = intake.Received(_options(stream, query, backend), _name(stream, query))
    settings = backend.settings
    limits = settings.upload_limit_bytes, settings.disk_reserve_bytes, settings.probe_memory_bytes
    payload = payload_of(stream.id, f"{start} {end} {received.name}", received.options.model_dump(mode="json"))
    async with claimed(backend.aredis, idempotency_key) as claim, Cut(backend.files, new_id(), *limits) as cut:
        earlier = claim.replayed_job(payload) if claim else None
        if earlier is not None:
            job = await find_job(backend, earlier, JobKind.CLIP)
            return await answer_accepted(backend, job, {"Idempotency-Replayed": "true"})
        folder = backend.stream_files.ring(stream.id)
        try:
            stretch = await cut.make(folder, start, end, backend.probes)
        except MediaError as error:
            if error.code != "no-footage":
                raise
            raise _none_kept(stream, start, end, await to_thread.run_sync(list_ranges, folder)) from None
        clip = await intake.inspect(backend, cut)
        camera = _camera(stream, start, end, stretch)
        job = intake.make_job(received, clip, cut, JobKind.CLIP, backend, camera)
        await intake.keep(backend, cut, job)
        await enqueue(backend, job, claim, payload)
    return await answer_accepted(backend, job, {})


def _check_moments(stream: Stream, start: float, end: float) -> None:
    check_order(start, end)
    if start > time.time():
        detail = f"start ({timestamp(start)}) has not come yet; wait until it has, or see that the time zone is right"
        raise ProblemError("no-footage", detail)
    if stream.options.ring == 0:
        detail = f"stream {stream.name} keeps nothing of its source: ring is 0; PATCH it to the minutes wanted"
        raise ProblemError("no-footage", detail)


def _none_kept(stream: Stream, start: float, end: float, ranges: Sequence[tuple[float, float]]) -> ProblemError:
    kept = f"from {timestamp(ranges[0][0])} to {timestamp(ranges[-1][1])}, perhaps with gaps" if ranges else "nothing"
    detail = f"of stream {stream.name} nothing is kept from {timestamp(start)} to {timestamp(end)}; kept is {kept}"
    return ProblemError("no-footage", f"{detail} (GET {STREAMS}/{stream.id}/source)")


def _options(stream: Stream, query: StretchQuery, backend: Backend) -> ClipOptions:
    given = query.model_dump(exclude_unset=True, exclude={"start", "end", "name"})
    if not given.get("model"):
        given["model"] = stream.options.model
        if not (given.get("scale") or given.get("target_height")):
            given |= {"scale": stream.options.scale, "target_height": stream.options.target_height}
    return opts.early(given, backend.settings, backend.catalog)


def _name(stream: Stream, query: StretchQuery) -> str:
    at = query.start.astimezone(UTC).strftime("%Y-%m-%dT%H.%M.%SZ")
    return clean_name(query.name or f"{stream.name} {at}.mov")


def _camera(stream: Stream, start: float, end: float, stretch: Stretch) -> CameraStretch:
    return CameraStretch(
        stream=stream.id,
        name=stream.name,
        asked_start=start,
        asked_end=end,
        start=stretch.start,
        end=stretch.end,
        gaps=stretch.gaps,
    )
