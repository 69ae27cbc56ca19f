"""The queue of cameras: which streams wait for a camera worker. RQ does the rest; nothing here runs a camera.

A stream's job has a fixed name, so to queue one again while it waits or runs changes nothing. It has no end of its own
and is never given up: it ends when its stream is stopped or deleted, which its owner sees for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from redis import Redis
from redis.exceptions import WatchError
from rq import Queue, Retry
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import JobStatus

from pipeline import rqworker
from pipeline.camera_worker import CameraWorker
from pipeline.files import check_id
from pipeline.rqjobs import CAMERA, CAMERA_FUNCTIONS, safe_job
from pipeline.rqworker import GRACE_S, ClipWorker

QUEUE = "gleaner-cameras"
_FOR_EVER = -1  # rq's word for a job without a time limit
_NO_LIMIT = 10**9  # retries: a crash a second for thirty years
_FAILURE_TTL_S = 3600


def make_worker(
    redis: Redis,
    name: str,
    *,
    functions: Collection[str] = CAMERA_FUNCTIONS,
    grace_s: float = GRACE_S,
    on_maintenance: Callable[[], None] | None = None,
) -> ClipWorker:
    """A worker of the camera queue; see pipeline.rqworker.make_worker."""
    options: dict[str, Any] = {"functions": functions, "grace_s": grace_s, "on_maintenance": on_maintenance}
    return rqworker.make_worker(redis, name, queue=QUEUE, kind=CameraWorker, **options)


class CameraQueue:
    """Used by the API (enqueue, remove) and by recovery."""

    def __init__(self, redis: Redis, functions: Collection[str] = CAMERA_FUNCTIONS) -> None:
        self._redis: Any = redis
        self._queue = Queue(QUEUE, connection=redis, job_class=safe_job(functions), serializer="json")

    def enqueue(self, stream_id: str) -> bool:
        """Queues the stream's job unless it waits or runs already; whether it did."""
        job_id = camera_job_id(stream_id)
        key = self._queue.job_class.key_for(job_id)
        with self._redis.pipeline(transaction=True) as pipe:
            while True:
                try:
                    pipe.watch(key, self._queue.key, self._queue.intermediate_queue.key)
                    if self._underway(pipe, job_id):
                        return False
                    self._write(pipe, stream_id, job_id)
                    pipe.execute()
                    return True
                except WatchError:
                    continue

    def underway(self, stream_id: str) -> bool:
        """Whether the stream's job waits or runs."""
        return self._underway(self._redis, camera_job_id(stream_id))

    def remove(self, stream_id: str) -> None:
        """Takes a waiting job away. A running one sees for itself that its stream is not wanted."""
        job_class = self._queue.job_class
        try:
            job = job_class.fetch(camera_job_id(stream_id), connection=self._redis, serializer="json")
            if job.get_status(refresh=False) != JobStatus.STARTED:
                job.delete()
        except (NoSuchJobError, InvalidJobOperation):
            pass  # it was not there, or went meanwhile

    def waiting(self) -> int:
        """Streams that no worker has taken."""
        return self._queue.count

    def _underway(self, client: Any, job_id: str) -> bool:
        """rq's status alone is not enough: a job whose owner was overtaken may say "started" and be nobody's."""
        status = client.hget(self._queue.job_class.key_for(job_id), "status")
        if status == JobStatus.QUEUED.encode():
            lists = (self._queue.key, self._queue.intermediate_queue.key)
            return any(client.lpos(key, job_id) is not None for key in lists)
        if status == JobStatus.STARTED.encode():  # set after its execution is entered, and both go at once
            running = client.zrange(self._queue.started_job_registry.key, 0, -1)
            return any(entry.decode().startswith(f"{job_id}:") for entry in running)
        return False

    def _write(self, pipe: Any, stream_id: str, job_id: str) -> None:
        pipe.multi()
        pipe.delete(self._queue.job_class.key_for(job_id))
        pipe.zrem(self._queue.failed_job_registry.key, job_id)
        self._queue.enqueue_call(
            CAMERA,
            args=(stream_id,),
            timeout=_FOR_EVER,
            result_ttl=0,
            failure_ttl=_FAILURE_TTL_S,
            job_id=job_id,
            retry=Retry(max=_NO_LIMIT),  # at the end: one that always crashes lets others have the worker
            pipeline=pipe,
        )


def camera_job_id(stream_id: str) -> str:
    return f"{check_id(stream_id)}-camera"
