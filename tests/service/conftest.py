"""A real API server on loopback with a real Redis, and tiny clips to send to it. The workers' part tests play."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import httpx2
import numpy as np
import pytest
import structlog
import uvicorn
from structlog.testing import capture_logs

from pipeline.connection import connect
from pipeline.files import JobFiles
from pipeline.job import JobState
from pipeline.jobs import JobStore
from pipeline.rqueue import ClipQueue
from pipeline.settings import Settings
from pipeline.streams import StreamStore
from service.app import create_app
from tests.waiting import wait_for

# Written by the workers' own code, which the API's environment lacks.
collect_ignore = [] if find_spec("cv2") else ["test_live.py", "test_stream_reports.py"]


class Service:
    """A running API with a client of it, and what a worker would use to move its jobs on."""

    def __init__(self, settings: Settings, redis_url: str) -> None:
        self.settings = settings
        self.redis = connect(redis_url)
        self.jobs, self.queue = JobStore(self.redis), ClipQueue(self.redis)
        self.files = JobFiles(settings.data_dir)
        self.app = create_app(settings, redis_url)
        config = uvicorn.Config(
            self.app,
            host="127.0.0.1",
            port=0,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Service:
        self._thread.start()
        wait_for(lambda: self._server.started)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self._server.should_exit = True
        self._thread.join(timeout=15)
        self.redis.close()
        assert not self._thread.is_alive()

    def submit(self, clip: Path, **options: Any) -> httpx2.Response:
        """Sends a clip as a form."""
        with clip.open("rb") as file:
            return self.http.post("/v1/clips", files={"file": (clip.name, file)}, data=options)

    def submitted(self, clip: Path, **options: Any) -> str:
        """Id of a new job."""
        answer = self.submit(clip, **options)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def finish(self, job_id: str, content: bytes, sha256: str) -> None:
        """As the clip worker does: a result file, a report, and the state done."""
        self.jobs.transition(job_id, JobState.PLANNING)
        self.jobs.transition(job_id, JobState.RUNNING, segments=1, frames_total=10)
        self.jobs.transition(job_id, JobState.FINISHING)
        self.files.result(job_id, ".mp4").write_bytes(content)
        self.files.report(job_id).write_text('{"v": 1}')
        result = {"file": "result.mp4", "bytes": len(content), "sha256": sha256, "frames": 10}
        self.jobs.transition(job_id, JobState.DONE, result=result)

    def blocked(self) -> int:
        """How many connections to Redis wait for something: followers of events."""
        return int(self.redis.info("clients")["blocked_clients"])

    def uploads(self) -> list[Path]:
        """Uploads on their way."""
        return list((self.settings.data_dir / "uploads").glob("*"))


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    return wait_for


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", disk_reserve_bytes=0, upload_limit_bytes=4 * 1024 * 1024)


@pytest.fixture
def serve(settings: Settings, redis_url: str) -> Iterator[Callable[..., Service]]:
    """serve(**settings): a running service with these settings changed; stopped after the test."""
    running: list[Service] = []

    def start(url: str = redis_url, **changes: Any) -> Service:
        service = Service(settings.model_copy(update=changes), url).__enter__()
        running.append(service)
        return service

    yield start
    for service in reversed(running):
        service.__exit__()


@pytest.fixture
def service(serve: Callable[..., Service]) -> Service:
    return serve()


@pytest.fixture
def cameras(serve: Callable[..., Service]) -> Service:
    """A service that may reach networks set aside for documentation (RFC 5737)."""
    return serve(camera_networks="192.0.2.0/24,198.51.100.0/24")


@pytest.fixture
def store(cameras: Service) -> StreamStore:
    return StreamStore(cameras.redis)


@pytest.fixture
def all_logs() -> Iterator[list[Any]]:
    """Every line that is logged, the least too."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with capture_logs() as logged:
        yield logged
    structlog.configure(**before)


def write_clip(path: Path, width: int = 64, height: int = 48, frames: int = 10, audio: bool = False) -> Path:
    """A short clip of a moving gradient, MPEG-4 in whatever container the name says."""
    ramp = np.arange(width * height * 3, dtype=np.uint32).reshape(height, width, 3)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=Fraction(25))
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=8000) if audio else None
        for index in range(frames):
            image = ((ramp // 7 + index * 5) % 256).astype(np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
        if sound is not None:
            write_sound(container, sound)
    return path


def write_sound(container: Any, stream: Any) -> None:
    samples = np.zeros((1, 1024), dtype=np.float32)
    for index in range(4):
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, index * 1024
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 64x48, ten frames."""
    return write_clip(tmp_path_factory.mktemp("clips") / "street.mp4")


@pytest.fixture(scope="session")
def sound_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "sound.mp4"
    with av.open(str(path), "w") as container:
        write_sound(container, container.add_stream("aac", rate=8000))
    return path


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., Path]:
    """make_clip(path, width, height, frames, audio): writes a clip."""
    return write_clip
