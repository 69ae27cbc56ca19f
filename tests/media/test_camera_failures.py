from __future__ import annotations

import random
import socket
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import islice

import pytest

from media.camera import Camera
from media.camera_clock import CameraClock
from media.live_types import REMEDIES, SLOW, CameraError, CameraLimits, CameraSource
from tests.media.camera_material import material
from tests.media.camera_servers import Behaviour, serve
from tests.media.ports import free_port


def failure(behaviour: Behaviour, *, limits: CameraLimits | None = None, wait_s: float = 20.0) -> CameraError:
    with serve(behaviour) as server:
        source = CameraSource(server.url, connect_timeout_s=wait_s, silence_s=wait_s, patience_s=wait_s)
        with Camera(source, CameraClock(), limits=limits) as camera, pytest.raises(CameraError) as caught:
            for _ in camera:
                pass
    return caught.value


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (Behaviour(status=401), "camera-unauthorised"),
        (Behaviour(status=403), "camera-forbidden"),
        (Behaviour(status=404), "camera-not-found"),
        (Behaviour(status=503), "camera-refused"),
        (Behaviour(status=461), "camera-broken"),
        (Behaviour(location="self"), "camera-redirected"),
        (Behaviour(video=False, audio=True), "camera-no-video"),
        (Behaviour(silent="accept"), "camera-silent"),
        (Behaviour(silent="describe"), "camera-silent"),
        (Behaviour(silent="play"), "camera-silent"),
        (Behaviour(rate=0.0), "camera-silent"),
        (Behaviour(frames=5, at_end="quiet", speed=5), "camera-silent"),
        (Behaviour(frames=20, speed=5), "camera-ended"),
        (Behaviour(frames=20, at_end="reset", speed=5), "camera-ended"),
        (Behaviour(broken_for_s=60.0, speed=2), "camera-no-video"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_way_to_fail_has_its_code(behaviour: Behaviour, code: str) -> None:
    error = failure(behaviour, wait_s=0.5 if code in ("camera-silent", "camera-no-video") else 20.0)
    assert error.code == code
    assert error.slow == (code in SLOW)
    assert str(error).startswith(REMEDIES[code])


def test_a_redirect_to_another_host_is_not_followed() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        other.setblocking(False)
        address = f"rtsp://127.0.0.1:{other.getsockname()[1]}/live"
        assert failure(Behaviour(location=address)).code == "camera-redirected"
        with pytest.raises(BlockingIOError):
            other.accept()


def test_an_endless_redirect_is_asked_once() -> None:
    with serve(Behaviour(location="self")) as server:
        with Camera(CameraSource(server.url), CameraClock()) as camera, pytest.raises(CameraError):
            next(iter(camera))
        assert [request.split()[0] for request in server.requests].count("DESCRIBE") == 1


@pytest.mark.parametrize("answer", ["noise", "nothing", "http"])
def test_what_is_no_camera_ends_with_a_code(answer: str) -> None:
    rng = random.Random(3)
    say = {"noise": lambda: rng.randbytes(5000), "nothing": lambda: b"", "http": lambda: b"HTTP/1.1 200 OK\r\n\r\n"}

    def be_no_camera(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    while connection.recv(4096) and (data := say[answer]()):
                        connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=be_no_camera, args=(listener,), daemon=True).start()
        url = f"rtsp://127.0.0.1:{listener.getsockname()[1]}/live"
        source = CameraSource(url, connect_timeout_s=0.5, silence_s=0.5)
        with Camera(source, CameraClock()) as camera, pytest.raises(CameraError) as caught:
            list(camera)
        assert caught.value.code in ("camera-broken", "camera-silent")
        listener.shutdown(socket.SHUT_RDWR)


def test_nobody_listens() -> None:
    with (
        Camera(CameraSource(f"rtsp://127.0.0.1:{free_port()}/live"), CameraClock()) as camera,
        pytest.raises(CameraError) as caught,
    ):
        next(iter(camera))
    assert caught.value.code == "camera-refused"


def test_nobody_answers() -> None:
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):  # its queue is full: who else connects hears nothing
            other = waiting.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        source = CameraSource(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/live", connect_timeout_s=0.5)
        with Camera(source, CameraClock()) as camera, pytest.raises(CameraError) as caught:
            next(iter(camera))
    assert caught.value.code == "camera-unreachable"


@pytest.mark.parametrize("scheme", ["http", "file", "rtmp", "concat", ""])
def test_only_rtsp_is_spoken(scheme: str) -> None:
    with (
        Camera(CameraSource(f"{scheme}://127.0.0.1/live"), CameraClock()) as camera,
        pytest.raises(CameraError) as caught,
    ):
        next(iter(camera))
    assert caught.value.code == "camera-broken"


def test_pictures_that_are_too_large_are_refused_before_they_are_decoded() -> None:
    error = failure(Behaviour(), limits=CameraLimits(max_pixels=96 * 64 - 1))
    assert error.code == "camera-too-large"
    assert "96x64" in str(error)


def test_a_camera_that_grows_too_large_is_ended() -> None:
    behaviour = Behaviour(changes={0.4: material(size=(128, 96))}, speed=5)
    assert failure(behaviour, limits=CameraLimits(max_pixels=10_000)).code == "camera-too-large"


def test_wrong_password_is_unauthorised_and_slow() -> None:
    with serve(Behaviour(auth="digest")) as server:
        url = server.url.replace("s3cret", "wrong")
        with Camera(CameraSource(url), CameraClock()) as camera, pytest.raises(CameraError) as caught:
            next(iter(camera))
    assert caught.value.code == "camera-unauthorised"
    assert caught.value.slow


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(status=404, auth="basic"),
        Behaviour(status=503, auth="digest"),
        Behaviour(location="self", auth="digest"),
        Behaviour(silent="accept", auth="basic"),
        Behaviour(frames=5, auth="basic", speed=5),
    ],
    ids=["404", "503", "302", "silent", "ended"],
)
def test_no_trace_of_an_error_holds_the_url(behaviour: Behaviour) -> None:
    error = failure(behaviour, wait_s=0.5 if behaviour.silent else 20.0)
    told = "".join(traceback.format_exception(error)) + repr(error) + str(error.args)
    chain: BaseException | None = error
    while chain is not None:
        told += str(chain) + repr(vars(chain))
        chain = chain.__context__
    for secret in ("s3cret", "operator", "rtsp://127", "127.0.0.1"):
        assert secret not in told


