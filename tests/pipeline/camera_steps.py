"""A camera worker for test_camera_queue.py: `python camera_steps.py REDIS_URL`.

`run` does what a camera's owner does with the store, and nothing with a camera; a list in Redis tells it what else.
"""

from __future__ import annotations

import os
import signal
import sys

from pipeline.connection import connect
from pipeline.rqjobs import CAMERA_FUNCTIONS, HandBack, stop_flag
from pipeline.stream import StreamState, StreamStatus
from pipeline.stream_errors import StreamStopped, UnknownStream
from pipeline.streams import StreamStore

PASSWORD = "s3cret"
PAUSE_S = 0.3


def run(stream_id: str) -> None:
    leaving = stop_flag()
    with connect(os.environ["STEPS_REDIS"]) as redis:
        store = StreamStore(redis)
        try:
            epoch = store.begin_epoch(stream_id, f"worker {os.getpid()}")
            redis.rpush("ran", f"{stream_id} {os.getpid()} {epoch}")
            while True:
                told = redis.blpop([f"do:{stream_id}"], timeout=0.05)
                if told and told[1] == b"die":
                    os.kill(os.getpid(), signal.SIGKILL)
                if told and told[1] == b"fail":
                    raise ValueError(f"cannot open rtsp://user:{PASSWORD}@10.0.0.5/x")
                if leaving():
                    raise HandBack("asked to stop")
                store.set_status(stream_id, epoch, StreamStatus(state=StreamState.ONLINE, since=0.0, owner="w"))
        except (StreamStopped, UnknownStream):
            redis.rpush("left", stream_id)


if __name__ == "__main__":
    from pipeline import camera_worker
    from pipeline.camera_queue import make_worker

    camera_worker.PAUSE_S = PAUSE_S
    os.environ["STEPS_REDIS"] = sys.argv[1]
    worker = make_worker(connect(sys.argv[1]), "test", functions=CAMERA_FUNCTIONS)
    worker.work(logging_level="INFO")
