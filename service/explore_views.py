"""Bodies of explorations, filled from their jobs. Knows no route."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.explore_progress import ExploreProgress
from pipeline.heartbeat import alive
from pipeline.job import Job, JobState
from service.backend import Backend
from service.explore_schemas import (
    CandidateBody,
    ExplorationBody,
    ExploreLinksBody,
    ExploreOptionsBody,
    ExploreProgressBody,
    ExploreResultBody,
    FrameBody,
)
from service.schemas import BankBody
from service.views import CLIP_WORKER, CLIPS, EXPLORATIONS, timestamp


def exploration_views(backend: Backend, jobs: Sequence[Job]) -> list[ExplorationBody]:
    """Bodies of jobs with their progress; blocking."""
    waits = any(not job.terminal for job in jobs)
    missing = [f"{CLIP_WORKER} worker"] if waits and not alive(backend.redis, CLIP_WORKER) else []
    return [exploration_body(job, backend.jobs.exploring(job.id), missing) for job in jobs]


def exploration_body(job: Job, progress: ExploreProgress, missing: Sequence[str]) -> ExplorationBody:
    done, address = job.state is JobState.DONE, f"{EXPLORATIONS}/{job.id}"
    return ExplorationBody(
        id=job.id,
        clip=job.explored.clip,
        state=job.state,
        created_at=timestamp(job.created_at),
        started_at=timestamp(job.started_at) if job.started_at else None,
        finished_at=timestamp(job.finished_at) if job.finished_at else None,
        options=_options(job),
        progress=_progress(progress, job.terminal),
        waiting_for=[] if job.terminal else list(missing),
        problem=job.problem,
        result=_result(job, address) if done else None,
        links=ExploreLinksBody(
            self=address,
            clip=f"{CLIPS}/{job.explored.clip}",
            events=f"{address}/events",
            sheet=f"{address}/sheet.png" if done else None,
            spread=f"{address}/spread.png" if done else None,
        ),
    )


def _options(job: Job) -> ExploreOptionsBody:
    wanted = job.explored
    return ExploreOptionsBody(
        frame=wanted.frame,
        box=list(wanted.box),
        count=wanted.count,
        model=wanted.model,
        seed=wanted.seed,
        steps=wanted.steps,
    )


def _progress(progress: ExploreProgress, ended: bool) -> ExploreProgressBody:
    eta_s = None if ended else progress.eta_s
    return ExploreProgressBody(
        candidate=progress.candidate,
        count=progress.count,
        run=progress.run,
        runs=progress.runs,
        step=progress.step,
        steps=progress.steps,
        best_error=progress.best_error,
        share=round(progress.share, 4),
        eta_s=None if eta_s is None else round(eta_s, 1),
    )


def _result(job: Job, address: str) -> ExploreResultBody | None:
    result = job.result
    if result is None:
        return None
    return ExploreResultBody(
        statement=result["statement"],
        frame=FrameBody(number=result["frame"], pts=result["pts"], time_s=result["time_s"]),
        region=result["region"],
        bank=BankBody.model_validate(result["bank"]),
        seed=result["seed"],
        eps=result["eps"],
        candidates=[
            CandidateBody.model_validate({**candidate, "url": f"{address}/candidates/{candidate['number']}.png"})
            for candidate in result["candidates"]
        ],
        explaining=result["explaining"],
        not_finite=result["not_finite"],
        distances=result["distances"],
        spread=f"{address}/spread.png",
        sheet=f"{address}/sheet.png",
    )
