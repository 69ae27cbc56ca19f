"""Cameras added, listed, shown, changed and removed; what may be wanted, and that no password ever comes back."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.camera_queue import CameraQueue
from pipeline.secrets import open_vault
from pipeline.stream import SourceFacts, StreamState, StreamStatus
from pipeline.stream_files import StreamFiles
from pipeline.streams import StreamStore
from tests.redis_contents import contents
from tests.service.answers import problem, why

SECRET = "s3cr%2Ft-Pässwörd"
PLAIN = "s3cr/t-Pässwörd"
URL = f"rtsp://operator:{SECRET}@192.0.2.10:554/axis-media/media.amp?camera=1&token=tok3n"
SHOWN = "rtsp://192.0.2.10:554/axis-media/media.amp?camera=***&token=***"


def add(service: Any, name: str = "gate", **wishes: Any) -> Any:
    return service.http.post("/v1/streams", json={"name": name, "url": URL, **wishes})


def added(service: Any, name: str = "gate", **wishes: Any) -> dict[str, Any]:
    answer = add(service, name, **wishes)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def sealed_url(service: Any, id: str, which: str = "url") -> str:
    """As the camera worker would get it."""
    token = StreamStore(service.redis).sealed(id)[which]
    return open_vault(None, service.settings.data_dir).open(token)


def test_a_camera_is_added_and_waits_for_a_worker(cameras: Any) -> None:
    answer = add(cameras, model="espcn-x2", ladder=["espcn-x2"], budget_s=2)
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == body["links"]["self"] == f"/v1/streams/{body['id']}"
    assert (body["name"], body["state"], body["url"], body["credentials"]) == ("gate", "waiting", SHOWN, True)
    assert body["options"]["ladder"] == ["espcn-x2", "lanczos"]
    assert set(body["weights"]) == {"espcn-x2", "lanczos"}
    assert len(body["weights"]["espcn-x2"]) == 64
    assert body["waiting_for"] == ["camera worker", "enhance worker"]
    assert body["push"] is None
    assert CameraQueue(cameras.redis).underway(body["id"])
    assert sealed_url(cameras, body["id"]) == URL.replace("ä", "%C3%A4").replace("ö", "%C3%B6")
    shown = cameras.http.get(body["links"]["self"])
    assert shown.json() == body
    again = cameras.http.get(body["links"]["self"], headers={"If-None-Match": shown.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_its_owner_reports_is_shown(cameras: Any, store: StreamStore) -> None:
    id = added(cameras)["id"]
    epoch = store.begin_epoch(id, "worker-1")
    now = epoch / 1000
    status = StreamStatus(
        state=StreamState.ONLINE,
        since=now,
        source=SourceFacts(codec="h264", width=1280, height=720, fps=25.0),
        last_frame_at=now,
        captured_at=now - 0.2,
        clock="rtcp",
        drift_ppm=-12.34,
        fps_in=24.98,
        fps_out=12.5,
        lag_s=0.81234,
        frames=100,
        dropped=7,
        rung="espcn-x4",
        rung_reason="there is room",
    )
    store.set_status(id, epoch, status)
    body = cameras.http.get(f"/v1/streams/{id}").json()
    live = body["live"]
    assert body["state"] == "online"
    assert live["source"] == {"codec": "h264", "width": 1280, "height": 720, "fps": 25.0}
    assert (live["clock"], live["drift_ppm"], live["dropped"], live["rung"]) == ("rtcp", -12.3, 7, "espcn-x4")
    assert live["frame_age_s"] < 5
    assert live["captured_at"] < live["last_frame_at"]


def test_streams_are_listed_newest_first_page_by_page(cameras: Any) -> None:
    names = [added(cameras, f"camera-{n}")["name"] for n in range(5)]
    seen, path = [], "/v1/streams?limit=2"
    while path:
        page = cameras.http.get(path)
        assert page.headers.get("link", "").startswith(f"<{page.json()['next']}>") == bool(page.json()["next"])
        seen += [stream["name"] for stream in page.json()["streams"]]
        path = page.json()["next"]
    assert seen == names[::-1]
    problem(cameras.http.get("/v1/streams?cursor=!!"), 400, "invalid-cursor")


def test_the_same_request_again_gets_the_same_stream(cameras: Any) -> None:
    headers = {"Idempotency-Key": "one"}
    wish = {"name": "gate", "url": URL}
    first = cameras.http.post("/v1/streams", json=wish, headers=headers)
    again = cameras.http.post("/v1/streams", json=wish, headers=headers)
    assert (first.json()["id"], again.headers["idempotency-replayed"]) == (again.json()["id"], "true")
    other = cameras.http.post("/v1/streams", json={**wish, "url": URL.replace("tok3n", "x")}, headers=headers)
    problem(other, 422, "idempotency-mismatch")
    problem(add(cameras), 409, "name-taken")


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"url": "http://192.0.2.10/"}, "camera-url-scheme", "url"),
    ({"url": "rtsp://operator:s3cret@[::1"}, "camera-host-malformed", "url"),
    ({"url": "rtsp://operator:s3cret@192.0.2.10:x/"}, "camera-url-malformed", "url"),
    ({"url": "rtsp://operator:s3cret@127.0.0.1/"}, "camera-network-denied", "url"),
    ({"url": "rtsp://operator:s3cret@203.0.113.5/"}, "camera-network-denied", "url"),
    ({"url": "rtsp://operator:s3cret@192.0.2.5:6379/"}, "camera-port-denied", "url"),
    ({"url": "rtsp://operator:s3cret@camera.invalid/"}, "camera-host-unknown", "url"),
    ({"push_url": "rtsp://operator:s3cret@203.0.113.5/"}, "camera-network-denied", "push_url"),
    ({"url": None}, "invalid-request", "url"),
    ({"url": 5}, "invalid-request", "url"),
    ({"url": "rtsp://operator:s3cret@192.0.2.10/" + "x" * 3000}, "invalid-request", "url"),
    ({"url": ["rtsp://operator:s3cret@192.0.2.10/"]}, "invalid-request", "url"),
    ({"uri": "rtsp://operator:s3cret@192.0.2.10/"}, "invalid-request", "uri"),
    ({"rtsp://operator:s3cret@192.0.2.10/": 1}, "invalid-request", "?"),
    ({"transport": "rtsp://operator:s3cret@192.0.2.10/"}, "invalid-request", "transport"),
    ({"model": "rtsp://operator:s3cret@192.0.2.10/"}, "unknown-model", "model"),
    ({"ladder": ["espcn-x4", "no"]}, "unknown-model", "ladder"),
    ({"ladder": ["lanczos", "espcn-x4"]}, "invalid-request", "ladder"),
    ({"ladder": ["espcn-x4", "espcn-x4"]}, "invalid-request", "ladder"),
    ({"scale": 3}, "unknown-scale", "scale"),
    ({"scale": 4, "target_height": 720}, "scale-and-height", "target_height"),
    ({"source": "push"}, "invalid-request", "url"),
    ({"source": "push", "url": None}, "no-media-server", "source"),
    ({"push_to_media_server": True}, "no-media-server", "push_to_media_server"),
    ({"budget_s": 0.1}, "invalid-request", "budget_s"),
    ({"name": "../x"}, "invalid-request", "name"),
    ({"name": "rtsp://operator:s3cret@192.0.2.10/"}, "invalid-request", "name"),
    ({"record": {"hours": 0}}, "invalid-request", "record.hours"),
    ({"ring": -1}, "invalid-request", "ring"),
]


def test_what_cannot_be_is_refused_with_the_field_and_without_the_password(cameras: Any) -> None:
    for wishes, code, field in REFUSED:
        answer = add(cameras, **wishes)
        body = problem(answer, 422, code)
        assert [error["field"] for error in body["errors"]] == [field], wishes
        assert "s3cret" not in answer.text
        assert "operator" not in answer.text
    assert cameras.http.get("/v1/streams").json()["streams"] == []


TOLD: list[tuple[dict[str, Any], str]] = [
    ({"model": "espcn-x9"}, "model: there is no model named 'espcn-x9'; the models are"),
    ({"ladder": ["espcn-x4", "no"]}, "ladder: there is no model named 'no'"),
    ({"model": "auto"}, "auto chooses by a whole clip"),
    ({"name": "a b"}, "begins with no '.', not 'a b'"),
    ({"record": True}, "record: it must be a JSON object"),
]


def test_what_is_refused_is_told_with_its_value_and_what_would_do(cameras: Any) -> None:
    for wishes, said in TOLD:
        detail = add(cameras, **wishes).json()["detail"]
        assert said in detail, detail
        assert "Value error" not in detail
    for content, kind in ((b"{", "application/json"), (b"name=gate", "application/x-www-form-urlencoded")):
        answer = cameras.http.post("/v1/streams", content=content, headers={"Content-Type": kind})
        assert "body: it " in why(answer, 422, "invalid-request")


def test_bodies_that_are_no_json_are_refused(cameras: Any) -> None:
    for content in (b"", b"{", b"[]", b'"rtsp://operator:s3cret@192.0.2.10/"', b'{"name": "\\ud800"}', b"\xff"):
        answer = cameras.http.post("/v1/streams", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), content
        assert "s3cret" not in answer.text
    answer = cameras.http.post("/v1/streams", content=b"{}" + b" " * 70_000)
    problem(answer, 413, "body-too-large")


@pytest.mark.parametrize(
    ("field", "value", "default"),
    [
        ("transport", "udp", "tcp"),
        ("budget_s", 5.0, 3.0),
        ("hls", False, True),
        ("ring", 20.0, 10.0),
        ("enabled", False, True),
        ("fuse", True, False),
        ("record", {"hours": 2.0, "gigabytes": 1.0}, None),
        ("scale", 2, None),
    ],
)
def test_null_means_the_default(cameras: Any, field: str, value: object, default: object) -> None:
    body = added(cameras, model="espcn-x2", **{field: value})
    assert body["options"][field] == value
    answer = cameras.http.patch(f"/v1/streams/{body['id']}", json={field: None})
    assert answer.status_code == 200, answer.text
    assert answer.json()["options"] == body["options"] | {field: default}


def test_any_option_can_be_changed_and_the_rest_stays(cameras: Any, store: StreamStore) -> None:
    id = added(cameras, model="espcn-x2", ladder=["espcn-x2", "lanczos"], scale=2)["id"]
    path = f"/v1/streams/{id}"
    wishes = {"name": "door", "transport": "udp", "budget_s": 5.0, "hls": False, "record": {"hours": 2}, "ring": 20}
    answer = cameras.http.patch(path, json=wishes)
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert (body["name"], body["url"], body["credentials"]) == ("door", SHOWN, True)
    options = body["options"]
    assert (options["transport"], options["budget_s"], options["hls"], options["ring"]) == ("udp", 5.0, False, 20.0)
    assert options["record"] == {"hours": 2.0, "gigabytes": 10.0}
    assert (options["model"], options["scale"]) == ("espcn-x2", 2)
    assert body["links"]["live"] is None
    assert store.by_name("door").id == id
    body = cameras.http.patch(path, json={"model": "espcn-x4", "target_height": 1080, "record": None}).json()
    assert body["options"]["ladder"] == ["espcn-x4", "lanczos"]
    assert (body["options"]["scale"], body["options"]["target_height"]) == (None, 1080)
    assert body["options"]["record"] is None
    assert set(body["weights"]) == {"espcn-x4", "lanczos"}
    before = store.get(id)
    assert cameras.http.patch(path, json={}).json()["changed_at"] == body["changed_at"]
    assert store.get(id) == before
    added(cameras, "other")
    problem(cameras.http.patch(path, json={"name": "other"}), 409, "name-taken")
    problem(cameras.http.patch(path, json={"nome": "x"}), 422, "invalid-request")
    problem(cameras.http.patch("/v1/streams/none", json={}), 404, "not-found")


def test_a_stream_is_stopped_and_started_again(cameras: Any, store: StreamStore) -> None:
    id = added(cameras, enabled=False)["id"]
    assert not CameraQueue(cameras.redis).underway(id)
    path = f"/v1/streams/{id}"
    assert cameras.http.get(path).json()["state"] == "stopped"
    assert cameras.http.get(path).json()["waiting_for"] == []
    assert cameras.http.patch(path, json={"enabled": True}).json()["state"] == "waiting"
    assert CameraQueue(cameras.redis).underway(id)
    epoch = store.begin_epoch(id, "worker-1")
    assert cameras.http.get(path).json()["state"] == "connecting"
    assert cameras.http.patch(path, json={"enabled": False}).json()["state"] == "stopped"
    with pytest.raises(Exception, match="stopped"):
        store.check(id, epoch)


CHANGED_URLS = [
    (SHOWN, URL),  # as it was shown: the same, with all that was hidden
    ("rtsp://192.0.2.10/other", f"rtsp://operator:{SECRET}@192.0.2.10:554/other"),
    ("rtsp://new:word@192.0.2.10/other", "rtsp://new:word@192.0.2.10:554/other"),
    ("rtsp://@192.0.2.10/other", "rtsp://192.0.2.10:554/other"),
    ("rtsp://192.0.2.11/other", "rtsp://192.0.2.11:554/other"),  # another host must not be sent the password
    ("rtsp://192.0.2.10:8554/other", "rtsp://192.0.2.10:8554/other"),
    ("rtsps://192.0.2.10:554/other", "rtsps://192.0.2.10:554/other"),
]


def test_credentials_go_on_only_to_the_place_they_were_given_for(cameras: Any) -> None:
    id = added(cameras)["id"]
    for url, kept in CHANGED_URLS:
        assert cameras.http.patch(f"/v1/streams/{id}", json={"url": URL}).json()["url"] == SHOWN
        answer = cameras.http.patch(f"/v1/streams/{id}", json={"url": url})
        assert answer.status_code == 200, answer.text
        assert sealed_url(cameras, id) == kept.replace("ä", "%C3%A4").replace("ö", "%C3%B6")
        assert answer.json()["credentials"] == ("@" in kept)


def test_a_hidden_value_is_not_taken_for_the_value(cameras: Any) -> None:
    id = added(cameras)["id"]
    body = problem(
        cameras.http.patch(f"/v1/streams/{id}", json={"url": SHOWN.replace("camera=***", "camera=2")}),
        422,
        "camera-url-malformed",
    )
    assert "***" in body["detail"]


def test_a_pulled_camera_may_become_one_that_pushes_and_back(serve: Callable[..., Any]) -> None:
    service = serve(camera_networks="192.0.2.0/24", media_server="rtsp://mediamtx:8554")
    id = added(service)["id"]
    body = service.http.patch(f"/v1/streams/{id}", json={"source": "push"}).json()
    assert (body["url"], body["credentials"]) == (None, False)
    assert StreamStore(service.redis).sealed(id) == {}
    key = body["push"]["key"]
    assert len(key) >= 32
    assert service.http.get(f"/v1/streams/{id}").json()["push"] == {
        "path": "gate",
        "user": "gateway",
        "key": None,
        "url": None,
    }
    new = service.http.patch(f"/v1/streams/{id}", json={"new_push_key": True}).json()["push"]["key"]
    assert new not in (None, key)
    problem(service.http.patch(f"/v1/streams/{id}", json={"source": "pull"}), 422, "invalid-request")
    body = service.http.patch(f"/v1/streams/{id}", json={"source": "pull", "url": URL}).json()
    assert (body["url"], body["push"]) == (SHOWN, None)


def test_a_gateway_is_told_once_where_a_worker_listens(cameras: Any) -> None:
    one, two = (added(cameras, name, url=None, source="listen-rtmp") for name in ("one", "two"))
    url = one["push"]["url"]
    assert re.fullmatch(r"rtmp://HOST:18554/[A-Za-z0-9_-]{43}", url)
    assert ":18555/" in two["push"]["url"]
    path = f"/v1/streams/{one['id']}"
    assert cameras.http.get(path).json()["push"] == {"path": None, "user": None, "key": None, "url": None}
    assert cameras.http.patch(path, json={"new_push_key": True}).json()["push"]["url"] == url
    assert cameras.http.patch(path, json={"ring": 1}).json()["push"]["url"] is None


def test_a_removed_stream_leaves_nothing(cameras: Any, store: StreamStore) -> None:
    id = added(cameras)["id"]
    epoch = store.begin_epoch(id, "worker-1")
    files = StreamFiles(cameras.settings.data_dir)
    (files.create(id, epoch) / "ring" / "x.mov").write_bytes(b"x")
    assert cameras.http.delete(f"/v1/streams/{id}").status_code == 204
    assert not files.folder(id).exists()
    assert [key for key in cameras.redis.keys("*") if id.encode() in key] == []
    for method, path in itertools.product(("GET", "PATCH", "DELETE"), (f"/v1/streams/{id}",)):
        problem(cameras.http.request(method, path, json={} if method == "PATCH" else None), 404, "not-found")
    added(cameras)  # its name is free


def test_a_page_of_another_site_can_change_nothing(cameras: Any) -> None:
    id = added(cameras)["id"]
    headers = {"Sec-Fetch-Site": "cross-site"}
    problem(cameras.http.patch(f"/v1/streams/{id}", json={"enabled": False}, headers=headers), 403, "cross-site")
    assert cameras.http.patch("/v1/streams").headers["allow"] == "GET, HEAD, POST"
    assert cameras.http.put(f"/v1/streams/{id}").headers["allow"] == "GET, HEAD, PATCH, DELETE"


def test_no_password_in_any_answer_log_line_or_in_redis(cameras: Any, all_logs: list[Any]) -> None:
    sent: list[str] = []
    for answer in (
        add(cameras, push_url=f"rtsp://pusher:{SECRET}@198.51.100.7:8554/out"),
        add(cameras),  # the name is taken
        add(cameras, "second", url=f"rtsp://operator:{SECRET}@203.0.113.9/"),
        add(cameras, f"rtsp://operator:{SECRET}@192.0.2.10/"),
        add(cameras, "third", url=f"rtsp://operator:{PLAIN}@192.0.2.10/"),
        cameras.http.get("/v1/streams"),
    ):
        sent.append(answer.text + str(answer.headers))
    id = cameras.http.get("/v1/streams").json()["streams"][0]["id"]
    for wishes in ({"url": f"rtsp://a:{SECRET}@192.0.2.10/{n}"} for n in range(2)):
        sent.append(cameras.http.patch(f"/v1/streams/{id}", json=wishes).text)
    sent.append(cameras.http.get(f"/v1/streams/{id}").text)
    sent.append(cameras.http.get("/metrics").text)
    everything = "\n".join([*sent, repr(all_logs)])
    assert any(line["event"] == "request" for line in all_logs)
    for word in ("s3cr", "sswörd", "Pässw", "P%C3%A4ss", "tok3n"):
        assert word not in everything, re.findall(f".{{0,80}}{re.escape(word)}", everything)
        assert [key for key, value in contents(cameras.redis) if word.encode() in value] == []
    for path in Path(cameras.settings.data_dir).rglob("*"):
        assert not path.is_file() or b"s3cr" not in path.read_bytes()
