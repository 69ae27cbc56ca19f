"""What comes of a camera beside the live view: events, snapshots, clips of its source."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
import pytest

from media.recording_files import recording_name
from pipeline.job import JobState
from pipeline.stream import StreamState, StreamStatus
from pipeline.stream_files import StreamFiles
from pipeline.streams import StreamStore
from tests.media.camera_footage import BEGAN, moment, write_jpeg, write_ring
from tests.service.answers import problem, why

WISH = {"name": "gate", "url": "rtsp://192.0.2.10/", "model": "espcn-x2"}


@pytest.fixture
def stream(cameras: Any) -> str:
    """Id of a stream."""
    return str(cameras.http.post("/v1/streams", json=WISH).json()["id"])


@pytest.fixture
def files(cameras: Any, stream: str) -> StreamFiles:
    found = StreamFiles(cameras.settings.data_dir)
    found.create(stream, 1)
    return found


def test_what_is_kept_of_the_source_is_told(cameras: Any, stream: str, files: StreamFiles) -> None:
    assert cameras.http.get(f"/v1/streams/{stream}/source").json() == {"ranges": [], "kept_minutes": 10.0}
    for first_s in (0, 2, 10):
        write_ring(files.ring(stream), first_s, 2)
    (files.ring(stream) / "1_2_3.mov.part").write_bytes(b"")
    ranges = cameras.http.get(f"/v1/streams/{stream}/source").json()["ranges"]
    assert [found["seconds"] for found in ranges] == [4.0, 2.0]
    assert ranges[0]["start"] == "2025-11-22T19:54:25.000Z"


def test_a_stretch_of_the_source_becomes_a_clip(cameras: Any, stream: str, files: StreamFiles) -> None:
    for first_s in (0, 5):
        write_ring(files.ring(stream), first_s, 3)
    path, headers = f"/v1/streams/{stream}/clips", {"Idempotency-Key": "evening"}
    wish = {"start": moment(1.5), "end": moment(7), "codec": "hevc"}
    answer = cameras.http.post(path, params=wish, headers=headers)
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert answer.headers["location"] == f"/v1/clips/{body['id']}"
    assert (body["options"]["model"], body["options"]["codec"]) == ("espcn-x2", "hevc")
    assert body["source"]["name"] == "gate 2025-11-22T19.54.26Z.mov"
    assert (body["clip"]["codec"], body["clip"]["width"], body["clip"]["frames"]) == ("h264", 64, 20 + 20)
    camera = body["camera"]
    assert (camera["stream"], camera["name"]) == (stream, "gate")
    assert camera["start"] == "2025-11-22T19:54:26.000Z"
    ((begin, end),) = [(gap["start"], gap["end"]) for gap in camera["gaps"]]
    assert (begin[:18], end[:18]) == ("2025-11-22T19:54:2", "2025-11-22T19:54:3")
    job = cameras.jobs.get(body["id"])
    assert job.state is JobState.QUEUED
    assert cameras.files.source(job.id).stat().st_size == job.source_bytes
    assert cameras.uploads() == []
    again = cameras.http.post(path, params=wish, headers=headers)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (job.id, "true")
    other = cameras.http.post(path, params={**wish, "end": moment(6)}, headers=headers)
    problem(other, 422, "idempotency-mismatch")
    plain = cameras.http.post("/v1/clips", content=cameras.files.source(job.id).read_bytes())
    assert plain.json()["camera"] is None


def test_stretches_that_cannot_be_are_refused(cameras: Any, stream: str, files: StreamFiles) -> None:
    write_ring(files.ring(stream), 0, 2)
    path = f"/v1/streams/{stream}/clips"

    def asked(**wish: Any) -> Any:
        return cameras.http.post(path, params={"start": moment(0), "end": moment(2), **wish})

    problem(asked(end=moment(0)), 422, "invalid-request")
    assert "not 'yesterday'; write it like" in why(asked(start="yesterday"), 422, "invalid-request")
    assert "time zone" in why(asked(start="2025-11-22T19:54:25"), 422, "invalid-request")
    assert "kept is from 2025-11-22T19:54:2" in why(asked(start=moment(100), end=moment(200)), 422, "no-footage")
    problem(asked(start="2999-01-01T00:00:00Z", end="2999-01-01T00:01:00Z"), 422, "no-footage")
    problem(asked(model="none"), 422, "unknown-model")
    problem(asked(colour="red"), 422, "invalid-request")
    problem(cameras.http.post(path), 422, "invalid-request")
    assert cameras.uploads() == []
    assert cameras.jobs.list(10)[0] == []
    lost_plus = cameras.http.post(f"{path}?start=2025-11-22T20:54:25+01:00&end=2025-11-22T20:54:27+01:00")
    assert lost_plus.status_code == 202, lost_plus.text
    cameras.http.patch(f"/v1/streams/{stream}", json={"ring": 0})
    assert "ring is 0" in why(asked(), 422, "no-footage")


def test_a_clip_of_a_ring_may_not_eat_the_disk(serve: Callable[..., Any]) -> None:
    service = serve(camera_networks="192.0.2.0/24", upload_limit_bytes=2000)
    stream = service.http.post("/v1/streams", json=WISH).json()["id"]
    files = StreamFiles(service.settings.data_dir)
    files.create(stream, 1)
    write_ring(files.ring(stream), 0, 4)
    params = {"start": moment(0), "end": moment(4)}
    problem(service.http.post(f"/v1/streams/{stream}/clips", params=params), 413, "too-large")
    assert service.uploads() == []


def test_snapshots_are_of_now(cameras: Any, stream: str, files: StreamFiles, store: StreamStore) -> None:
    path = f"/v1/streams/{stream}/snapshot.jpg"
    assert "no camera worker" in why(cameras.http.get(path), 404, "stream-not-online")
    epoch = store.begin_epoch(stream, "worker-1")
    store.set_status(stream, epoch, StreamStatus(state=StreamState.ONLINE, since=0))
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            if store.take_snapshot_wish(stream):
                write_jpeg(files.snapshot(stream, "source"), 64, 48)
                write_jpeg(files.snapshot(stream, "enhanced"), 128, 96)
            done.wait(0.02)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work)
        try:
            for which, size in (("source", (64, 48)), ("enhanced", (128, 96)), ("both", (128 + 8 + 128, 96))):
                answer = cameras.http.get(path, params={"which": which})
                assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg"), answer.text
                assert answer.headers["cache-control"] == "no-store"
                with av.open(io.BytesIO(answer.content), format="jpeg_pipe") as container:
                    frame = next(container.decode(video=0))
                assert (frame.width, frame.height) == size
        finally:
            done.set()
    problem(cameras.http.get(path, params={"which": "all"}), 422, "invalid-request")


def test_a_snapshot_that_does_not_come_is_not_waited_for_long(
    cameras: Any, stream: str, files: StreamFiles, store: StreamStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.snapshots.WAIT_S", 0.2)
    epoch = store.begin_epoch(stream, "worker-1")
    store.set_status(stream, epoch, StreamStatus(state=StreamState.ONLINE, since=0))
    problem(cameras.http.get(f"/v1/streams/{stream}/snapshot.jpg"), 503, "no-snapshot")
    assert store.take_snapshot_wish(stream)


def test_recordings_are_listed_by_time_and_downloaded(cameras: Any, stream: str, files: StreamFiles) -> None:
    folder, path = files.recordings(stream), f"/v1/streams/{stream}/recordings"
    assert cameras.http.get(path).json() == {"recordings": [], "next_cursor": None, "next": None}
    names = [recording_name(BEGAN + 60 * n, 60.0) for n in range(5)]
    for n, name in enumerate(names):
        (folder / name).write_bytes(b"recording %d" % n)
    (folder / f"{names[0]}.part").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"hush")
    seen, page = [], f"{path}?limit=2"
    while page:
        answer = cameras.http.get(page).json()
        seen += [found["name"] for found in answer["recordings"]]
        page = answer["next"]
    assert seen == names
    assert "is not after" in why(
        cameras.http.get(path, params={"start": moment(9), "end": moment(8)}), 422, "invalid-request"
    )
    query = {"start": moment(61), "end": moment(180)}
    assert [found["name"] for found in cameras.http.get(path, params=query).json()["recordings"]] == names[1:3]
    first = cameras.http.get(path, params={"limit": 1}).json()["recordings"][0]
    assert (first["start"], first["end"], first["bytes"]) == (
        "2025-11-22T19:54:25.000Z",
        "2025-11-22T19:55:25.000Z",
        11,
    )
    got = cameras.http.get(first["url"], headers={"Range": "bytes=0-8"})
    assert (got.status_code, got.content, got.headers["content-type"]) == (206, b"recording", "video/mp4")
    assert f'filename="gate-{names[0]}"' in got.headers["content-disposition"]
    (folder / names[0]).unlink()
    problem(cameras.http.get(first["url"]), 410, "gone")
    for name in ("notes.txt", f"{names[1]}.part", "..%2f..%2fsecret.key", "%2e%2e"):
        assert cameras.http.get(f"{path}/{name}").status_code == 404
    problem(cameras.http.get(path, params={"cursor": "x"}), 400, "invalid-cursor")


def read_events(service: Any, stream: str, count: int, headers: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """(id, kind and data) of the first events."""
    found: list[tuple[str, str]] = []
    with service.http.stream("GET", f"/v1/streams/{stream}/events", headers=headers or {}) as answer:
        assert answer.status_code == 200
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "event" in fields:
                found.append((fields.get("id", ""), f"{fields['event']} {fields['data']}"))
                fields = {}
                if len(found) == count:
                    break
    return found


def test_events_come_and_can_be_gone_on_with(
    cameras: Any, stream: str, store: StreamStore, wait_until: Callable[..., None]
) -> None:
    store.add_event(stream, "rung", {"rung": "lanczos", "reason": "the lag is 2.9 s of 3 s"})
    store.add_event(stream, "gap", {"seconds": 4.5})
    (state, rung) = read_events(cameras, stream, 2)
    assert state[1].startswith('state {"state": "waiting"')
    assert rung[1] == 'rung {"rung": "lanczos", "reason": "the lag is 2.9 s of 3 s"}'
    (gap,) = read_events(cameras, stream, 1, {"Last-Event-ID": rung[0]})
    assert gap[1] == 'gap {"seconds": 4.5}'
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(read_events, cameras, stream, 2, {"Last-Event-ID": gap[0]})
        wait_until(lambda: cameras.blocked() == 1)
        cameras.http.patch(f"/v1/streams/{stream}", json={"enabled": False})
        cameras.http.delete(f"/v1/streams/{stream}")
        last = waiting.result(timeout=10)
    assert last[-1][1] == 'state {"state": "deleted"}'
    problem(cameras.http.get(f"/v1/streams/{stream}/events"), 404, "not-found")
