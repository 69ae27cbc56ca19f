from __future__ import annotations

import random
import socket
import threading
import time
from itertools import islice, pairwise

import pytest

from media.camera import Camera
from media.camera_clock import CameraClock
from media.listen import Refused, exactly, first_command
from media.live_types import CameraError, CameraSource
from tests.media.camera_push import pushing
from tests.media.ports import free_port, is_listening
from tests.waiting import wait_for

KEY = "k3y-of_the.stream"


def listening(kind: str, port: int, seconds: float = 10.0) -> CameraSource:
    return CameraSource(f"{kind}://127.0.0.1:{port}/{KEY}", listen=kind, connect_timeout_s=seconds, silence_s=2)


def connect_message(app: str) -> bytes:
    """RTMP's "connect" as a chunk stream, as gateways send it."""
    name = app.encode()
    body = b"\x02\x00\x07connect" + b"\x00" + bytes.fromhex("3ff0000000000000") + b"\x03"
    body += b"\x00\x03app\x02" + len(name).to_bytes(2, "big") + name
    body += b"\x00\x05tcUrl\x02\x00\x80" + b"u" * 128 + b"\x00\x00\x09"
    head = b"\x03\x00\x00\x00" + len(body).to_bytes(3, "big") + b"\x14" + bytes(4)
    chunks = [body[at : at + 128] for at in range(0, len(body), 128)]
    return head + b"\xc3".join(chunks)


def answer_to(kind: str, port: int, path: str) -> bytes:
    """What a gateway with another key hears before it is shown the door."""
    with socket.create_connection(("127.0.0.1", port), 5) as gateway:
        if kind == "rtsp":
            gateway.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            exactly(gateway, len("RTSP/1.0 200 OK\r\n"))
            gateway.sendall(f"ANNOUNCE rtsp://127.0.0.1:{port}/{path} RTSP/1.0\r\nCSeq: 2\r\n\r\n".encode())
        else:
            gateway.sendall(b"\x03" + bytes(1536))
            answer = exactly(gateway, 1 + 2 * 1536)
            gateway.sendall(answer[1:1537] + connect_message(path))
        heard = b""
        while data := gateway.recv(4096):
            heard += data
        return heard


@pytest.mark.parametrize("kind", ["rtsp", "rtmp"])
def test_who_knows_the_key_gets_in_though_others_tried_before(kind: str) -> None:
    port = free_port()
    frames = []
    with Camera(listening(kind, port), CameraClock()) as camera:
        reader = threading.Thread(target=lambda: frames.extend(islice(camera, 20)))
        reader.start()
        wait_for(lambda: is_listening(port))
        with (
            socket.create_connection(("127.0.0.1", port)),
            socket.create_connection(("127.0.0.1", port)),
        ):  # say nothing
            heard = answer_to(kind, port, "another-key")
            assert heard == b"" or b"403" in heard
            with pushing(f"{kind}://127.0.0.1:{port}/{KEY}", port):
                reader.join(20)
    assert len(frames) == 20
    assert frames[0].image.shape == (64, 96, 3)
    assert {after.pts - before.pts for before, after in pairwise(frames)} <= {3600, 3510, 3690, 3599, 3601}


def test_the_camera_ends_when_the_gateway_does() -> None:
    port = free_port()
    with (
        pushing(f"rtsp://127.0.0.1:{port}/{KEY}", port, frames=15),
        Camera(listening("rtsp", port), CameraClock()) as camera,
        pytest.raises(CameraError) as caught,
    ):
        list(camera)
    assert caught.value.code == "camera-ended"
    assert camera.packets == 15


def test_no_gateway_is_silence_and_stop_needs_none() -> None:
    with (
        Camera(listening("rtmp", free_port(), 0.3), CameraClock()) as camera,
        pytest.raises(CameraError) as caught,
    ):
        list(camera)
    assert caught.value.code == "camera-silent"
    camera = Camera(listening("rtsp", free_port()), CameraClock())
    timer = threading.Timer(0.2, camera.stop)
    timer.start()
    began = time.monotonic()
    assert list(camera) == []
    assert time.monotonic() - began < 5.0
    camera.close()


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            Camera(listening("rtsp", port), CameraClock()) as camera,
            pytest.raises(CameraError, match=f"port {port}") as caught,
        ):
            list(camera)
    assert caught.value.code == "camera-broken"
    assert KEY not in str(caught.value)


def test_a_key_is_required() -> None:
    source = CameraSource(f"rtsp://127.0.0.1:{free_port()}/", listen="rtsp")
    with Camera(source, CameraClock()) as camera, pytest.raises(CameraError, match="key"):
        list(camera)


def test_the_first_command_is_read_from_any_split_of_the_stream() -> None:
    stream = connect_message(KEY)
    command = first_command(stream)
    assert command is not None
    assert command.count(b"u" * 128) == 1
    for end in range(len(stream)):
        assert first_command(stream[:end]) is None
    larger = b"\x02\x00\x00\x00\x00\x00\x04\x01" + bytes(4) + (4096).to_bytes(4, "big")
    assert first_command(larger + stream.replace(b"\xc3", b"", 1)) is not None


def test_nonsense_is_refused_and_nothing_worse() -> None:
    rng = random.Random(7)
    for _ in range(2000):
        data = rng.randbytes(rng.randrange(300))
        try:
            assert first_command(data) is None or len(data) > 12
        except Refused:
            continue
