"""Jobs by the ids that clients give, and their cancellation. Knows no route."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from pipeline.job import Job, JobKind, JobState, TransitionError
from pipeline.jobs import UnknownJob
from service.backend import Backend, Given
from service.problems import ProblemError


async def clip_job(clip_id: str, backend: Given) -> Job:
    """The clip's job. Previews and ids that cannot be are unknown. Raises ProblemError 'not-found'."""
    return await find_job(backend, clip_id, JobKind.CLIP)


async def find_job(backend: Backend, job_id: str, kind: JobKind) -> Job:
    try:
        job = await backend.ask(backend.jobs.get, job_id)
        if job.kind is kind:
            return job
    except (UnknownJob, ValueError):
        pass
    raise ProblemError("not-found", f"there is no {kind.value} of this id; it may have been deleted")


async def explore_job(exploration_id: str, backend: Given) -> Job:
    """The exploration's job. Raises ProblemError 'not-found'."""
    return await find_job(backend, exploration_id, JobKind.EXPLORE)


ClipJob = Annotated[Job, Depends(clip_job)]
ExploreJob = Annotated[Job, Depends(explore_job)]


def cancel(backend: Backend, job: Job) -> bool:
    """Cancels an active job and removes its files; blocking. False where it had ended already."""
    try:
        if job.terminal:
            return False
        backend.jobs.transition(job.id, JobState.CANCELLED)
    except TransitionError:
        return False
    except UnknownJob:
        return True
    backend.metrics.inc("gleaner_jobs_total", state=JobState.CANCELLED.value)
    backend.metrics.flush()
    backend.clips.cancel(job.id)
    backend.files.remove(job.id)
    return True


def discard(backend: Backend, job_id: str) -> None:
    """Cancels a job where it is active, and removes all of it; blocking. One that is not there is fine."""
    try:
        cancel(backend, backend.jobs.get(job_id))
    except UnknownJob:
        return
    backend.files.remove(job_id)
    backend.jobs.delete(job_id)
