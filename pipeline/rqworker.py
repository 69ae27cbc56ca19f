"""The RQ worker that runs clip jobs: forks for each, gives none up. Knows nothing of clips.

Differences from rq.Worker (3.0.0), each because a clip must survive `kill -9` of anything:
- a job whose worker and horse (the forked child) died is queued again after ABANDONED_S; rq adds a constant 60 s;
- a horse dies with its worker, so that no orphan works beside its replacement;
- clean-up also runs at start and while a job runs; a worker that dies cleaning blocks others for 10 s, not 15 min;
- SIGTERM asks the running job to stop (see rqjobs.stop_flag); after `grace_s`, or on a second signal, its horse is
  killed. Either way the job is back at the front of the queue and has lost no retry;
- a function that raises StaleAttempt leaves the job to the worker that took it over while this one hung;
- it takes no commands over pub/sub.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any

from redis import Redis
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import clean_registries
from rq.worker.base import WorkerStatus
from rq.worker_registration import clean_worker_registry

from pipeline.jobs import StaleAttempt
from pipeline.rqjobs import FUNCTIONS, HandBack, SafeJob, safe_job

QUEUE = "gleaner-clips"
ABANDONED_S = 10  # a running job not heard of for this long is queued again
MONITOR_S = 2  # how often a running job is heard of
MAINTENANCE_S = 2  # least time between two clean-ups by one worker
WORKER_TTL_S = 18  # rq blocks on an empty queue for this less 15 s
GRACE_S = 8.0  # less than the 10 s after which `docker stop` kills
_CLEANING_S = 10  # a clean-up lock is held no longer
_PR_SET_PDEATHSIG = 1


def make_worker(
    redis: Redis,
    name: str,
    *,
    functions: Collection[str] = FUNCTIONS,
    grace_s: float = GRACE_S,
    on_maintenance: Callable[[], None] | None = None,
    queue: str = QUEUE,
    kind: type[ClipWorker] | None = None,
) -> ClipWorker:
    """A worker of the clip queue, or of another with a kind of its own; `.work()` runs it until SIGTERM or SIGINT.

    Its name gets a random end, because rq refuses a name that a killed worker had. `on_maintenance` is called every few
    seconds, also while a job runs; what it raises is logged.
    """
    job_class = safe_job(functions)
    worker = (kind or ClipWorker)(
        [Queue(queue, connection=redis, job_class=job_class, serializer="json")],
        name=f"{name}-{secrets.token_hex(4)}",
        connection=redis,
        job_class=job_class,
        serializer="json",
        worker_ttl=WORKER_TTL_S,
        maintenance_interval=MAINTENANCE_S,
        job_monitoring_interval=MONITOR_S,
        default_result_ttl=0,
    )
    worker.grace_s, worker.on_maintenance = grace_s, on_maintenance
    return worker


class ClipWorker(Worker):
    """Made by make_worker."""

    grace_s = GRACE_S
    on_maintenance: Callable[[], None] | None = None
    _draining = False  # in the horse: the job function is to stop
    _handed_back = False  # in the horse: it did
    _taken_over = False  # in the horse: another worker runs the job by now
    _kill_at: float | None = None  # in the worker: monotonic time at which a horse that did not stop is killed

    # The horse

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        _die_with_parent(self.pid or 0)
        super().main_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the worker, which tells us
        signal.signal(signal.SIGTERM, self._drain)
        self._draining = self._stop_requested  # the signal came while we were forked

    def _drain(self, signum: int, frame: FrameType | None) -> None:
        self._draining = True

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        if isinstance(job, SafeJob):
            job.stop_asked = lambda: self._draining
        return super().perform_job(job, queue, execution)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        if isinstance(exc_info[1], HandBack):
            self._handed_back = True
            self.log.info("Worker %s: job %s handed back", self.name, job.id)
            return
        if isinstance(exc_info[1], StaleAttempt):
            self._taken_over = True
            self.log.warning("Worker %s: job %s was taken over by another worker", self.name, job.id)
            return
        super().handle_exception(job, *exc_info)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: Any = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        if self._taken_over:
            self._leave(job, execution)
            return
        if self._handed_back or (self._stop_requested and not self.is_horse):  # not its fault: give the retry back
            job.retries_left = (job.retries_left or 0) + 1
            job.retry_intervals = None
            job.enqueue_at_front_on_retry = True
        super().handle_job_failure(job, queue, started_job_registry, exc_string, execution)

    def _leave(self, job: Job, execution: Execution | None) -> None:
        """Ends our execution and leaves the job's record, which is another's by now, as it is."""
        with self.connection.pipeline() as pipe:
            self.cleanup_execution(job, pipeline=pipe, execution=execution)
            pipe.execute()
        if not self.connection.hexists(
            job.key, "data"
        ):  # it has ended, and our last heartbeat made a bare record of it
            self.connection.delete(job.key)

    # The worker

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        super().fork_work_horse(job, queue)
        if self._stop_requested:  # the signal came while we forked
            self.handle_warm_shutdown_request()

    def handle_warm_shutdown_request(self) -> None:
        if self.horse_pid and not self.is_horse:
            self._kill_at = self._kill_at or time.monotonic() + self.grace_s
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)

    def _shutdown(self) -> None:
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        self._stop_requested = True  # rq also writes to Redis here, which in a signal handler may take a minute

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Second signal: rq would leave at once and leave the job behind; here the monitor sees to it.

        One within a second of the first is its twin: Ctrl-C reaches this process and whoever then sends SIGTERM.
        """
        asked = self._shutdown_requested_date
        if self.horse_pid and asked and (_now() - asked).total_seconds() > 1:
            self.kill_horse()

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.horse_pid) == self.horse_pid:
                os.killpg(self.horse_pid, sig)  # with the processes it started
            else:
                os.kill(self.horse_pid, sig)  # only just forked, and still in our own group

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self.log.warning("Worker %s: job %s did not stop within %s s; killed", self.name, job.id, self.grace_s)
            self.kill_horse()
        super().maintain_heartbeats(job, execution)
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return ABANDONED_S

    def run_maintenance_tasks(self) -> None:
        self.clean_registries()
        if self.on_maintenance is not None:
            try:
                self.on_maintenance()
            except Exception:
                self.log.exception("Worker %s: maintenance failed", self.name)

    def clean_registries(self) -> None:
        for queue in self.queues:
            lock = f"gleaner:rq:cleaning:{queue.name}"
            if not self.connection.set(lock, self.name, nx=True, ex=_CLEANING_S):
                continue
            if _uptime_s(self.connection) > ABANDONED_S:  # after a restart of Redis all heartbeats are late
                clean_registries(queue, self._exc_handlers)
            clean_worker_registry(queue)
            _return_stuck(queue)
            self.connection.delete(lock)
        self.last_cleaned_at = _now()

    def subscribe(self) -> None:
        """rq would start a thread that lets anyone who can publish to Redis stop workers and jobs."""

    def unsubscribe(self) -> None:
        pass


