"""The clip worker's RQ functions: plan a clip, enhance a segment, finish the clip, preview it.

Each may run again after a crash, on another machine: what is done already is found on disk and not done again.
The arguments are ids only; everything else comes from the job's record, its files and the environment.
"""

from __future__ import annotations

import structlog

from media.estimate.clip import estimate_clip
from media.facts_json import from_json
from media.plan import plan_segments
from models.envelope import outside_envelope
from pipeline.job import Job, JobState
from workers.choosing import with_model
from workers.finishing import finish_clip
from workers.preview import make_preview
from workers.room import Room, output_of
from workers.segment import enhance_segment
from workers.spans import write_spans
from workers.step import run_step

log = structlog.get_logger(__name__)


def plan(job_id: str) -> None:
    """Cut the clip into segments on key frames, estimate how degraded it is, and queue the first segments."""
    run_step(job_id, "plan", JobState.PLANNING, _plan)


def segment(job_id: str, number: int) -> None:
    """Enhance one segment into a file of its own, which appears whole or not at all."""
    run_step(job_id, "segment", JobState.RUNNING, lambda room, job: enhance_segment(room, job, number))


def finish(job_id: str) -> None:
    """Join the segments and the source's other streams, write the report, and give the job its result."""
    run_step(job_id, "finish", JobState.FINISHING, finish_clip)


def preview(job_id: str) -> None:
    """A dry run: enhance three sample frames and estimate the time of the whole clip."""
    run_step(job_id, "preview", JobState.PLANNING, make_preview)


def _plan(room: Room, job: Job) -> None:
    clip = from_json(job.clip)
    output_of(job, clip)  # fails now rather than in every segment
    room.files.create(job.id)
    found = estimate_clip(room.files.source(job.id), clip)
    job = with_model(room, job, found)
    model = room.model(job)
    cut = plan_segments(room.files.source(job.id), clip, room.settings.segment_s)
    write_spans(room.files.plan(job.id), cut.spans)
    outside = outside_envelope(model.name, model.limits, found)
    room.jobs.transition(
        job.id,
        JobState.RUNNING,
        segments=len(cut.spans),
        frames_total=cut.frames,
        estimate=None if found is None else found.to_json(),
        outside_envelope=outside,
        choice=job.choice,
        weights_sha256=job.weights_sha256,
    )
    # Only the first few: each segment queues a later one, so that clips take turns however long they are.
    room.clips.enqueue_segments(job.id, range(min(len(cut.spans), room.settings.segments_ahead)))
    log.info(
        "clip planned",
        job=job.id,
        stage="plan",
        segments=len(cut.spans),
        frames=cut.frames,
        model=model.name,
        outside=outside,
    )
