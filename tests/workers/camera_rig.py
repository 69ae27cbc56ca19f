"""A stream of a real camera, its owner in a thread, on a real Redis. Not a test file."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from models.catalog import Catalog
from pipeline.camera_url import parse_camera_url
from pipeline.frames_shared import SharedFrameStore
from pipeline.jobs import new_id
from pipeline.secrets import Vault, open_vault
from pipeline.stream import Stream, StreamOptions, StreamStatus
from pipeline.stream_files import StreamFiles
from pipeline.streams import StreamStore
from tests.workers.rig import Doubling, Rig, enhancer
from workers.camera import run
from workers.loaded import LoadedModels

ENVIRONMENT = {"GLEANER_CAMERA_NETWORKS": "127.0.0.0/8", "GLEANER_CAMERA_PORTS": "any"}


class CameraRig:
    """Streams and their owner. `settings` are further variables of the environment, by name without the prefix."""

    def __init__(self, redis: Redis, redis_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.redis, self.data_dir = redis, folder / "data"
        self._monkeypatch = monkeypatch
        variables = ENVIRONMENT | {"REDIS_URL": redis_url, "GLEANER_DATA_DIR": str(self.data_dir)}
        variables |= {"GLEANER_FRAME_STORE_DIR": str(folder / "frames")}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        self.streams, self.files = StreamStore(redis), StreamFiles(self.data_dir)
        self.vault: Vault = open_vault(None, self.data_dir)
        self.store = SharedFrameStore(folder / "frames")
        self.ended: BaseException | None = None
        self.at_work = False

    def set(self, name: str, value: str) -> None:
        self._monkeypatch.setenv(f"GLEANER_{name}", value)

    def make(self, url: str, **options: Any) -> Stream:
        camera = parse_camera_url(url)
        wanted = StreamOptions(**({"name": "gate", "model": "espcn-x2", "ring": 0} | options))
        now = time.time()
        weights = {name: Catalog(None).facts(name).sha256 for name in wanted.ladder}
        stream = Stream(
            id=new_id(),
            options=wanted,
            url_shown=camera.shown,
            credentials=camera.credentials,
            weights=weights,
            created_at=now,
            changed_at=now,
        )
        return self.streams.create(stream, {"url": self.vault.seal(camera.whole())})

    def status(self, stream: Stream) -> StreamStatus:
        return self.streams.status(stream.id)

    def events(self, stream: Stream, kind: str) -> list[dict[str, Any]]:
        return [event.data for event in self.streams.read_events(stream.id) if event.kind == kind]

    @contextlib.contextmanager
    def owned(self, stream: Stream) -> Iterator[None]:
        """The owner at work in a thread; at the end the stream is deleted, and the owner must leave."""
        thread = threading.Thread(target=self._run, args=(stream.id,))
        thread.start()
        try:
            yield
        finally:
            self.streams.delete(stream.id)
            thread.join(60)
            assert not thread.is_alive()

    def _run(self, stream_id: str) -> None:
        self.at_work = True
        try:
            run(stream_id)
        except BaseException as error:
            self.ended = error
        finally:
            self.at_work = False

    @contextlib.contextmanager
    def enhancing(self, workers: int = 1) -> Iterator[list[Rig]]:
        """Enhance workers, each in a thread."""
        with contextlib.ExitStack() as stack:
            rigs = []
            for number in range(workers):
                models = LoadedModels("cpu", 1)
                rig = Rig(self.redis, self.store, enhancer(Doubling()), name=f"w{number}", models=models)
                models.warm("espcn-x2")
                stack.enter_context(rig.running())
                rigs.append(rig)
            yield rigs
