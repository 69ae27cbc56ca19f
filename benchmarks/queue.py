"""Throughput of the frame queue, with a Redis of its own: `python -m benchmarks.queue`.

Frames are put, claimed in batches by one consumer, replied to and collected, as the workers do it; pixels are left out.
For comparison, the same number of RQ jobs that do nothing, one RQ worker running them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from redis import Redis
from rq import Queue, SimpleWorker

from pipeline.connection import connect
from pipeline.embedded import EmbeddedRedis
from pipeline.queue import FrameQueue
from pipeline.tasks import FrameDone, FrameTask, SegmentKey


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=16, help="frames claimed at once")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder))
        redis = connect(server.start())
        try:
            streams = _streams_fps(redis, arguments.frames, arguments.batch)
            jobs = _rq_fps(redis, max(50, arguments.frames // 50))
        finally:
            redis.close()
            server.stop()
    print(f"frame queue (put, claim {arguments.batch}, reply, collect): {streams:,.0f} frames/s")
    print(f"one RQ job a frame, doing nothing: {jobs:,.0f} frames/s; ratio {streams / jobs:.0f}")


def _streams_fps(redis: Redis, frames: int, batch: int) -> float:
    queue = FrameQueue(redis, lease_s=30, max_deliveries=3)
    key = SegmentKey("benchmark", 0, 1)
    began = time.perf_counter()
    for first in range(0, frames, batch):
        for frame in range(first, min(frames, first + batch)):
            queue.put(
                FrameTask(job=key.job, segment=0, attempt=1, frame=frame, model="lanczos", scale=2, tiles=18, tile=128)
            )
        for claimed in queue.claim("benchmark", batch, block_ms=1000):
            queue.done(claimed.task, FrameDone(frame=claimed.task.frame, outcome="enhanced"), claimed.entry_id)
            assert queue.wait_done(key, 1.0) is not None
    return frames / (time.perf_counter() - began)


def _rq_fps(redis: Redis, jobs: int) -> float:
    queue = Queue("benchmark", connection=redis, serializer="json")
    began = time.perf_counter()
    for _ in range(jobs):
        queue.enqueue("time.time", result_ttl=0)
    SimpleWorker([queue], connection=redis, serializer="json").work(burst=True, logging_level="ERROR")
    return jobs / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
