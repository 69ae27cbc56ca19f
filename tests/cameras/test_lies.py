"""Cameras that lie, from end to end: each ends in a clear state with a clear code, and nothing dies of it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.cameras.house import House, Listener
from tests.media.camera_material import material
from tests.media.camera_servers import Behaviour, CameraServer, serve
from tests.media.ports import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.system, pytest.mark.timeout(300)]

CAMERA = Behaviour(rate=8.0)


def wandering(seconds: float) -> float:
    """A clock that is set back by 40 s after 3 s."""
    return seconds if seconds < 3 else seconds + 1000 - 40


@dataclass(frozen=True, slots=True)
class Lie:
    behaviour: Behaviour
    state: str = "online"
    code: str | None = None
    codec: str | None = None  # of the source, where it becomes a picture
    event: str | None = None  # a kind of event that tells of it


LIES = {
    "wrong fps": Lie(replace(CAMERA, stated_rate=120.0), codec="h264"),
    "a clock that jumps": Lie(replace(CAMERA, clock=wandering), event="clock"),
    "no timestamps": Lie(replace(CAMERA, clock=lambda seconds: 0.0), event="clock"),
    "B-frames": Lie(replace(CAMERA, loop=material(b_frames=2)), codec="h264"),
    "broken SPS at first": Lie(replace(CAMERA, broken_for_s=3.0), codec="h264"),
    "audio only": Lie(replace(CAMERA, video=False, audio=True), "failed", "camera-no-video"),
    "MJPEG": Lie(replace(CAMERA, loop=material("mjpeg")), codec="mjpeg"),
    "HEVC": Lie(replace(CAMERA, loop=material("hevc")), codec="hevc"),
    "a size that changes": Lie(replace(CAMERA, changes={4.0: material(size=(128, 96))}), event="size"),
    "0 fps": Lie(replace(CAMERA, rate=0.0), "backing-off", "camera-silent"),
    "stops sending": Lie(replace(CAMERA, frames=24, at_end="quiet"), "backing-off", "camera-silent"),
    "an endless redirect": Lie(replace(CAMERA, location="self"), "failed", "camera-redirected"),
    "accepts and says nothing": Lie(replace(CAMERA, silent="accept"), "backing-off", "camera-silent"),
    "says nothing of itself": Lie(replace(CAMERA, silent="describe"), "backing-off", "camera-silent"),
    "401": Lie(replace(CAMERA, status=401), "failed", "camera-unauthorised"),
    "403": Lie(replace(CAMERA, status=403), "failed", "camera-forbidden"),
    "404": Lie(replace(CAMERA, status=404), "failed", "camera-not-found"),
    "ends at once": Lie(replace(CAMERA, frames=2), "backing-off", "camera-ended"),
}
AT_ONCE = 3  # cameras, and camera workers


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gl-")))
        house = stack.enter_context(House(folder, camera_workers=str(AT_ONCE), enhance_workers="1"))
        yield house
        assert "Traceback" not in house.log()


@contextlib.contextmanager
def followed(house: House, name: str, server: CameraServer) -> Iterator[tuple[str, Listener]]:
    id = house.add(name, server.url, model="lanczos", scale=2, ring=1, budget_s=5.0)
    try:
        with Listener(house.service.url, id) as listener:
            yield id, listener
    finally:
        assert house.http.delete(f"/v1/streams/{id}").status_code == 204


@pytest.mark.parametrize("names", [list(LIES)[n : n + AT_ONCE] for n in range(0, len(LIES), AT_ONCE)], ids="-".join)
def test_a_lying_camera_has_a_clear_state(house: House, names: list[str]) -> None:
    with contextlib.ExitStack() as stack:
        told: dict[str, tuple[str, Listener]] = {}
        for name in names:
            server = stack.enter_context(serve(LIES[name].behaviour))
            told[name] = stack.enter_context(followed(house, name.replace(" ", "-"), server))
        for name, (id, listener) in told.items():
            lie = LIES[name]

            def clear(body: dict, lie: Lie = lie, listener: Listener = listener, id: str = id) -> bool:  # type: ignore[type-arg]
                if lie.event is not None and not listener.of(lie.event):
                    return False
                if lie.code is not None:
                    return lie.code in listener.codes() and lie.state in listener.states()
                return body["state"] == lie.state and house.plays(id)

            body = house.wait(id, clear, f"clear ({name})", 90)
            if lie.codec is not None:
                assert body["live"]["source"]["codec"] == lie.codec
            if lie.code is not None:
                detail = next(
                    data["problem"]["detail"]
                    for data in listener.of("state")
                    if data.get("problem", {}).get("code") == lie.code
                )
                assert "127.0.0.1" not in detail
                assert "Error" not in detail


def test_nobody_there_is_backing_off_and_says_when_it_tries_again(house: House) -> None:
    id = house.add("nobody", f"rtsp://127.0.0.1:{free_port()}/live", model="lanczos")
    try:
        body = house.wait(id, lambda body: body["state"] == "backing-off", "backing off", 90)
        assert body["problem"]["code"] == "camera-refused"
        assert body["retry_at"] is not None
    finally:
        house.http.delete(f"/v1/streams/{id}")
