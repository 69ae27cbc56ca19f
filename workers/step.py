"""One step of a job as RQ calls it: the room opened, the state taken, and every way it may end. Knows no work."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

import structlog

from media.types import MediaError
from pipeline.frames import SegmentGone
from pipeline.job import Job, JobState, Problem, TransitionError
from pipeline.jobs import UnknownJob
from pipeline.rqjobs import HandBack, stop_flag
from workers.room import ModelGone, Room, open_room
from workers.stretch import Stopped

log = structlog.get_logger(__name__)

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StepFailed(Exception):
    """A step cannot succeed however often it is tried. The message is for clients."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def run_step(job_id: str, stage: str, state: JobState, step: Callable[[Room, Job], None]) -> None:
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
        except (MediaError, ModelGone, StepFailed) as error:
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
