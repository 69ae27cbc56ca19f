"""The queue of clip jobs: which steps of which job are to run. RQ does the rest; nothing here runs a step.

Steps of a job have fixed names, so to queue one again while it is waiting or running changes nothing.
Keys: rq's own ("rq:..."), and gleaner:rq:{job} with the names of the job's steps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import WatchError
from rq import Queue, Retry
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import JobStatus

from pipeline.files import check_id
from pipeline.job import Job, JobKind
from pipeline.rqjobs import EXPLORE, FINISH, FUNCTIONS, PLAN, PREVIEW, SEGMENT, safe_job
from pipeline.rqworker import QUEUE, make_worker

__all__ = ["FAILED", "FUNCTIONS", "QUEUE", "ClipQueue", "make_worker"]

RETRIES = 5  # a step that crashes its process more often is given up; a worker's orderly stop does not count
FAILURE_TTL_S = 3600  # how long rq keeps a step given up; recovery fails the job long before
_HOUR = 3600

FAILED = frozenset({JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED})
_UNDERWAY = frozenset(
    {JobStatus.QUEUED, JobStatus.STARTED, JobStatus.DEFERRED, JobStatus.SCHEDULED, JobStatus.READY_TO_ENQUEUE}
)


@dataclass(frozen=True, slots=True)
class _Step:
    id: str
    function: str
    args: tuple[Any, ...]
    timeout_s: int  # a step stuck in Python this long is stopped and tried again


class ClipQueue:
    """Used by the API (plan, preview, exploration, cancel), by clip workers (segments, finish) and by recovery."""

    def __init__(self, redis: Redis, functions: Collection[str] = FUNCTIONS) -> None:
        self._redis: Any = redis
        self._queue = Queue(QUEUE, connection=redis, job_class=safe_job(functions), serializer="json")

    def enqueue_first(self, job: Job) -> None:
        """Queues the step that a job of this kind begins with."""
        first = {JobKind.PREVIEW: self.enqueue_preview, JobKind.EXPLORE: self.enqueue_exploration}
        first.get(job.kind, self.enqueue_plan)(job.id)

    def enqueue_plan(self, job_id: str) -> None:
        self._enqueue(job_id, [_Step(f"{job_id}-plan", PLAN, (job_id,), _HOUR)])

    def enqueue_preview(self, job_id: str) -> None:
        self._enqueue(job_id, [_Step(f"{job_id}-preview", PREVIEW, (job_id,), _HOUR)])

    def enqueue_exploration(self, job_id: str) -> None:
        self._enqueue(job_id, [_Step(f"{job_id}-explore", EXPLORE, (job_id,), 24 * _HOUR)])

    def enqueue_segments(self, job_id: str, numbers: Iterable[int]) -> None:
        self._enqueue(job_id, [_Step(segment_id(job_id, n), SEGMENT, (job_id, n), 6 * _HOUR) for n in numbers])

    def enqueue_finish(self, job_id: str) -> None:
        """Queues the finish: by whoever sees that all segments are done."""
        self._enqueue(job_id, [_Step(f"{job_id}-finish", FINISH, (job_id,), 6 * _HOUR)])

    def cancel(self, job_id: str) -> None:
        """Takes the job's waiting and failed steps away. A running one sees for itself that its job has ended."""
        for step_id, status in self.states(job_id).items():
            if status != JobStatus.STARTED:
                try:
                    self._queue.job_class.fetch(step_id, connection=self._redis, serializer="json").delete()
                except (NoSuchJobError, InvalidJobOperation):
                    continue  # it went meanwhile
        self._redis.delete(_steps_key(job_id))

    def states(self, job_id: str) -> dict[str, str]:
        """rq's status of each step there is. Steps that succeeded are gone: no steps at all means all is done."""
        ids = sorted(id.decode() for id in self._redis.smembers(_steps_key(job_id)))
        with self._redis.pipeline(transaction=False) as pipe:
            for id in ids:
                pipe.hget(self._key(id), "status")
            found = dict(zip(ids, pipe.execute(), strict=True))
        if gone := [id for id, raw in found.items() if raw is None]:
            self._redis.srem(_steps_key(job_id), *gone)  # or the names of a long clip's segments pile up
        return {id: raw.decode() for id, raw in found.items() if raw is not None}

    def waiting(self) -> int:
        """Steps ready to run that no worker has taken."""
        return self._queue.count

    def _enqueue(self, job_id: str, steps: Sequence[_Step]) -> None:
        with self._redis.pipeline(transaction=True) as pipe:
            while True:
                try:
                    pipe.watch(*[self._key(step.id) for step in steps])
                    due = [step for step in steps if not self._underway(pipe, step.id)]
                    if due:
                        self._write(pipe, job_id, due)
                        pipe.execute()
                    pipe.reset()
                    return
                except WatchError:
                    continue

    def _write(self, pipe: Any, job_id: str, steps: Sequence[_Step]) -> None:
        for step in steps:
            self._queue.enqueue_call(
                step.function,
                args=step.args,
                timeout=step.timeout_s,
                result_ttl=0,
                failure_ttl=FAILURE_TTL_S,
                job_id=step.id,
                retry=Retry(max=RETRIES, enqueue_at_front=True),  # at once: an interval would need rq's scheduler
                pipeline=pipe,
            )
            pipe.zrem(self._queue.failed_job_registry.key, step.id)
            pipe.sadd(_steps_key(job_id), step.id)

    def _underway(self, pipe: Any, step_id: str) -> bool:
        status = pipe.hget(self._key(step_id), "status")
        return status is not None and status.decode() in _UNDERWAY

    def _key(self, step_id: str) -> Any:
        return self._queue.job_class.key_for(step_id)


def segment_id(job_id: str, segment: int) -> str:
    return f"{job_id}-seg-{segment:05d}"


def _steps_key(job_id: str) -> str:
    return f"gleaner:rq:{check_id(job_id)}"
