"""Finishing a clip: its segments joined, the report written, the result announced."""

from __future__ import annotations

import time

import structlog

from media.estimate import degradation
from media.facts_json import from_json
from media.remux import join
from pipeline.job import Job, JobState
from workers.digest import sha256_of
from workers.report import Subject, summarise, write_report
from workers.room import Room, output_of
from workers.spans import read_spans

log = structlog.get_logger(__name__)


def finish_clip(room: Room, job: Job) -> None:
    """Make result and report of the segments on disk; where one is missing, go back to planning."""
    clip = from_json(job.clip)
    output = output_of(job, clip)
    spans = read_spans(room.files.plan(job.id))
    segments = [room.files.segment(job.id, span.index, output.suffix) for span in spans]
    logs = [room.files.segment_log(job.id, span.index) for span in spans]
    missing = [path.name for path in (*segments, *logs) if not path.exists()]
    if missing:
        log.warning("segments missing, planned again", job=job.id, stage="finish", missing=missing[:5])
        room.jobs.transition(job.id, JobState.PLANNING)
        room.clips.enqueue_plan(job.id)
        return
    model = room.model(job)  # before anything is made: frames of a model that is gone are not all its own
    result = room.files.result(job.id, output.suffix)
    joined = join(segments, room.files.source(job.id), clip, output, result, keep_audio=job.options.keep_audio)
    subject = Subject(
        job=job.id,
        source_name=job.source_name,
        source_sha256=job.source_sha256,
        source_bytes=job.source_bytes,
        clip=clip,
        model=model,
        scale=job.scale,
        output=output,
        requested=job.options.model_dump(mode="json"),
        estimate=None if job.estimate is None else degradation.from_json(job.estimate),
        choice=job.choice,
        camera=job.camera,
    )
    sha256, size = sha256_of(result), result.stat().st_size
    summary = summarise(subject, logs, joined, sha256, size)
    write_report(room.files.report(job.id), summary, logs)
    outcome = {"file": result.name, "bytes": size, "sha256": sha256, "frames": summary["frames"]}
    room.jobs.transition(job.id, JobState.DONE, finished_at=time.time(), result=outcome)
    room.metrics.inc("gleaner_jobs_total", state="done")
    room.files.clear_segments(job.id)
    room.clips.cancel(job.id)  # nothing of it waits; this forgets the names of its steps
    log.info("clip done", job=job.id, stage="finish", frames=joined.frames, bytes=size)
