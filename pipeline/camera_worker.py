"""The RQ worker that runs cameras: one stream at a time, for as long as it is wanted. Knows nothing of streams.

Differences from the clip worker:
- a job that ends within QUICK_S is followed by a pause, so one that crashes at once does not keep a core busy;
- of an error that a job raises, its place is logged and nothing more, and Redis gets neither: FFmpeg's messages hold
  URLs with their passwords.
"""

from __future__ import annotations

import time
from typing import Any

from rq import Queue
from rq.executions import Execution
from rq.job import Job

from pipeline.jobs import StaleAttempt
from pipeline.rqjobs import HandBack
from pipeline.rqworker import ClipWorker
from pipeline.traces import trace

QUICK_S = 5.0
PAUSE_S = 1.0


class CameraWorker(ClipWorker):
    """Made by pipeline.camera_queue.make_worker."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        began = time.monotonic()
        super().execute_job(job, queue)
        if time.monotonic() - began < QUICK_S and not self._stop_requested:
            time.sleep(PAUSE_S)  # a signal ends it: the worker is idle by now, see ClipWorker._shutdown

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        if isinstance(exc_info[1], HandBack | StaleAttempt):
            super().handle_exception(job, *exc_info)
        else:
            self.log.error("Worker %s: job %s failed: %s", self.name, job.id, trace(exc_info[1]))

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: Any = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        super().handle_job_failure(job, queue, started_job_registry, "the worker's log says where", execution)
