"""Routes of clips: submit, list, show, cancel or delete."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response

from pipeline.job import Job, JobKind, JobState
from pipeline.jobs import CursorError, new_id
from service import intake
from service.backend import Backend, Given
from service.idempotency import Claim, claimed, payload_of
from service.lookup import ClipJob, cancel, discard, find_job
from service.paging import Cursor, next_page
from service.polling import accepted, polled
from service.previews import answer_preview
from service.problems import ProblemError
from service.schemas import ClipBody, ClipListBody, PreviewBody, ProblemBody, SubmitOptions, SubmitQuery
from service.uploads import Upload
from service.views import CLIPS, clip_views

router = APIRouter(prefix=CLIPS, tags=["clips"])

_FILE = {"type": "string", "format": "binary", "description": "The clip."}
_SUBMIT_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    **SubmitOptions.model_json_schema(ref_template="#/components/schemas/{model}")["properties"],
                    "file": _FILE,
                },
            }
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "video/*": {"schema": {"type": "string", "format": "binary"}},
    },
}


@router.post(
    "",
    status_code=202,
    response_model=ClipBody,
    summary="Submit a clip",
    openapi_extra={"requestBody": _SUBMIT_BODY},
    responses={
        200: {"model": PreviewBody, "description": "With dry_run: sample frames and an estimate."},
        202: {"description": "Accepted; the job is at Location."},
        **{code: {"model": ProblemBody} for code in (400, 408, 409, 413, 415, 507)},
    },
)
async def submit(
    request: Request,
    query: Annotated[SubmitQuery, Query()],
    backend: Given,
    idempotency_key: Annotated[
        str | None, Header(description="The same key with the same clip and options gets the same job for 24 hours.")
    ] = None,
) -> Response:
    """Takes a clip as a form (field `file`, options beside it) or as a raw body (options in the query string)."""
    settings = backend.settings
    upload = Upload(backend.files, new_id(), settings.upload_limit_bytes, settings.disk_reserve_bytes)
    async with claimed(backend.aredis, None if query.dry_run else idempotency_key) as claim, upload:
        received = await intake.receive(request, query, backend, upload)
        payload = payload_of(upload.sha256, received.name, received.options.model_dump(mode="json"))
        earlier = claim.replayed_job(payload) if claim else None
        if earlier is not None:
            job = await find_job(backend, earlier, JobKind.CLIP)
            return await answer_accepted(backend, job, {"Idempotency-Replayed": "true"})
        clip = await intake.inspect(backend, upload)
        kind = JobKind.PREVIEW if query.dry_run else JobKind.CLIP
        job = intake.make_job(received, clip, upload, kind, backend)
        await intake.keep(backend, upload, job)
        if query.dry_run:
            return await answer_preview(request, backend, job)
        await enqueue(backend, job, claim, payload)
    return await answer_accepted(backend, job, {})


async def enqueue(backend: Backend, job: Job, claim: Claim | None, payload: str) -> None:
    """Puts a job that is kept to work, and settles its request's key."""
    # The key is settled first: were Redis lost in between, a repeat finds this job, and recovery queues it.
    if claim is not None:
        await claim.complete(payload, job.id)
    await backend.ask(backend.clips.enqueue_plan, job.id)


async def answer_accepted(backend: Backend, job: Job, headers: dict[str, str]) -> Response:
    """202 with the job's body."""
    (body,) = await backend.ask(clip_views, backend, [job])
    return accepted(body, f"{CLIPS}/{job.id}", headers)


@router.head("", include_in_schema=False)
@router.get("", summary="List clips", responses={400: {"model": ProblemBody}})
async def list_clips(
    backend: Given,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
    state: Annotated[JobState | None, Query(description="Only clips in this state.")] = None,
) -> ClipListBody:
    """Newest first. Follow `next` until it is null."""
    try:
        clips, next_cursor = await backend.ask(_page, backend, limit, cursor, state)
    except CursorError as error:
        raise ProblemError("invalid-cursor", str(error)) from None
    link = next_page(response, CLIPS, next_cursor, limit=limit, state=state)
    return ClipListBody(clips=clips, next_cursor=next_cursor, next=link)


def _page(
    backend: Backend, limit: int, cursor: str | None, state: JobState | None
) -> tuple[list[ClipBody], str | None]:
    jobs: list[Job] = []
    while len(jobs) < limit:  # previews are left out, so one page of the store may not fill one of ours
        found, cursor = backend.jobs.list(limit - len(jobs), cursor, state)
        jobs += [job for job in found if job.kind is JobKind.CLIP]
        if cursor is None:
            break
    return clip_views(backend, jobs), cursor


@router.head("/{clip_id}", include_in_schema=False)
@router.get(
    "/{clip_id}",
    response_model=ClipBody,
    summary="Show a clip",
    responses={304: {"description": "Not changed."}, 404: {"model": ProblemBody}},
)
async def show_clip(job: ClipJob, backend: Given, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """State, progress and, once done, where the result is. Give the ETag back in If-None-Match to poll cheaply."""
    (body,) = await backend.ask(clip_views, backend, [job])
    return polled(body, if_none_match, terminal=job.terminal)


@router.delete(
    "/{clip_id}",
    status_code=204,
    summary="Cancel or delete a clip",
    responses={404: {"model": ProblemBody}},
)
async def delete_clip(job: ClipJob, backend: Given) -> Response:
    """An active clip is cancelled and its files go; one that has ended goes altogether. Its explorations go with it."""
    ended = not await backend.ask(cancel, backend, job)
    for exploration_id in await backend.ask(backend.jobs.exploration_ids, job.id):
        await backend.ask(discard, backend, exploration_id)
    if ended:
        await to_thread.run_sync(backend.files.remove, job.id)
        await backend.ask(backend.jobs.delete, job.id)
    return Response(status_code=204)
