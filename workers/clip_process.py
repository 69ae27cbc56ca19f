"""The clip worker's process: an RQ worker with short leases, and the sweeping up after workers that died."""

from __future__ import annotations

import structlog
from redis import Redis

from pipeline.connection import connect
from pipeline.files import JobFiles
from pipeline.frames import make_frame_store
from pipeline.heartbeat import Heartbeat
from pipeline.jobs import JobStore
from pipeline.queue import FrameQueue, consumer_name
from pipeline.recovery import reconcile
from pipeline.rqueue import ClipQueue, make_worker
from pipeline.settings import Settings, redis_url

log = structlog.get_logger(__name__)


def run_clip_worker(settings: Settings) -> None:
    """Run the clip worker's RQ jobs until SIGTERM; the one in hand is handed to another worker then."""
    redis = connect(redis_url(settings))
    name = consumer_name().replace(":", "-")
    worker = make_worker(redis, name, on_maintenance=lambda: sweep(settings, redis))
    # A client of its own: this process forks, and the heartbeat's thread may be in the middle of a command then.
    with Heartbeat(connect(redis_url(settings)), "clip", name).running():
        log.info("worker ready", stage="clip", worker=name)
        worker.work(logging_level="WARNING")
    log.info("worker left", stage="clip", worker=name)


def sweep(settings: Settings, redis: Redis) -> None:
    """Put right what crashes left behind, once."""
    frames = FrameQueue(redis, lease_s=settings.lease_s, max_deliveries=settings.max_deliveries)
    reconcile(
        redis,
        JobStore(redis),
        ClipQueue(redis),
        frames,
        make_frame_store(settings.frame_store, settings.frame_store_dir, redis),
        JobFiles(settings.data_dir),
        retention_s=settings.retention_s,
    )
    frames.forget_idle_consumers()
