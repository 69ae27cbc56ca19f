"""Streams whose camera is a gateway that pushes, and the enhanced stream pushed on: to a real receiver."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.listening import claim_port, listen_url
from tests.media.camera_push import pushing
from tests.media.camera_servers import Behaviour, serve
from tests.media.ports import free_port
from tests.media.push_receiver import Receiver
from tests.workers.camera_rig import CameraRig

WaitFor = Callable[..., None]


def test_the_enhanced_stream_is_pushed(rig: CameraRig, wait_for: WaitFor) -> None:
    receiver = Receiver(free_port())
    with serve(Behaviour(rate=10)) as camera:
        stream = rig.make(camera.url, model="lanczos", scale=2, hls=False, push_url=receiver.url)
        rig.streams.update(stream.id, stream.options, sealed={"push_url": rig.vault.seal(receiver.url)})
        with rig.owned(stream):
            wait_for(lambda: len(receiver.frames) >= 10)
            assert {size for _, _, size in receiver.frames} == {(192, 128)}
            assert rig.status(stream).push is not None
    receiver.join()


def test_a_gateway_pushes_straight_to_the_worker(rig: CameraRig, wait_for: WaitFor) -> None:
    port = free_port()
    rig.set("LISTEN_PORTS", f"{port}-{port}")
    stream = rig.make("rtsp://127.0.0.1:1/unused", model="lanczos", scale=2, source="listen-rtsp")
    assert claim_port(rig.redis, stream, [port]) == port
    url = listen_url(stream, port, rig.vault, host="127.0.0.1")
    with rig.owned(stream):
        wait_for(lambda: rig.status(stream).state == "connecting")
        with pushing(url, port):
            wait_for(lambda: rig.status(stream).state == "online" and rig.status(stream).frames > 5)
