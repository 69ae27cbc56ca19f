"""What a camera worker's function works with: settings, records, queues, files, secrets. Opened for one RQ job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis

from models.catalog import Catalog, UnknownModel
from models.facts import ModelFacts
from pipeline.addresses import AddressRules
from pipeline.connection import connect
from pipeline.frames import FrameStore, make_frame_store
from pipeline.job import Problem
from pipeline.metrics import Metrics
from pipeline.queue import FrameQueue
from pipeline.secrets import Vault, open_vault
from pipeline.settings import Settings, redis_url
from pipeline.stream import Stream
from pipeline.stream_files import StreamFiles
from pipeline.streams import StreamStore
from workers.rungs import LANCZOS, complete

FRAME_PATIENCE_S = 0.5  # with Redis away: the stream goes on without enhancement rather than waiting


@dataclass(frozen=True, slots=True, eq=False)
class CameraRoom:
    settings: Settings
    redis: Redis  # patient, for records
    frames_redis: Redis  # impatient, for frames
    catalog: Catalog
    streams: StreamStore
    files: StreamFiles
    frames: FrameQueue
    store: FrameStore
    metrics: Metrics
    vault: Vault
    rules: AddressRules

    def models(self, stream: Stream) -> tuple[dict[str, ModelFacts], Problem | None]:
        """The models of the ladder that can be used, best first, and what is wrong with the others.

        One that was removed, or replaced since the stream was accepted, is left out: Lanczos is always there.
        """
        usable: dict[str, ModelFacts] = {}
        problem = None
        for name in complete(stream.options.ladder):
            if name == LANCZOS:
                continue
            try:
                facts = self.catalog.enhancer(name)
            except UnknownModel:
                detail = f"the model {name} was removed; import it, or change the stream's ladder"
                problem = Problem(code="model-removed", detail=detail)
                continue
            if stream.weights.get(name) not in (None, facts.sha256):
                detail = f"the model {name} was replaced since the stream was made; change the stream to take the new"
                problem = Problem(code="model-changed", detail=detail)
                continue
            usable[name] = facts
        return usable, problem


@contextmanager
def open_camera_room() -> Iterator[CameraRoom]:
    """The room of this process, from the environment. Raises RedisNotSetError, SecretKeyError."""
    settings = Settings()
    redis = connect(redis_url(settings))
    frames_redis = connect(redis_url(settings), patience_s=FRAME_PATIENCE_S)
    try:
        yield CameraRoom(
            settings=settings,
            redis=redis,
            frames_redis=frames_redis,
            catalog=Catalog(settings.models_dir),
            streams=StreamStore(redis),
            files=StreamFiles(settings.data_dir),
            frames=FrameQueue(frames_redis, lease_s=settings.lease_s, max_deliveries=settings.max_deliveries),
            store=make_frame_store(settings.frame_store, settings.frame_store_dir, frames_redis),
            metrics=Metrics(redis),
            vault=open_vault(settings.secret_key, settings.data_dir),
            rules=AddressRules.of(settings.camera_networks, settings.camera_ports),
        )
    finally:
        frames_redis.close()
        redis.close()
