"""The camera worker's process: an RQ worker that owns one stream at a time, and the sweeping up after others."""

from __future__ import annotations

import importlib
import resource

import structlog

from pipeline.camera_queue import make_worker
from pipeline.connection import connect
from pipeline.heartbeat import Heartbeat
from pipeline.queue import consumer_name
from pipeline.rqjobs import CAMERA
from pipeline.secrets import open_vault
from pipeline.settings import Settings, redis_url
from workers.clip_process import sweep

log = structlog.get_logger(__name__)

# What a camera may make this process allocate, by what it says of its answers' length for one: FFmpeg has no bound.
# Two canvases of 7680x4320, their tiles and threads' stacks fit several times.
ADDRESS_SPACE = 8 << 30


def run_camera_worker(settings: Settings) -> None:
    """Own cameras' streams, one after the other, until SIGTERM; the one in hand goes to another worker then.

    Raises SecretKeyError where credentials could not be opened anyway.
    """
    open_vault(settings.secret_key, settings.data_dir)
    importlib.import_module(CAMERA.rpartition(".")[0])  # here, once, and not in each process that is forked
    _limit_memory()
    redis = connect(redis_url(settings))
    name = consumer_name().replace(":", "-")
    worker = make_worker(redis, name, on_maintenance=lambda: sweep(settings, redis))
    # A client of its own: this process forks, and the heartbeat's thread may be in the middle of a command then.
    with Heartbeat(connect(redis_url(settings)), "camera", name).running():
        log.info("worker ready", stage="camera", worker=name)
        worker.work(logging_level="WARNING")
    log.info("worker left", stage="camera", worker=name)


def _limit_memory() -> None:
    """For this process and those it forks; a lower limit that is there already stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = ADDRESS_SPACE if hard == resource.RLIM_INFINITY else min(ADDRESS_SPACE, hard)
    if soft == resource.RLIM_INFINITY or soft > wanted:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
