"""Jobs as clients see them: record, progress and workers put into a body. Pure but for `clip_views`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from media.facts_json import from_json
from media.output import decide, output_size
from media.types import ClipFacts, OutputSettings
from pipeline.heartbeat import alive
from pipeline.job import ClipOptions, Job, JobState
from pipeline.progress import Progress
from service.backend import Backend
from service.names import result_name
from service.schemas import (
    CameraStretchBody,
    ClipBody,
    ClipFactsBody,
    DamageBody,
    DegradationBody,
    GapBody,
    LinksBody,
    OptionsBody,
    OutputBody,
    ResultBody,
    SegmentsBody,
    SourceBody,
)

CLIPS = "/v1/clips"
EXPLORATIONS = "/v1/explorations"
CLIP_WORKER, ENHANCE_WORKER = "clip", "enhance"


def clip_views(backend: Backend, jobs: Sequence[Job]) -> list[ClipBody]:
    """Bodies of jobs with their progress; blocking."""
    missing = missing_workers(backend) if any(not job.terminal for job in jobs) else []
    return [clip_body(job, backend.jobs.progress(job.id), backend.jobs.speed(job), missing) for job in jobs]


def missing_workers(backend: Backend) -> list[str]:
    """Kinds of worker of which none is alive: "clip worker", "enhance worker"; blocking."""
    return [f"{kind} worker" for kind in (CLIP_WORKER, ENHANCE_WORKER) if not alive(backend.redis, kind)]


def clip_body(job: Job, progress: Progress, fps: float | None, missing: Sequence[str]) -> ClipBody:
    done = job.state is JobState.DONE
    return ClipBody(
        id=job.id,
        state=job.state,
        created_at=timestamp(job.created_at),
        started_at=timestamp(job.started_at) if job.started_at else None,
        finished_at=timestamp(job.finished_at) if job.finished_at else None,
        options=options_body(job),
        source=source_body(job),
        camera=camera_body(job),
        clip=ClipFactsBody.model_validate(job.clip),
        output=output_body(output_of(job.options, job.scale, from_json(job.clip))),
        estimate=degradation_body(job),
        outside_envelope=list(job.outside_envelope),
        choice=job.choice,
        frames_done=progress.frames_done,
        frames_total=job.frames_total,
        frames_resized=progress.frames_resized,
        fps=_rounded(fps, 2),
        eta_s=None if job.terminal else _rounded(progress.eta_s(job.frames_total, fps), 1),
        reuse_share=_rounded(progress.tiles_reused / progress.tiles_total, 4) if progress.tiles_total else None,
        damaged=DamageBody(packets=progress.damaged_packets, frames=progress.damaged_frames),
        segments=SegmentsBody(done=progress.segments_finished, total=job.segments),
        waiting_for=[] if job.terminal else list(missing),
        problem=job.problem,
        result=result_body(job) if done else None,
        links=LinksBody(
            self=f"{CLIPS}/{job.id}",
            events=f"{CLIPS}/{job.id}/events",
            result=f"{CLIPS}/{job.id}/result" if done else None,
            report=f"{CLIPS}/{job.id}/report" if done else None,
        ),
    )


def options_body(job: Job) -> OptionsBody:
    return OptionsBody.model_validate({**job.options.model_dump(), "scale": job.scale})


def degradation_body(job: Job) -> DegradationBody | None:
    return None if job.estimate is None else DegradationBody.model_validate(job.estimate)


def source_body(job: Job) -> SourceBody:
    return SourceBody(name=job.source_name, bytes=job.source_bytes, sha256=job.source_sha256)


def camera_body(job: Job) -> CameraStretchBody | None:
    cut = job.camera
    if cut is None:
        return None
    moments = {field: timestamp(getattr(cut, field)) for field in ("asked_start", "asked_end", "start", "end")}
    gaps = [GapBody(start=timestamp(start), end=timestamp(end)) for start, end in cut.gaps]
    return CameraStretchBody(stream=cut.stream, name=cut.name, gaps=gaps, **moments)


def result_body(job: Job) -> ResultBody | None:
    result: dict[str, Any] = job.result or {}
    if not {"file", "bytes", "sha256"} <= set(result):
        return None
    return ResultBody(
        bytes=result["bytes"],
        sha256=result["sha256"],
        name=result_name(job.source_name, PurePosixPath(result["file"]).suffix),
    )


def output_of(options: ClipOptions, scale: int, clip: ClipFacts) -> OutputSettings:
    """How the clip will be written. Raises MediaError("unsupported-output")."""
    width, height = output_size(clip, scale, options.target_height)
    return decide(clip, width, height, options.codec.value, options.quality.value)


def output_body(output: OutputSettings) -> OutputBody:
    return OutputBody(
        width=output.width,
        height=output.height,
        codec=output.codec,
        container=output.container,
        quality=output.quality,
        pix_fmt=output.pix_fmt,
        notes=list(output.notes),
    )


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
