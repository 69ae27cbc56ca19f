"""Where cameras may be, in the whole service: asked when they are added, and again at each connection."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cameras.house import House, Listener
from tests.media.camera_servers import Behaviour, serve

pytestmark = [pytest.mark.heavy, pytest.mark.system, pytest.mark.timeout(300)]

HOOK = Path(__file__).parent / "hook"  # its sitecustomize answers for names that end in .test
NETWORK = "127.0.0.1/32"


@contextmanager
def counting(host: str, port: int = 0) -> Iterator[tuple[int, list[str]]]:
    """A port that counts who connects to it, and answers nobody."""
    came: list[str] = []
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()

        def accept() -> None:
            while True:
                try:
                    connection, address = listener.accept()
                except OSError:
                    return
                came.append(str(address))
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1], came
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_a_redirect_to_another_host_is_refused_and_nobody_is_asked_there(start_house: Callable[..., House]) -> None:
    with counting("127.0.0.2") as (port, came):
        house = start_house(camera_workers="1")  # 127.0.0.2 is allowed, if it were given itself
        with serve(Behaviour(location=f"rtsp://127.0.0.2:{port}/live")) as server:
            id = house.add("yard", server.url, model="lanczos")
            body = house.wait(id, lambda body: body["state"] == "failed", "failed", 90)
            assert body["problem"]["code"] == "camera-redirected"
            assert "127.0.0.2" not in house.http.get(f"/v1/streams/{id}").text
            assert not came
            assert "127.0.0.2" not in house.log()


def test_addresses_outside_of_the_networks_are_refused_when_they_are_added(start_house: Callable[..., House]) -> None:
    house = start_house(camera_networks=NETWORK, camera_ports="8554", camera_workers="1")
    refused = {
        "rtsp://127.0.0.2:8554/": "camera-network-denied",
        "rtsp://169.254.169.254:8554/latest": "camera-network-denied",
        "rtsp://[::1]:8554/": "camera-network-denied",
        "rtsp://[::ffff:127.0.0.2]:8554/": "camera-network-denied",
        "rtsp://0.0.0.0:8554/": "camera-network-denied",
        "rtsp://8.8.8.8:8554/": "camera-network-denied",
        "rtsp://127.0.0.1:6379/": "camera-port-denied",
        "http://127.0.0.1:8554/": None,
        "file:///etc/passwd": None,
        "rtsp://2130706434:8554/": None,  # 127.0.0.2 as one number
    }
    for url, code in refused.items():
        answer = house.http.post("/v1/streams", json={"name": "yard", "url": url, "model": "lanczos"})
        assert 400 <= answer.status_code < 500, (url, answer.text)
        if code is not None:
            assert answer.json()["code"] == code, (url, answer.text)
    assert house.http.get("/v1/streams").json()["streams"] == []


def test_a_name_that_resolves_elsewhere_later_is_refused_at_the_next_connection(
    start_house: Callable[..., House], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tmp_path / "names"
    names.write_text("yard.test 127.0.0.1\n")
    monkeypatch.setenv("PYTHONPATH", f"{HOOK}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("TEST_NAMES", str(names))
    house = start_house(camera_networks=NETWORK, camera_workers="1")
    with serve(Behaviour(rate=8.0)) as server, counting("127.0.0.2", server.port) as (port, came):
        id = house.add("yard", f"rtsp://yard.test:{port}/live", model="lanczos")
        with Listener(house.service.url, id) as listener:
            house.wait_online(id, 120)
            names.write_text("yard.test 127.0.0.2\n")
            server.kill()
            body = house.wait(id, lambda body: body["state"] == "failed", "failed", 90)
            assert body["problem"]["code"] == "camera-network-denied"
            assert not came
            names.write_text("yard.test 127.0.0.1 127.0.0.2\n")  # one of two is enough to be refused
            server.start()
            house.http.patch(f"/v1/streams/{id}", json={"enabled": False}).raise_for_status()
            house.http.patch(f"/v1/streams/{id}", json={"enabled": True}).raise_for_status()
            house.wait(id, lambda body: body["state"] == "failed", "failed again", 90)
            assert not came
        assert listener.codes() == {"camera-network-denied"} | (listener.codes() & {"camera-ended", "camera-refused"})
        answer = house.http.post(
            "/v1/streams", json={"name": "gate", "url": f"rtsp://yard.test:{port}/x", "model": "lanczos"}
        )
        assert answer.json()["code"] == "camera-network-denied"
