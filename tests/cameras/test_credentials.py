"""A camera's password is nowhere but in memory and sealed: every place is searched in which it could come to lie."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from pipeline.connection import connect
from tests.cameras.house import House, Listener, until
from tests.media.camera_servers import Behaviour, serve
from tests.media.ports import free_port
from tests.redis_contents import contents

pytestmark = [pytest.mark.heavy, pytest.mark.system, pytest.mark.timeout(400)]

USER = "operator-quux"
PASSWORD = "pa55-Zwiebel/&?wort"
WRONG = "wr0ng-Zwiebel#wort"
PUSHED = "push-Zwiebel-wort"
SECRETS = (PASSWORD, WRONG, PUSHED)


def forms(secret: str) -> set[bytes]:
    """As it may come to lie somewhere: plain, in a URL, in JSON, in Basic authentication."""
    found = {secret, quote(secret, safe=""), quote(secret), repr(secret)[1:-1], secret.replace("/", "\\/")}
    encoded = {base64.b64encode(f"{USER}:{secret}".encode()), base64.b64encode(secret.encode())}
    return {form.encode() for form in found} | encoded


ALL_FORMS = {form for secret in SECRETS for form in forms(secret)}


def leaks(where: str, data: bytes) -> list[str]:
    return [f"{where}: {form!r}" for form in ALL_FORMS if form in data]


def processes(root: int) -> Iterator[tuple[str, bytes]]:
    """What the system shows of each process of the service to anybody who may log in."""
    for process in [psutil.Process(root), *psutil.Process(root).children(recursive=True)]:
        for name in ("cmdline", "comm"):
            try:
                yield f"process {process.pid} {name}", Path(f"/proc/{process.pid}/{name}").read_bytes()
                for task in Path(f"/proc/{process.pid}/task").iterdir():
                    yield f"thread {task.name}", (task / "comm").read_bytes()
            except OSError:
                continue


def searched(house: House, answers: list[str], listeners: list[Listener]) -> list[str]:
    found = leaks("the log", house.log().encode())
    found += [leak for text in answers for leak in leaks("an answer", text.encode())]
    found += [leak for each in listeners for leak in leaks("events", "\n".join(each.raw).encode())]
    with connect(house.service.own_redis_url()) as redis:
        kept = list(contents(redis))
        assert any(key.endswith(":sealed") for key, _ in kept)  # it looks where they are
        for key, data in kept:
            found += leaks(f"Redis {key}", data)
    for where, data in processes(house.service.process.pid):
        found += leaks(where, data)
    files = [path for path in house.service.data.rglob("*") if path.is_file() and not path.is_socket()]
    assert files
    for path in files:
        try:
            found += leaks(f"file {path.relative_to(house.service.data)}", path.read_bytes())
        except FileNotFoundError:
            continue  # it has just had its time
    return found


def test_the_search_finds_what_lies_there() -> None:
    assert leaks("x", f"rtsp://{USER}:{quote(PASSWORD, safe='')}@host/".encode())
    assert leaks("x", b"Authorization: Basic " + base64.b64encode(f"{USER}:{WRONG}".encode()))
    assert not leaks("x", b"nothing of the kind")


@pytest.mark.parametrize("auth", ["digest", "basic"])
def test_a_password_is_nowhere_in_the_clear(start_house: Callable[..., House], auth: str) -> None:
    house = start_house(camera_workers="3", log_level="debug")
    behaviour = Behaviour(rate=8.0, auth=auth, user=USER, password=PASSWORD)
    answers: list[str] = []
    with serve(behaviour) as server:
        address = f"127.0.0.1:{server.port}/live?token={quote(PASSWORD, safe='')}"
        wanted = [
            {"name": "right", "url": f"rtsp://{USER}:{quote(PASSWORD, safe='')}@{address}"},
            {"name": "wrong", "url": f"rtsp://{USER}:{quote(WRONG, safe='')}@{address}"},
            {"name": "nobody", "url": f"rtsp://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{free_port()}/x"},
        ]
        wanted[0]["push_url"] = f"rtsp://{USER}:{PUSHED}@127.0.0.1:{free_port()}/enhanced"
        ids = []
        for body in wanted:
            answer = house.http.post(
                "/v1/streams", json={"model": "lanczos", **body}, headers={"Idempotency-Key": body["name"]}
            )
            assert answer.status_code == 201, answer.text
            answers.append(answer.text)
            ids.append(answer.json()["id"])
        for bad in (  # refused, and not repeated
            {"name": "yard", "url": f"rtsp://{USER}:{PASSWORD}@@:x/"},
            {"name": "yard", "url": f"http://{USER}:{quote(WRONG, safe='')}@127.0.0.1/"},
            {"name": "yard", "url": [f"rtsp://{USER}:{quote(WRONG, safe='')}@127.0.0.1/"]},
            {"name": f"rtsp://{USER}:{quote(WRONG, safe='')}@127.0.0.1/", "url": f"rtsp://{USER}:{PASSWORD}@x y/"},
        ):
            answer = house.http.post("/v1/streams", json={"model": "lanczos", **bad})
            assert 400 <= answer.status_code < 500, answer.text
            if bad["name"] == "yard":  # a name is repeated; only a fool puts a password there
                answers.append(answer.text)
        listeners = [Listener(house.service.url, id) for id in ids]
        for listener in listeners:
            listener.__enter__()
        right, wrong, nobody = ids
        house.wait_online(right, 120)
        house.wait(wrong, lambda body: body["state"] == "failed", "failed", 60)
        house.wait(nobody, lambda body: body["state"] == "backing-off", "backing off", 60)
        assert house.show(wrong)["problem"]["code"] == "camera-unauthorised"
        answers.append(house.http.patch(f"/v1/streams/{right}", json={"scale": 2}).text)
        house.wait(right, lambda body: body["live"]["frames"] > 10 and body["state"] == "online", "online again", 60)
        server.kill()
        house.wait(right, lambda body: body["state"] == "backing-off", "backing off", 60)
        server.start()
        until(lambda: all(listener.events for listener in listeners), 10, "no events")
        for path in (
            "/v1/streams",
            f"/v1/streams/{right}",
            f"/v1/streams/{wrong}",
            f"/v1/streams/{nobody}",
            "/metrics",
        ):
            answers.append(house.http.get(path).text)
        for path in ("live/live.m3u8", "snapshot.jpg", "source", "recordings"):
            answers.append(house.http.get(f"/v1/streams/{wrong}/{path}").text)
        assert searched(house, answers, listeners) == []
        for listener in listeners:
            listener.__exit__(None, None, None)
    log = house.service.log
    assert house.service.stop() == 0
    assert leaks("the log", log.read_bytes()) == []
    assert "Traceback" not in log.read_text()
