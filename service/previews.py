"""Dry runs: waiting for a preview job, its answer, and its pictures."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Awaitable, Callable

import structlog
from anyio import CancelScope, create_task_group, move_on_after, sleep, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.requests import ClientDisconnect

from pipeline.job import Job, JobKind, JobState
from pipeline.jobs import UnknownJob
from service.backend import Backend, Given
from service.follow import follow
from service.lookup import cancel, find_job
from service.problems import PROBLEMS, ProblemError
from service.schemas import ClipFactsBody, EstimateBody, OutputBody, PreviewBody, ProblemBody, SampleBody
from service.views import degradation_body, missing_workers, options_body, source_body

PREVIEWS = "/v1/previews"
GRACE_S = 20.0  # a kind of worker of which none was seen for so long will not come
LOOK_EVERY_S = 1.0
_NAME = re.compile(r"([0-9]{1,2})-(before|after)")

router = APIRouter(prefix=PREVIEWS, tags=["clips"])
log = structlog.get_logger()


async def answer_preview(request: Request, backend: Backend, job: Job) -> Response:
    """Queues the preview and answers once it is done; cancels it when it will not be, or nobody waits any more.

    Raises ProblemError, ClientDisconnect.
    """
    ended = False
    try:
        await backend.ask(backend.clips.enqueue_preview, job.id)
        await _wait(request, backend, job.id)
        ended = True
    finally:
        if not ended:
            log.info("preview given up", job=job.id)
            with CancelScope(shield=True):
                await backend.ask(cancel, backend, job)
    try:
        done = await backend.ask(backend.jobs.get, job.id)
    except UnknownJob:
        raise ProblemError("preview-failed", "the preview was deleted before it was done") from None
    await to_thread.run_sync(lambda: backend.files.source(job.id).unlink(missing_ok=True))  # its pictures stay
    if done.state is JobState.DONE:
        return JSONResponse(preview_body(done).model_dump(mode="json"), 200)
    if done.problem is None:
        raise ProblemError("preview-failed", f"the preview was {done.state.value}")
    raise ProblemError(done.problem.code if done.problem.code in PROBLEMS else "preview-failed", done.problem.detail)


def preview_body(job: Job) -> PreviewBody:
    """The answer of a preview that is done."""
    result = job.result or {}
    return PreviewBody(
        id=job.id,
        options=options_body(job),
        source=source_body(job),
        clip=ClipFactsBody.model_validate(job.clip),
        output=OutputBody.model_validate(result["output"]),
        estimate=None if result.get("estimate") is None else EstimateBody.model_validate(result["estimate"]),
        degradation=degradation_body(job),
        outside_envelope=list(job.outside_envelope),
        choice=job.choice,
        samples=[
            SampleBody(
                time_s=sample["time_s"],
                before=f"{PREVIEWS}/{job.id}/{sample['before']}",
                after=f"{PREVIEWS}/{job.id}/{sample['after']}",
            )
            for sample in result["samples"]
        ],
    )


async def _wait(request: Request, backend: Backend, job_id: str) -> None:
    """Returns when the job has ended. Raises ProblemError 'no-worker', ClientDisconnect."""
    limit_s = backend.settings.preview_timeout_s
    problem: Exception | None = ProblemError(
        "no-worker", f"no worker finished the preview within {limit_s:g} s; try again later"
    )

    async def first(watch: Callable[[], Awaitable[Exception | None]]) -> None:
        nonlocal problem
        problem = await watch()
        group.cancel_scope.cancel()

    # anyio's cancellation insists; asyncio's can be lost in redis-py's wait_for on Python 3.11 (cpython issue 86296).
    with move_on_after(limit_s):
        async with create_task_group() as group:
            group.start_soon(first, lambda: _ended(backend, job_id))
            group.start_soon(first, lambda: _gone(request))
            group.start_soon(first, lambda: _hopeless(backend))
    if problem is not None:
        raise problem


async def _ended(backend: Backend, job_id: str) -> None:
    async for _ in follow(backend, job_id, None):
        pass


async def _gone(request: Request) -> Exception:
    """Returns when the client has left. The body was read, so nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return ClientDisconnect()


async def _hopeless(backend: Backend) -> Exception:
    """Returns when some kind of worker has not been alive for GRACE_S."""
    since = time.monotonic()
    while True:
        missing = await backend.ask(missing_workers, backend)
        if not missing:
            since = time.monotonic()
        elif time.monotonic() - since >= GRACE_S:
            return ProblemError("no-worker", f"no {' and no '.join(missing)} is running; start one and try again")
        await sleep(LOOK_EVERY_S)


@router.head("/{preview_id}/{name}.png", include_in_schema=False)
@router.get(
    "/{preview_id}/{name}.png",
    response_class=FileResponse,
    summary="A picture of a dry run",
    responses={200: {"content": {"image/png": {}}}, 404: {"model": ProblemBody}},
)
async def preview_picture(preview_id: str, name: str, backend: Given) -> Response:
    """`name` is as in the answer of the dry run, e.g. `0-before` or `0-after`."""
    job = await find_job(backend, preview_id, JobKind.PREVIEW)
    match = _NAME.fullmatch(name)
    if match:
        path = backend.files.preview(job.id, int(match[1]), match[2])
        with contextlib.suppress(FileNotFoundError):
            stat = await to_thread.run_sync(path.stat)
            headers = {"Cache-Control": "private, max-age=3600", "ETag": f'"{job.id}-{name}"'}
            return FileResponse(path, headers=headers, media_type="image/png", stat_result=stat)
    raise ProblemError("not-found", "there is no such picture of this preview")
