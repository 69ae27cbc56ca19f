"""Following a clip by Server-Sent Events."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.job import JobState
from pipeline.progress import SegmentProgress

Event = dict[str, Any]


@contextmanager
def stream(service: Any, id: str, last: str | None = None) -> Iterator[Iterator[Event]]:
    headers = {"Last-Event-ID": last} if last else {}
    with service.http.stream("GET", f"/v1/clips/{id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parsed(answer.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    event: Event = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            event[name] = json.loads(value) if name == "data" else value
        elif "event" in event:
            yield event
            event = {}
        else:
            event = {}


def everything(service: Any, id: str, last: str | None = None) -> list[Event]:
    with stream(service, id, last) as events:
        return list(events)


def states(events: list[Event]) -> list[str]:
    return [event["data"]["state"] for event in events if event["event"] == "state"]


def test_all_events_come_and_the_stream_ends_with_the_clip(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    seen: list[Event] = []
    reader = threading.Thread(target=lambda: seen.extend(everything(service, id)))
    reader.start()
    service.jobs.transition(id, JobState.PLANNING)
    service.jobs.transition(id, JobState.RUNNING, segments=1, frames_total=10)
    service.jobs.set_segment(id, 0, SegmentProgress(frames_done=10, finished=True))
    service.jobs.transition(id, JobState.FINISHING)
    service.jobs.transition(id, JobState.DONE)
    reader.join(timeout=10)
    assert not reader.is_alive()
    assert states(seen) == ["queued", "planning", "running", "finishing", "done"]
    assert [event["data"]["frames_done"] for event in seen if event["event"] == "progress"] == [10]
    assert all(event["id"] for event in seen)


def test_a_stream_is_resumed_after_the_last_event(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    service.jobs.transition(id, JobState.PLANNING)
    service.jobs.transition(id, JobState.CANCELLED)
    first = everything(service, id)
    assert states(everything(service, id, last=first[0]["id"])) == ["planning", "cancelled"]


def test_an_ended_clip_tells_its_end_even_to_who_knows_it(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    service.jobs.transition(id, JobState.CANCELLED)
    last = everything(service, id)[-1]
    assert states(everything(service, id, last=last["id"])) == ["cancelled"]


def test_a_meaningless_last_event_id_means_the_beginning(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    service.jobs.transition(id, JobState.CANCELLED)
    assert states(everything(service, id, last="$")) == ["queued", "cancelled"]


def test_a_clip_deleted_meanwhile_ends_its_stream(service: Any, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.follow.BLOCK_MS", 50)
    id = service.submitted(clip)
    with stream(service, id) as events:
        assert next(events)["data"]["state"] == "queued"
        service.jobs.delete(id)
        assert [event["data"]["state"] for event in events] == ["deleted"]


def test_a_quiet_stream_is_kept_alive(service: Any, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    id = service.submitted(clip)
    with service.http.stream("GET", f"/v1/clips/{id}/events") as answer:
        for line in answer.iter_lines():
            if line == ": ping":
                return
    pytest.fail("no ping came")


def test_a_client_that_leaves_frees_its_connections(
    serve: Callable[..., Any], clip: Path, wait_until: Callable[..., None]
) -> None:
    service = serve()
    id = service.submitted(clip)
    for _ in range(3):
        with stream(service, id) as events:
            next(events)
            wait_until(lambda: service.blocked() == 1)
        wait_until(lambda: service.blocked() == 0)


def test_streams_are_limited(serve: Callable[..., Any], clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.backend.FOLLOWERS", 1)
    service = serve()
    id = service.submitted(clip)
    with stream(service, id) as events:
        next(events)
        answer = service.http.get(f"/v1/clips/{id}/events")
        assert (answer.status_code, answer.json()["code"]) == (503, "too-busy")
