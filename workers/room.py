"""What the clip worker's functions work with: settings, records, queues, files. Opened for one RQ job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis

from media.output import decide, output_size
from media.types import ClipFacts, OutputSettings
from models.catalog import Catalog, UnknownModel
from models.facts import ModelFacts
from pipeline.connection import connect
from pipeline.files import JobFiles
from pipeline.frames import FrameStore, make_frame_store
from pipeline.job import Job
from pipeline.jobs import JobStore, UnknownJob
from pipeline.metrics import Metrics
from pipeline.queue import FrameQueue
from pipeline.rqjobs import stop_flag
from pipeline.rqueue import ClipQueue
from pipeline.settings import Settings, redis_url

ASK_EVERY_S = 0.5


class ModelGone(Exception):
    """A job's model is no longer there, or another has its name. `code` is stable; the message is for clients."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    settings: Settings
    redis: Redis
    catalog: Catalog
    jobs: JobStore
    files: JobFiles
    clips: ClipQueue
    frames: FrameQueue
    store: FrameStore
    metrics: Metrics

    def is_over(self, job_id: str) -> bool:
        """Whether nothing is to be done for a job any more: done, failed, cancelled or deleted."""
        try:
            return self.jobs.get(job_id).terminal
        except UnknownJob:
            return True

    def model(self, job: Job) -> ModelFacts:
        """The job's model, if it is still the one it was accepted with. Raises ModelGone."""
        name = job.model
        try:
            facts = self.catalog.enhancer(name)
        except UnknownModel:
            raise ModelGone(
                "model-removed", f"the model {name} was removed before the clip was done; import it and send it again"
            ) from None
        if job.weights_sha256 not in (None, facts.sha256):
            raise ModelGone(
                "model-changed", f"the model {name} was replaced before the clip was done; send the clip again"
            )
        return facts

    def keep_going(self, job_id: str) -> Callable[[], bool]:
        """A function that says whether the job is still wanted and this worker is staying.

        It asks Redis at most every half second, so it may be called for every frame.
        """
        last, answer = 0.0, True
        leaving = stop_flag()

        def ask() -> bool:
            nonlocal last, answer
            now = time.monotonic()
            if now - last > ASK_EVERY_S:
                last, answer = now, not self.is_over(job_id)
            return answer and not leaving()

        return ask


@contextmanager
def open_room() -> Iterator[Room]:
    """The room of this process, from the environment. Raises RedisNotSetError."""
    settings = Settings()
    redis = connect(redis_url(settings))
    try:
        yield Room(
            settings=settings,
            redis=redis,
            catalog=Catalog(settings.models_dir),
            jobs=JobStore(redis),
            files=JobFiles(settings.data_dir),
            clips=ClipQueue(redis),
            frames=FrameQueue(redis, lease_s=settings.lease_s, max_deliveries=settings.max_deliveries),
            store=make_frame_store(settings.frame_store, settings.frame_store_dir, redis),
            metrics=Metrics(redis),
        )
    finally:
        redis.close()


def output_of(job: Job, clip: ClipFacts) -> OutputSettings:
    """How the job's clip is written. Raises MediaError("unsupported-output")."""
    width, height = output_size(clip, job.scale, job.options.target_height)
    return decide(clip, width, height, job.options.codec.value, job.options.quality.value)
