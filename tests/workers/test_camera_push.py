"""Streams whose camera is a gateway that pushes, and the enhanced stream pushed on: to a real receiver."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from redis import Redis

from pipeline.listening import claim_port, listen_url
from tests.media.camera_push import pushing
from tests.media.camera_servers import Behaviour, free_port, serve
from tests.workers.camera_rig import CameraRig

WaitFor = Callable[..., None]


@pytest.fixture
def rig(redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CameraRig:
    return CameraRig(redis, redis_url, tmp_path, monkeypatch)


class Receiver:
    """A media server that takes one RTSP publisher: PyAV, listening. Counts the frames it can decode."""

    def __init__(self, port: int) -> None:
        self.url = f"rtsp://127.0.0.1:{port}/enhanced"
        self.frames = 0
        self.size: tuple[int, int] | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        options = {"rtsp_flags": "listen", "listen_timeout": "30"}
        with av.open(self.url, options=options) as container:
            for frame in container.decode(video=0):
                self.frames += 1
                self.size = (frame.width, frame.height)
                if self.frames >= 10:
                    return


def test_the_enhanced_stream_is_pushed(rig: CameraRig, wait_for: WaitFor) -> None:
    receiver = Receiver(free_port())
    with serve(Behaviour(rate=10)) as camera:
        stream = rig.make(camera.url, model="lanczos", scale=2, hls=False, push_url=receiver.url)
        rig.streams.update(stream.id, stream.options, sealed={"push_url": rig.vault.seal(receiver.url)})
        with rig.owned(stream):
            wait_for(lambda: receiver.frames >= 10, 30)
            assert receiver.size == (192, 128)
            assert rig.status(stream).push is not None


def test_a_gateway_pushes_straight_to_the_worker(rig: CameraRig, wait_for: WaitFor) -> None:
    port = free_port()
    rig.set("LISTEN_PORTS", f"{port}-{port}")
    stream = rig.make("rtsp://127.0.0.1:1/unused", model="lanczos", scale=2, source="listen-rtsp")
    assert claim_port(rig.redis, stream, [port]) == port
    url = listen_url(stream, port, rig.vault, host="127.0.0.1")
    with rig.owned(stream):
        wait_for(lambda: rig.status(stream).state == "connecting", 20)
        with pushing(url, port):
            wait_for(lambda: rig.status(stream).state == "online" and rig.status(stream).frames > 5, 30)
