"""Streams and their workers; where a test file is about clips, its store and queue are its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from pipeline.camera_queue import CameraQueue
from pipeline.streams import StreamStore
from tests.pipeline.camera_house import Workers


@pytest.fixture
def store(redis: Redis) -> StreamStore:
    return StreamStore(redis)


@pytest.fixture
def queue(redis: Redis) -> CameraQueue:
    return CameraQueue(redis)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(tmp_path)
    yield workers
    workers.kill()
