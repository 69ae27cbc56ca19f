"""The enhance worker as a process: it leaves soon after SIGTERM, also while Redis is away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from pipeline.connection import connect
from pipeline.heartbeat import alive

CODE = (
    "from pipeline.settings import Settings as S; from workers.enhance_process import run_enhance_worker as r; r(S())"
)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """start(redis url): a worker process."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(url: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "REDIS_URL": url,
            "GLEANER_FRAME_STORE_DIR": str(tmp_path / "frames"),
            "GLEANER_DEFAULT_MODEL": "lanczos",
            "GLEANER_DEVICE": "cpu",
        }
        started.append(subprocess.Popen([sys.executable, "-c", CODE], env=environment, stdout=subprocess.DEVNULL))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_it_leaves_when_told_and_says_goodbye(
    redis: Redis, redis_url: str, start: Callable[[str], subprocess.Popen[bytes]], wait_for: Callable[..., None]
) -> None:
    process = start(redis_url)
    wait_for(lambda: alive(redis, "enhance"), seconds=60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert alive(redis, "enhance") == []


def test_it_leaves_within_seconds_although_redis_is_away(  # type: ignore[no-untyped-def]
    own_redis_server, start: Callable[[str], subprocess.Popen[bytes]], wait_for: Callable[..., None]
) -> None:
    process = start(own_redis_server.url)
    with connect(own_redis_server.url) as client:
        wait_for(lambda: alive(client, "enhance"), seconds=60)
    own_redis_server.kill()
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert process.wait(30) == 0
    assert time.monotonic() - began < 10  # the grace of whoever sent the signal
