"""The whole service as processes, for tests that kill them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.frames_shared import SharedFrameStore
from service.client import Client

KINDS = {"clip": "worker clip", "enhance": "worker enhance", "camera": "worker camera", "redis": "redis-server"}


class Service:
    """`gleaner serve` with a data folder and a frame store of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data = folder / "data"
        self.frames = Path("/dev/shm") / f"gleaner-test-{folder.name}"
        self.log = folder / "log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        env = {name: value for name, value in os.environ.items() if not name.startswith(("GLEANER_", "REDIS"))}
        env |= {
            "GLEANER_DATA_DIR": str(self.data),
            "GLEANER_FRAME_STORE_DIR": str(self.frames),
            "GLEANER_PORT": str(self.port),
            "GLEANER_DEFAULT_MODEL": "lanczos",
            "GLEANER_THREADS": "1",
            "GLEANER_LEASE_S": "2",
            "GLEANER_SEGMENT_S": "1",
            "GLEANER_CAMERA_WORKERS": "0",  # but for tests that ask for some
        }
        env |= {f"GLEANER_{name.upper()}": value for name, value in settings.items()}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "gleaner", "serve"], env=env, stderr=log, stdout=log)

    def pids(self, kind: str) -> list[int]:
        """Processes of a kind, the oldest first. A running clip job is a child of its worker."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if KINDS[kind] in " ".join(child.cmdline()):
                        found.append((child.create_time(), child.pid))
        return [pid for _, pid in sorted(found)]

    def kill(self, kind: str) -> None:
        """`kill -9` of the first process of a kind."""
        pids = self.pids(kind)
        assert pids, f"no {kind} process to kill; log:\n{self.log.read_text()[-3000:]}"
        os.kill(pids[0], signal.SIGKILL)

    def own_redis_url(self) -> str:
        """Of the Redis that the service runs itself, with the password from its configuration."""
        folder = self.data / "redis"
        found = re.search(r"^user gleaner on >(\S+)", (folder / "redis.conf").read_text(), re.MULTILINE)
        assert found
        return f"unix://gleaner:{found[1]}@{folder / 'redis.sock'}"

    def frames_left(self) -> set[str]:
        """Jobs that have pixels in the frame store."""
        return SharedFrameStore(self.frames).jobs() if self.frames.exists() else set()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@pytest.fixture
def start_service() -> Iterator[Callable[..., Service]]:
    """start_service(**settings): a running, ready service; stopped after the test, leaving nothing behind."""
    with contextlib.ExitStack() as stack:

        def start(**settings: str) -> Service:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gl-")))
            service = Service(folder, **settings)
            stack.callback(service.stop)
            with Client(service.url) as client:
                try:
                    client.wait_until_ready(60)
                except Exception as error:
                    raise AssertionError(f"{error}; log:\n{service.log.read_text()[-5000:]}") from error
            return service

        yield start