def test_a_source_does_not_show_its_url() -> None:
    assert "secret" not in repr(CameraSource("rtsp://user:secret@10.0.0.1/live"))


@pytest.mark.parametrize(
    "behaviour",
    [Behaviour(silent="accept"), Behaviour(silent="play"), Behaviour(frames=10, at_end="quiet"), Behaviour()],
    ids=["connecting", "before the first packet", "stalled", "playing"],
)
def test_stop_from_another_thread_ends_the_iteration_at_once(behaviour: Behaviour) -> None:
    with serve(behaviour) as server:
        camera = Camera(CameraSource(server.url, connect_timeout_s=20, silence_s=20), CameraClock())
        stopped_at = [0.0]

        def stop() -> None:
            stopped_at[0] = time.monotonic()
            camera.stop()

        timer = threading.Timer(0.4, stop)
        timer.start()
        for _ in camera:
            pass
        assert 0 < time.monotonic() - stopped_at[0] < 5
        camera.close()


def test_stop_before_the_start_and_close_twice() -> None:
    with serve() as server:
        camera = Camera(CameraSource(server.url), CameraClock())
        camera.stop()
        assert list(camera) == []
        camera.close()
        camera.close()


def test_what_on_packet_raises_ends_the_iteration() -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("of ours")

    handler: Callable[..., None] = fail
    with (
        serve() as server,
        Camera(CameraSource(server.url), CameraClock(), on_packet=handler) as camera,
        pytest.raises(RuntimeError, match="of ours"),
    ):
        list(islice(camera, 3))