def _now() -> Any:
    from rq.utils import now

    return now()


def _uptime_s(redis: Redis) -> int:
    return int(redis.info("server")["uptime_in_seconds"])


def _return_stuck(queue: Queue) -> None:
    """Queues again what a worker took from the queue but died before it began.

    Such a job lies in rq's intermediate list and in no registry. rq's own version waits a minute and counts a failure.
    """
    stuck = queue.intermediate_queue
    for job_id in stuck.get_job_ids():
        job = queue.fetch_job(job_id)
        if (
            job is None
            or job.get_status(refresh=False) != JobStatus.QUEUED
            or queue.get_job_position(job_id) is not None
        ):
            stuck.remove(job_id)  # it has gone on its way already
        elif job_id in queue.started_job_registry or stuck.set_first_seen(job_id):
            continue  # a worker is just about to begin
        elif (seen := stuck.get_first_seen(job_id)) and (_now() - seen).total_seconds() > ABANDONED_S:
            with queue.connection.pipeline() as pipe:
                pipe.lrem(stuck.key, 1, job_id)
                pipe.delete(stuck.get_first_seen_key(job_id))
                queue.push_job_id(job_id, pipeline=pipe, at_front=True)
                pipe.execute()


def _die_with_parent(parent: int) -> None:
    """Asks Linux to kill this process when its parent ends, however it ends. Elsewhere it does nothing."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it ended before we could ask
        os._exit(1)
