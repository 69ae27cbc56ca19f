"""The clip worker's process: an RQ worker with short leases, and the sweeping up after workers that died."""

from __future__ import annotations

import structlog
from pipeline.heartbeat import Heartbeat

from pipeline.connection import connect
from pipeline.queue import consumer_name
from pipeline.rqueue import make_worker
from pipeline.settings import Settings, redis_url

log = structlog.get_logger(__name__)


def run_clip_worker(settings: Settings) -> None:
    """Run the clip worker's RQ jobs until SIGTERM."""
    redis = connect(redis_url(settings))
    name = consumer_name().replace(":", "-")
    with Heartbeat(redis, "clip", name, {}).running():
        log.info("worker ready", stage="clip", worker=name)
        make_worker(redis, name).work()
    log.info("worker left", stage="clip", worker=name)
