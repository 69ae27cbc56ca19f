"""Who may publish and read by way of the media server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline import media_server
from pipeline.camera_queue import CameraQueue
from pipeline.secrets import open_vault
from pipeline.streams import StreamStore
from service.attempts import OF_PEER, OF_PUBLISHER, WINDOW_S
from tests.redis_contents import contents

SERVICE_KEY = "gateways-of-the-town-hall-9d2c"


@pytest.fixture
def cameras(serve: Callable[..., Any]) -> Any:
    return serve(camera_networks="192.0.2.0/24", media_server="rtsp://mediamtx:8554", push_key=SecretStr(SERVICE_KEY))


@pytest.fixture
def key(cameras: Any) -> str:
    """Push key of the stream gate."""
    return str(cameras.http.post("/v1/streams", json={"name": "gate", "source": "push"}).json()["push"]["key"])


@pytest.fixture
def token(cameras: Any) -> str:
    """Of our own processes."""
    return media_server.token(open_vault(None, cameras.settings.data_dir))


def ask(service: Any, action: str, path: str, **given: Any) -> int:
    """As MediaMTX asks; the status of the answer."""
    asked = {"user": "", "password": "", "token": "", "ip": "192.0.2.7", "action": action, "path": path}
    asked |= {"protocol": "rtsp", "id": None, "query": "", "userAgent": "x", **given}
    answer = service.http.post("/v1/push/auth", json=asked)
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert (answer.status_code == 204) == (answer.content == b"")
    return int(answer.status_code)


def test_the_first_request_has_no_key_and_is_asked_for_one(cameras: Any, key: str) -> None:
    for path in ("gate", "enhanced/gate", "nothing", "", "../x"):
        assert ask(cameras, "publish", path) == 401
        assert ask(cameras, "read", path) == 401


def test_a_gateway_publishes_with_the_key_of_its_stream(cameras: Any, key: str) -> None:
    other = cameras.http.post("/v1/streams", json={"name": "door", "source": "push"}).json()["push"]["key"]
    assert ask(cameras, "publish", "gate", user="any", password=key) == 204
    assert ask(cameras, "publish", "gate", token=key) == 204
    assert ask(cameras, "publish", "gate", query=f"a=1&token={key}") == 204
    for wrong in (other, key[:-1], key + "x", "None", "-" * 64, "\u00e4"):
        assert ask(cameras, "publish", "gate", password=wrong) == 401, wrong
    assert ask(cameras, "publish", "enhanced/gate", password=key) == 401
    assert ask(cameras, "publish", "new", password=key) == 401
    assert ask(cameras, "read", "enhanced/gate", password=key) == 204
    assert ask(cameras, "read", "enhanced/door", password=key) == 401
    assert ask(cameras, "read", "gate", password=key) == 401
    assert ask(cameras, "publish", "gate", query="&".join(["token=x"] * 100)) == 401


def test_a_stream_that_is_stopped_or_pulled_takes_nothing(cameras: Any, key: str) -> None:
    id = StreamStore(cameras.redis).by_name("gate").id
    cameras.http.patch(f"/v1/streams/{id}", json={"enabled": False})
    assert ask(cameras, "publish", "gate", password=key) == 403
    new = cameras.http.patch(f"/v1/streams/{id}", json={"enabled": True, "new_push_key": True}).json()["push"]["key"]
    assert ask(cameras, "publish", "gate", password=key) == 401
    assert ask(cameras, "publish", "gate", password=new) == 204
    cameras.http.post("/v1/streams", json={"name": "pulled", "url": "rtsp://192.0.2.1/"})
    assert ask(cameras, "publish", "pulled", password=SERVICE_KEY) == 403


def test_whoever_may_change_a_pulled_stream_can_read_what_is_made_of_it(cameras: Any) -> None:
    id = cameras.http.post("/v1/streams", json={"name": "pulled", "url": "rtsp://192.0.2.1/"}).json()["id"]
    assert cameras.http.get(f"/v1/streams/{id}").json()["push"] is None
    key = cameras.http.patch(f"/v1/streams/{id}", json={"new_push_key": True}).json()["push"]["key"]
    assert cameras.http.get(f"/v1/streams/{id}").json()["push"] is None
    assert ask(cameras, "read", "enhanced/pulled", password=key) == 204
    assert ask(cameras, "read", "pulled", password=key) == 401
    assert ask(cameras, "publish", "pulled", password=key) == 403


def test_with_the_services_key_a_stream_appears_under_its_path(cameras: Any) -> None:
    assert ask(cameras, "publish", "yard", password="wrong") == 401
    assert ask(cameras, "publish", "yard", password=SERVICE_KEY) == 204
    assert ask(cameras, "publish", "yard", password=SERVICE_KEY) == 204
    (stream,) = cameras.http.get("/v1/streams").json()["streams"]
    assert (stream["name"], stream["options"]["source"]) == ("yard", "push")
    assert stream["options"]["model"] == cameras.settings.default_model
    assert CameraQueue(cameras.redis).underway(stream["id"])
    for path in ("a/b", "../x", ".hidden", "x" * 65, "", "enhanced/"):
        assert ask(cameras, "publish", path, password=SERVICE_KEY) == 403, path
    assert ask(cameras, "read", "yard", password=SERVICE_KEY) == 401
    assert ask(cameras, "read", "enhanced/yard", password=SERVICE_KEY) == 401
    assert ask(cameras, "publish", "enhanced/yard", password=SERVICE_KEY) == 401


def test_our_own_processes_pull_sources_and_push_what_they_enhance(cameras: Any, key: str, token: str) -> None:
    assert ask(cameras, "read", "gate", user=media_server.USER, password=token) == 204
    assert ask(cameras, "publish", "enhanced/gate", user=media_server.USER, password=token) == 204
    assert ask(cameras, "read", "enhanced/gate", password=token) == 204
    assert ask(cameras, "publish", "gate", password=token) == 401
    for action in ("api", "metrics", "pprof", "playback", ""):
        assert ask(cameras, action, "gate", password=token) == 403, action


def test_without_a_service_key_nobody_can_make_a_stream(serve: Callable[..., Any]) -> None:
    service = serve(media_server="rtsp://mediamtx:8554", push_key=SecretStr(""))
    for password in ("x", "None", "-"):
        assert ask(service, "publish", "yard", password=password) == 401
    assert service.http.get("/v1/streams").json()["streams"] == []


def test_keys_are_in_no_answer_no_log_line_and_not_in_redis(cameras: Any, token: str, all_logs: list[Any]) -> None:
    made = cameras.http.post("/v1/streams", json={"name": "gate", "source": "push"})
    key = made.json()["push"]["key"]
    sent = [cameras.http.get("/v1/streams").text]
    for given in (
        {"password": key},
        {"password": "gue5s"},
        {"query": "token=gue5s"},
        {"token": 5, "password": "gue5s"},
    ):
        answer = cameras.http.post("/v1/push/auth", json={"action": "publish", "path": "yard", **given})
        assert answer.status_code in (401, 422)
        sent.append(answer.text)
    assert ask(cameras, "publish", "gate", password=key) == 204
    assert ask(cameras, "read", "gate", password=token) == 204
    everything = "\n".join([*sent, repr(all_logs)])
    assert "refused" in everything
    for secret in (key, token, SERVICE_KEY, "gue5s"):
        assert secret not in everything
        assert not [name for name, kept in contents(cameras.redis) if secret.encode() in kept]


def test_the_services_key_cannot_be_found_by_trying(cameras: Any, key: str) -> None:
    guesses = [ask(cameras, "publish", "yard", password=f"guess {number}") for number in range(OF_PUBLISHER + 2)]
    assert guesses == [401] * OF_PUBLISHER + [429] * 2
    asked = {"action": "publish", "path": "yard", "password": SERVICE_KEY, "ip": "192.0.2.7"}
    refused = cameras.http.post("/v1/push/auth", json=asked)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= WINDOW_S
    assert refused.json()["code"] == "too-many-attempts"
    assert ask(cameras, "publish", "gate", password=key) == 204  # its own key cannot be guessed
    assert ask(cameras, "publish", "yard", ip="192.0.2.8", password=SERVICE_KEY) == 204  # another gateway
    pretended = [ask(cameras, "publish", "x", ip=f"198.51.100.{n}", password="x") for n in range(OF_PEER)]
    assert pretended[-1] == 429  # whoever asks cannot go on by naming others
    assert ask(cameras, "publish", "yard", ip="192.0.2.9", password=SERVICE_KEY) == 429
