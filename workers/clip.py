"""The clip worker's RQ functions: plan a clip, enhance a segment, finish the clip, preview it.

Each may run again after a crash, on another machine: what is done already is found on disk and not done again.
The arguments are ids only; everything else comes from the job's record, its files and the environment.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

import structlog

from media.facts_json import from_json
from media.plan import plan_segments
from media.types import MediaError
from pipeline.frames import SegmentGone
from pipeline.job import Job, JobState, Problem, TransitionError
from pipeline.jobs import UnknownJob
from pipeline.rqjobs import HandBack, stop_flag
from workers.finishing import finish_clip
from workers.preview import make_preview
from workers.room import Room, open_room, output_of
from workers.segment import enhance_segment
from workers.spans import write_spans
from workers.stretch import Stopped

log = structlog.get_logger(__name__)

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def plan(job_id: str) -> None:
    """Cut the clip into segments on key frames and queue the first of them."""
    _run(job_id, "plan", JobState.PLANNING, _plan)


def segment(job_id: str, number: int) -> None:
    """Enhance one segment into a file of its own, which appears whole or not at all."""
    _run(job_id, "segment", JobState.RUNNING, lambda room, job: enhance_segment(room, job, number))


def finish(job_id: str) -> None:
    """Join the segments and the source's other streams, write the report, and give the job its result."""
    _run(job_id, "finish", JobState.FINISHING, finish_clip)


def preview(job_id: str) -> None:
    """A dry run: enhance three sample frames and estimate the time of the whole clip."""
    _run(job_id, "preview", JobState.PLANNING, make_preview)


def _plan(room: Room, job: Job) -> None:
    clip = from_json(job.clip)
    output_of(job, clip)  # fails now rather than in every segment
    room.files.create(job.id)
    cut = plan_segments(room.files.source(job.id), clip, room.settings.segment_s)
    write_spans(room.files.plan(job.id), cut.spans)
    room.jobs.transition(job.id, JobState.RUNNING, segments=len(cut.spans), frames_total=cut.frames)
    # Only the first few: each segment queues a later one, so that clips take turns however long they are.
    room.clips.enqueue_segments(job.id, range(min(len(cut.spans), room.settings.segments_ahead)))
    log.info("clip planned", job=job.id, stage="plan", segments=len(cut.spans), frames=cut.frames)


def _run(job_id: str, stage: str, state: JobState, step: Callable[[Room, Job], None]) -> None:
    """Run a step of a job. What cannot succeed however often it is tried fails the job; the rest is RQ's to retry.

    StaleAttempt too is passed on: RQ then leaves the step to the attempt that has it.
    """
    with open_room() as room:
        try:
            started = {} if room.jobs.get(job_id).started_at else {"started_at": time.time()}
            step(room, room.jobs.transition(job_id, state, **started))
        except Stopped:
            if stop_flag()() and not room.is_over(job_id):
                raise HandBack from None  # this worker is leaving; another one takes the step up
            log.info("step dropped", job=job_id, stage=stage, reason="the job is over")
        except (TransitionError, UnknownJob):
            log.info("step dropped", job=job_id, stage=stage, reason="the job is over")
        except SegmentGone:
            if not room.is_over(job_id):
                raise  # the frame store lost its pixels: tried again
            log.info("step dropped", job=job_id, stage=stage, reason="the job is over and its pixels are gone")
        except MediaError as error:
            _fail(room, job_id, stage, Problem(code=error.code, detail=str(error)))
        except OSError as error:
            if room.is_over(job_id):
                log.info("step dropped", job=job_id, stage=stage, reason="the job is over and its files are gone")
            elif error.errno in DISK_FULL:
                detail = "the data disk is full; free space there and send the clip again"
                _fail(room, job_id, stage, Problem(code="disk-full", detail=detail))
            else:
                raise
        finally:
            room.metrics.flush()


def _fail(room: Room, job_id: str, stage: str, problem: Problem) -> None:
    log.warning("job failed", job=job_id, stage=stage, code=problem.code, detail=problem.detail)
    try:
        room.jobs.transition(job_id, JobState.FAILED, finished_at=time.time(), problem=problem)
    except (TransitionError, UnknownJob):
        return
    room.metrics.inc("gleaner_jobs_total", state="failed")
    room.clips.cancel(job_id)
    room.files.clear_segments(job_id)
