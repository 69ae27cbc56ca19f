"""What workers' tests share: short waits, one thread for networks, a camera's rig, a clip worker's room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from redis import Redis

from models.catalog import Catalog
from tests.workers.camera_rig import CameraRig
from tests.workers.rig import Doubling, Rig, enhancer
from workers.loaded import LoadedModels
from workers.room import Room, open_room


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enhance workers look up more often, so that stopping one takes no second."""
    monkeypatch.setattr("workers.enhance.BLOCK_MS", 100)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def rig(redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CameraRig:
    """Of cameras; where frames are enhanced without one, test files have a rig of their own."""
    return CameraRig(redis, redis_url, tmp_path, monkeypatch)


@pytest.fixture
def room(
    redis_url: str, redis: Redis, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Room, Rig]]:
    """Of the clip worker, with an enhance worker beside it; both have the models of the test file's `folder`."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("GLEANER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GLEANER_MODELS_DIR", str(folder))
    monkeypatch.setenv("GLEANER_FRAME_STORE_DIR", str(tmp_path / "frames"))
    with open_room() as found:
        models = LoadedModels("cpu", 1, Catalog(folder))
        yield found, Rig(redis, found.store, enhancer(Doubling()), models=models)
