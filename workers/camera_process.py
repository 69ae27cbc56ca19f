"""The camera worker's process: an RQ worker that owns one stream at a time, and the sweeping up after others."""

from __future__ import annotations

import structlog

from pipeline.camera_queue import make_worker
from pipeline.connection import connect
from pipeline.heartbeat import Heartbeat
from pipeline.queue import consumer_name
from pipeline.settings import Settings, redis_url
from workers.clip_process import sweep

log = structlog.get_logger(__name__)


def run_camera_worker(settings: Settings) -> None:
    """Own cameras' streams, one after the other, until SIGTERM; the one in hand goes to another worker then."""
    redis = connect(redis_url(settings))
    name = consumer_name().replace(":", "-")
    worker = make_worker(redis, name, on_maintenance=lambda: sweep(settings, redis))
    # A client of its own: this process forks, and the heartbeat's thread may be in the middle of a command then.
    with Heartbeat(connect(redis_url(settings)), "camera", name).running():
        log.info("worker ready", stage="camera", worker=name)
        worker.work(logging_level="WARNING")
    log.info("worker left", stage="camera", worker=name)
