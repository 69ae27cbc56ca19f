"""What may run as an RQ job, and how a running one is asked to stop. Knows neither queue contents nor workers' work.

RQ calls whatever dotted name a job in Redis holds: whoever can write to Redis could run `os.system`, also with the JSON
serializer. SafeJob calls nothing that is not on its list, and no callbacks and webhooks at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from typing import Any, ClassVar

from rq import get_current_job
from rq.exceptions import NoSuchJobError
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job

PLAN = "workers.clip.plan"
SEGMENT = "workers.clip.segment"
FINISH = "workers.clip.finish"
PREVIEW = "workers.clip.preview"
EXPLORE = "workers.explore.run"
FUNCTIONS = frozenset({PLAN, SEGMENT, FINISH, PREVIEW, EXPLORE})
CAMERA = "workers.camera.run"
CAMERA_FUNCTIONS = frozenset({CAMERA})


class ForbiddenFunction(Exception):
    """A job in Redis names something that is not one of our job functions."""


class HandBack(Exception):
    """Raised by a job function that was asked to stop: the job goes back to the front of the queue, as if not begun.

    It is no failure and uses up no retry.
    """


def stop_flag() -> Callable[[], bool]:
    """For job functions: what it returns tells whether the worker is to stop, and may be called from any thread.

    To be asked often (each frame); answer True with HandBack, soon. Outside of a job it is always False.
    """
    job = get_current_job()
    return job.stop_asked if isinstance(job, SafeJob) else _never


def _never() -> bool:
    return False


class SafeJob(Job):
    """A job whose function must be on a list; everything else in it that RQ might act upon is left out."""

    functions: ClassVar[frozenset[str]] = FUNCTIONS
    stop_asked: Callable[[], bool] = staticmethod(_never)  # set by the worker before the function is called

    @property
    def func(self) -> Any:
        name = self.func_name
        if self.instance is not None or name not in self.functions:
            raise ForbiddenFunction(f"job {self.id} asks for {name!r:.80}, which is none of our job functions; not run")
        return super().func

    @property
    def execution_registry(self) -> ExecutionRegistry:
        return _Executions(self.id, connection=self.connection)

    def restore(self, raw_data: Any) -> Any:
        try:
            super().restore(raw_data)
        except NoSuchJobError:
            raise
        except Exception as error:  # a record nobody can read would otherwise end each worker that takes it
            raise NoSuchJobError(f"job {self.id} cannot be read: {type(error).__name__}") from error
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self.webhooks = []
        self.repeats_left = None
        self.rate_limit_key = self.rate_limit_concurrency = None


class _Executions(ExecutionRegistry):
    """rq keeps the id of a dead execution a minute longer than the execution, and fails on it when the job ends."""

    def get_executions(self, start: int = 0, end: int = -1) -> list[Execution]:
        found = []
        for id in self.get_execution_ids(start, end):
            with contextlib.suppress(ValueError):
                found.append(Execution.fetch(id, self.job_id, connection=self.connection))
        return found


def safe_job(functions: Collection[str] = FUNCTIONS) -> type[SafeJob]:
    """SafeJob for another list of functions (dotted names)."""
    return type("SafeJob", (SafeJob,), {"functions": frozenset(functions), "__module__": __name__})
