"""Puts right what crashes left behind: lost steps, steps given up, lost cameras, pixels and files nobody needs.

`decide` is pure; `reconcile` looks, decides and acts, and may run as often as anybody likes, in any process.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import WatchError

from pipeline.camera_queue import CameraQueue
from pipeline.files import STALE_UPLOAD_S, JobFiles
from pipeline.frames import FrameStore
from pipeline.job import Job, JobState, Problem, TransitionError
from pipeline.jobs import JobStore, UnknownJob
from pipeline.queue import FrameQueue
from pipeline.rqueue import FAILED, ClipQueue
from pipeline.stream_files import StreamFiles
from pipeline.streams import StreamStore

SETTLING_S = 10.0  # a job younger than this is left alone: whoever made it is about to queue its first step
_LOCK, _LOCK_S = "gleaner:recovery", 60


class Do(StrEnum):
    FAIL = "fail"  # a step was given up
    START = "start"  # no step is left of a job that has not ended: begin again from its plan
    SWEEP = "sweep"  # drop pixels and frames in flight of a job that has ended
    DELETE = "delete"  # its retention is over, or its files have no record
    CAMERA = "camera"  # a stream is wanted, and its job neither waits nor runs
    CLEAR = "clear"  # files of a deleted stream


@dataclass(frozen=True, slots=True)
class Action:
    do: Do
    job_id: str  # or a stream's id
    detail: str = ""


def decide(
    active: Iterable[Job],
    steps: Mapping[str, Mapping[str, str]],
    stored: Collection[str],
    expired: Iterable[str],
    now: float,
    cameras: Mapping[str, bool] | None = None,
    deleted: Iterable[str] = (),
) -> list[Action]:
    """What is to be done. A clip that is being explored is kept until that has ended, for its source.

    active: jobs that have not ended. steps: rq's status by step, for each of them. stored: ids of jobs with pixels in
    the frame store. expired: ids of jobs whose record or files are to go. now: Unix seconds. cameras: ids of streams
    that are wanted, and whether their job waits or runs. deleted: ids of deleted streams that still have files.
    """
    cameras = cameras or {}
    actions = [Action(Do.CAMERA, stream_id) for stream_id, underway in cameras.items() if not underway]
    alive, explored = set(cameras), set()
    for job in active:
        alive.add(job.id)
        if job.exploration is not None:
            explored.add(job.exploration.clip)
        given_up = sorted(step for step, status in steps.get(job.id, {}).items() if status in FAILED)
        if given_up:
            actions.append(Action(Do.FAIL, job.id, given_up[0].removeprefix(f"{job.id}-")))
        elif not steps.get(job.id) and now - job.created_at > SETTLING_S:
            actions.append(Action(Do.START, job.id))
    actions += [Action(Do.SWEEP, job_id) for job_id in sorted(set(stored) - alive)]
    actions += [Action(Do.DELETE, job_id) for job_id in sorted(set(expired) - alive - explored)]
    actions += [Action(Do.CLEAR, stream_id) for stream_id in deleted]
    return actions


def reconcile(
    redis: Redis,
    jobs: JobStore,
    queue: ClipQueue,
    frames: FrameQueue,
    frame_store: FrameStore,
    files: JobFiles,
    *,
    retention_s: float,
    now: float | None = None,
) -> list[Action]:
    """Does all that is to be done and returns it; nothing where another process is at it."""
    token = secrets.token_hex(8)
    if not redis.set(_LOCK, token, nx=True, ex=_LOCK_S):
        return []
    try:
        moment = time.time() if now is None else now
        files.clean_uploads()
        stored = frame_store.jobs()  # before the jobs: what a job begun since then stores must not look like a leftover
        orphans = _orphans(jobs, files, moment)
        expired = [job.id for job in jobs.ended_before(moment - retention_s)] + orphans
        steps = {job_id: queue.states(job_id) for job_id in jobs.active_ids()}
        active = [job for job_id in steps if (job := _get(jobs, job_id)) is not None and not job.terminal]
        streams, cameras, live = StreamStore(redis), CameraQueue(redis), StreamFiles(files.data_dir)
        wanted = {stream.id: cameras.underway(stream.id) for stream in streams.all() if stream.options.enabled}
        deleted = [stream_id for stream_id in streams.deleted() if live.folder(stream_id).exists()]
        actions = decide(active, steps, stored, expired, moment, wanted, deleted)
        for action in actions:
            structlog.get_logger().info("recovery", do=action.do.value, job=action.job_id, detail=action.detail)
            if action.do is Do.CAMERA:
                cameras.enqueue(action.job_id)
            elif action.do is Do.CLEAR:
                live.remove(action.job_id)
            else:
                _act(action, jobs, queue, frames, frame_store, files)
        return actions
    finally:
        _unlock(redis, token)


def _act(
    action: Action, jobs: JobStore, queue: ClipQueue, frames: FrameQueue, frame_store: FrameStore, files: JobFiles
) -> None:
    job_id = action.job_id
    if action.do is Do.START:
        job = _get(jobs, job_id)
        if job is not None and not job.terminal:
            queue.enqueue_first(job)
        return
    if action.do is Do.FAIL:
        detail = f"the step '{action.detail}' failed repeatedly and was given up; the worker's log says why"
        try:
            jobs.transition(job_id, JobState.FAILED, problem=Problem(code="step-given-up", detail=detail))
        except (TransitionError, UnknownJob):
            return  # it ended meanwhile
        queue.cancel(job_id)
    frames.purge(job_id)
    frame_store.drop_job(job_id)
    if action.do is Do.DELETE:
        for id in (*jobs.exploration_ids(job_id), job_id):
            queue.cancel(id)
            files.remove(id)
            jobs.delete(id)


def _orphans(jobs: JobStore, files: JobFiles, now: float) -> list[str]:
    """Jobs with files but no record, for longer than it takes to write one after the other."""
    return [
        job_id
        for job_id in sorted(files.job_ids())
        if _get(jobs, job_id) is None and now - files.changed_at(job_id) > STALE_UPLOAD_S
    ]


def _get(jobs: JobStore, job_id: str) -> Job | None:
    try:
        return jobs.get(job_id)
    except UnknownJob:
        return None


def _unlock(redis: Redis, token: str) -> None:
    """Gives the lock back, unless it ran out meanwhile and is another's."""
    with redis.pipeline(transaction=True) as pipe:
        connection: Any = pipe
        try:
            connection.watch(_LOCK)
            if connection.get(_LOCK) == token.encode():
                connection.multi()
                connection.delete(_LOCK)
                connection.execute()
        except WatchError:
            pass
