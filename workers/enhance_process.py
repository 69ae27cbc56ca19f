"""The enhance worker's process: set up, work until SIGTERM, drain, leave."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import structlog

from models.catalog import Catalog
from models.devices import resolve
from pipeline.connection import PATIENCE_S, connect
from pipeline.frames import make_frame_store
from pipeline.heartbeat import Heartbeat
from pipeline.metrics import Metrics
from pipeline.queue import FrameQueue, consumer_name
from pipeline.settings import Settings, redis_url
from workers.crew import Crew
from workers.enhance import EnhanceWorker
from workers.layout import cores, lay_out
from workers.lease import LeaseKeeper
from workers.loaded import LoadedModels

log = structlog.get_logger(__name__)

LEAVING_PATIENCE_S = 1.0  # with Redis away, once told to leave: what is in hand comes back to another worker anyway


def run_enhance_worker(settings: Settings) -> None:
    """Enhance frames until SIGTERM or SIGINT; then finish the batch in hand and leave."""
    leaving = threading.Event()
    redis = connect(redis_url(settings), patience_s=lambda: LEAVING_PATIENCE_S if leaving.is_set() else PATIENCE_S)
    name = consumer_name().replace(":", "-")
    queue = FrameQueue(redis, lease_s=settings.lease_s, max_deliveries=settings.max_deliveries)
    on_cpu = resolve(settings.device).type == "cpu"
    layout = lay_out(max(1, cores() // settings.enhance_workers), on_cpu=on_cpu, network=settings.threads)
    models = LoadedModels(settings.device, layout.network, Catalog(settings.models_dir))
    models.warm(settings.default_model)  # loaded and run once before the first frame waits for it
    with Crew(layout.crew, settings.batch_tiles) as crew, LeaseKeeper(queue, name, settings.lease_s) as leases:
        worker = EnhanceWorker(
            queue,
            make_frame_store(settings.frame_store, settings.frame_store_dir, redis),
            models,
            Metrics(redis),
            leases,
            name=name,
            batch_tiles=settings.batch_tiles,
            batch_wait_s=settings.batch_wait_s,
            crew=crew,
        )

        def stop(_signal: int, _frame: FrameType | None) -> None:
            leaving.set()
            worker.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        facts = {"device": str(resolve(settings.device)), "model": settings.default_model}
        with Heartbeat(redis, "enhance", name, facts).running():
            log.info("worker ready", stage="enhance", worker=name, **facts)
            worker.run()
    log.info("worker left", stage="enhance", worker=name)
