"""Routes of explorations: ask for one, list a clip's, show, cancel or delete."""

from __future__ import annotations

from typing import Annotated

import structlog
from anyio import CancelScope, to_thread
from fastapi import APIRouter, Depends, Header, Query, Response

from pipeline.job import Job, JobKind
from pipeline.jobs import CursorError, UnknownJob
from service.backend import Backend, Given
from service.explore_options import make_exploration
from service.explore_schemas import ExplorationBody, ExplorationListBody, ExploreRequest
from service.explore_views import exploration_views
from service.idempotency import Claim, claimed, payload_of
from service.lookup import ClipJob, ExploreJob, cancel, discard, find_job
from service.paging import Cursor, next_page
from service.polling import accepted, polled
from service.problems import ProblemError
from service.schemas import ProblemBody
from service.views import CLIPS, EXPLORATIONS

router = APIRouter(tags=["explorations"])
log = structlog.get_logger()


async def explored_clip(clip_id: str, backend: Given) -> Job:
    """The clip's job. Raises ProblemError 'not-found', which for a dry run says why it cannot be explored."""
    try:
        await find_job(backend, clip_id, JobKind.PREVIEW)
    except ProblemError:
        return await find_job(backend, clip_id, JobKind.CLIP)
    detail = f"{clip_id} is a dry run, of whose clip only pictures are kept; submit the clip without dry_run"
    raise ProblemError("not-found", detail)


@router.post(
    f"{CLIPS}/{{clip_id}}/explore",
    status_code=202,
    response_model=ExplorationBody,
    summary="Explore a region of a frame",
    responses={
        202: {"description": "Accepted; the job is at Location."},
        **{code: {"model": ProblemBody} for code in (400, 404, 409, 410, 413, 507)},
    },
)
async def explore(
    clip: Annotated[Job, Depends(explored_clip)],
    wanted: ExploreRequest,
    backend: Given,
    idempotency_key: Annotated[
        str | None, Header(description="The same key with the same clip and body gets the same job for 24 hours.")
    ] = None,
) -> Response:
    """Searches a bank for different pictures that all explain the same pixels. None of them is evidence."""
    payload = payload_of(clip.source_sha256, f"explore {clip.id}", wanted.model_dump(mode="json"))
    async with claimed(backend.aredis, idempotency_key) as claim:
        earlier = claim.replayed_job(payload) if claim else None
        if earlier is not None:
            job = await find_job(backend, earlier, JobKind.EXPLORE)
            return await _accepted(backend, job, {"Idempotency-Replayed": "true"})
        job = await to_thread.run_sync(make_exploration, wanted, clip, backend.files, backend.catalog)
        await _keep(backend, job)
        await _enqueue(backend, job, claim, payload)
    return await _accepted(backend, job, {})


async def _keep(backend: Backend, job: Job) -> None:
    """Records the job and makes its folder; on failure neither is there."""
    try:
        await to_thread.run_sync(backend.files.create_exploration, job.id)
        await backend.ask(_record, backend, job)
    except BaseException as error:
        with CancelScope(shield=True):
            await to_thread.run_sync(backend.files.remove, job.id)
        if isinstance(error, UnknownJob):
            raise ProblemError("not-found", "the clip has been deleted meanwhile; send it again") from None
        raise
    log.info("job created", job=job.id, kind=job.kind.value, clip=job.explored.clip)


def _record(backend: Backend, job: Job) -> None:
    backend.jobs.create(job)
    backend.metrics.inc("gleaner_jobs_total", state=job.state.value)
    backend.metrics.flush()


async def _enqueue(backend: Backend, job: Job, claim: Claim | None, payload: str) -> None:
    # The key first, as for clips: were Redis lost in between, a repeat finds this job, and recovery queues it.
    if claim is not None:
        await claim.complete(payload, job.id)
    await backend.ask(backend.clips.enqueue_exploration, job.id)


async def _accepted(backend: Backend, job: Job, headers: dict[str, str]) -> Response:
    (body,) = await backend.ask(exploration_views, backend, [job])
    return accepted(body, f"{EXPLORATIONS}/{job.id}", headers)


@router.head(f"{CLIPS}/{{clip_id}}/explorations", include_in_schema=False)
@router.get(
    f"{CLIPS}/{{clip_id}}/explorations",
    summary="List a clip's explorations",
    responses={code: {"model": ProblemBody} for code in (400, 404)},
)
async def list_explorations(
    clip: ClipJob,
    backend: Given,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
) -> ExplorationListBody:
    """Newest first. Follow `next` until it is null."""
    try:
        jobs, next_cursor = await backend.ask(backend.jobs.list, limit, cursor, explorations_of=clip.id)
    except CursorError as error:
        raise ProblemError("invalid-cursor", str(error)) from None
    bodies = await backend.ask(exploration_views, backend, jobs)
    link = next_page(response, f"{CLIPS}/{clip.id}/explorations", next_cursor, limit=limit)
    return ExplorationListBody(explorations=bodies, next_cursor=next_cursor, next=link)


@router.head(f"{EXPLORATIONS}/{{exploration_id}}", include_in_schema=False)
@router.get(
    f"{EXPLORATIONS}/{{exploration_id}}",
    response_model=ExplorationBody,
    summary="Show an exploration",
    responses={304: {"description": "Not changed."}, 404: {"model": ProblemBody}},
)
async def show_exploration(
    job: ExploreJob, backend: Given, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """State, progress and, once done, the candidates. Give the ETag back in If-None-Match to poll cheaply."""
    (body,) = await backend.ask(exploration_views, backend, [job])
    return polled(body, if_none_match, terminal=job.terminal)


@router.delete(
    f"{EXPLORATIONS}/{{exploration_id}}",
    status_code=204,
    summary="Cancel or delete an exploration",
    responses={404: {"model": ProblemBody}},
)
async def delete_exploration(job: ExploreJob, backend: Given) -> Response:
    """An active exploration is cancelled and its files go; one that has ended goes altogether."""
    if not await backend.ask(cancel, backend, job):
        await backend.ask(discard, backend, job.id)
    return Response(status_code=204)
