"""Streams, camera workers and what they did, for the tests of cameras' jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from redis import Redis
from rq.job import Job

from pipeline.camera_queue import camera_job_id
from pipeline.jobs import new_id
from pipeline.secrets import Vault
from pipeline.stream import Stream, StreamOptions, StreamState
from pipeline.streams import StreamStore

HERE = Path(__file__).parent
URL = "rtsp://user:s3cret@10.0.0.5:554/x"
Wait = Callable[..., None]


class Workers:
    """Camera workers' processes, which run camera_steps.run. Their log is folder/log."""

    def __init__(self, folder: Path) -> None:
        (folder / "workers").mkdir()
        (folder / "workers" / "__init__.py").touch()
        (folder / "workers" / "camera.py").write_text("from camera_steps import run\n")
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, url: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(self._folder), str(HERE.parents[1])])
        command = [sys.executable, str(HERE / "camera_steps.py"), url]
        with (self._folder / "log").open("ab") as log:
            env = os.environ | {"PYTHONPATH": path}
            self._started.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
        return self._started[-1]

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def kill(self) -> None:
        for worker in self._started:
            worker.kill()
            worker.wait(timeout=10)


def add(store: StreamStore, name: str = "yard", **options: bool) -> str:
    wanted = StreamOptions(name=name, model="lanczos", **options)
    stream = Stream(id=new_id(), options=wanted, url_shown="rtsp://10.0.0.5:554/x", created_at=0.0, changed_at=0.0)
    return store.create(stream, {"url": Vault("k" * 32).seal(URL)}).id


def enable(store: StreamStore, stream_id: str, enabled: bool) -> None:
    store.update(stream_id, store.get(stream_id).options.model_copy(update={"enabled": enabled}))


def ran(redis: Redis) -> list[list[str]]:
    """Each run: stream, pid, epoch."""
    return [line.decode().split() for line in redis.lrange("ran", 0, -1)]


def online(store: StreamStore, stream_id: str) -> bool:
    return store.status(stream_id).state is StreamState.ONLINE


def status(redis: Redis, stream_id: str) -> str | None:
    raw = redis.hget(Job.key_for(camera_job_id(stream_id)), "status")
    return None if raw is None else raw.decode()
