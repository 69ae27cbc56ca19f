"""Listing, showing, cancelling and deleting clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from media.estimate.degradation import Degradation
from pipeline.heartbeat import Heartbeat
from pipeline.job import JobKind, JobState, Problem
from pipeline.progress import SegmentProgress


def ids(answer: Any) -> list[str]:
    return [clip["id"] for clip in answer.json()["clips"]]


@pytest.fixture
def seven(service: Any, clip: Path) -> list[str]:
    """Seven clips, newest first, made of one upload."""
    first = service.jobs.get(service.submitted(clip))
    made = [first.id]
    for number in range(6):
        job = first.model_copy(update={"id": f"{first.id}-{number}", "created_at": first.created_at + number + 1})
        service.jobs.create(job)
        made.append(job.id)
    return made[::-1]


def test_pages_follow_each_other_newest_first(service: Any, seven: list[str]) -> None:
    seen, url = [], "/v1/clips?limit=3"
    while url:
        answer = service.http.get(url)
        seen.append(ids(answer))
        url = answer.json()["next"]
        assert ("link" in answer.headers) == (url is not None)
    assert seen == [seven[:3], seven[3:6], seven[6:]]


def test_previews_are_not_listed_and_leave_no_gaps(service: Any, seven: list[str]) -> None:
    for id in seven[1:5]:
        service.jobs.update(id, kind=JobKind.PREVIEW)
    assert ids(service.http.get("/v1/clips?limit=3")) == [seven[0], *seven[5:]]
    assert service.http.get(f"/v1/clips/{seven[1]}").status_code == 404


def test_the_list_can_be_narrowed_to_a_state(service: Any, seven: list[str]) -> None:
    service.jobs.transition(seven[2], JobState.CANCELLED)
    assert ids(service.http.get("/v1/clips?state=cancelled")) == [seven[2]]
    page = service.http.get("/v1/clips?state=queued&limit=4")
    assert len(ids(page)) == 4
    assert "state=queued" in page.json()["next"]


def test_a_planned_clip_shows_how_degraded_it_is(service: Any, clip: Path) -> None:
    job = service.submitted(clip)
    before = service.http.get(f"/v1/clips/{job}").json()
    assert (before["estimate"], before["outside_envelope"]) == (None, [])
    found = Degradation(9, 21.2, None, 0.5, 0.1, False, 90.0, 140.0, 28.0, 0.125).to_json()
    service.jobs.transition(job, JobState.PLANNING)
    service.jobs.transition(job, JobState.RUNNING, estimate=found, outside_envelope=["noise of about 21 levels"])
    after = service.http.get(f"/v1/clips/{job}").json()
    assert after["estimate"] == found
    assert after["estimate"]["interlaced"] is True
    assert after["outside_envelope"] == ["noise of about 21 levels"]


@pytest.mark.parametrize("cursor", ["nonsense", "WzEsMl0", "../../etc"])
def test_a_bad_cursor_is_refused(service: Any, cursor: str) -> None:
    answer = service.http.get("/v1/clips", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "state=lost"])
def test_a_bad_query_is_refused(service: Any, query: str) -> None:
    answer = service.http.get(f"/v1/clips?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert answer.json()["errors"][0]["field"] == query.split("=")[0]


def test_progress_is_shown_as_workers_report_it(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    service.jobs.transition(id, JobState.PLANNING)
    service.jobs.transition(id, JobState.RUNNING, segments=2, frames_total=10)
    service.jobs.set_segment(id, 0, SegmentProgress(5, 1, 100, 80, 2, 3, finished=True))
    body = service.http.get(f"/v1/clips/{id}").json()
    assert (body["state"], body["frames_done"], body["frames_total"]) == ("running", 5, 10)
    assert (body["frames_resized"], body["reuse_share"]) == (1, 0.8)
    assert body["damaged"] == {"packets": 2, "frames": 3}
    assert body["segments"] == {"done": 1, "total": 2}
    assert body["fps"] > 0
    assert body["eta_s"] >= 0
    assert body["links"]["result"] is None


def test_workers_that_are_not_there_are_named(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    assert service.http.get(f"/v1/clips/{id}").json()["waiting_for"] == ["clip worker", "enhance worker"]
    Heartbeat(service.redis, "clip", "one").beat()
    assert service.http.get(f"/v1/clips/{id}").json()["waiting_for"] == ["enhance worker"]
    Heartbeat(service.redis, "enhance", "one").beat()
    assert service.http.get(f"/v1/clips/{id}").json()["waiting_for"] == []


def test_a_failed_clip_says_why(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    service.jobs.transition(id, JobState.FAILED, problem=Problem(code="disk-full", detail="no room"))
    body = service.http.get(f"/v1/clips/{id}").json()
    assert body["problem"] == {"code": "disk-full", "detail": "no room"}
    assert body["waiting_for"] == []
    assert body["eta_s"] is None


def test_polling_an_unchanged_clip_costs_no_body(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    first = service.http.get(f"/v1/clips/{id}")
    again = service.http.get(f"/v1/clips/{id}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    service.jobs.transition(id, JobState.PLANNING)
    changed = service.http.get(f"/v1/clips/{id}", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_deleting_an_active_clip_cancels_it(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    assert service.http.delete(f"/v1/clips/{id}").status_code == 204
    assert service.http.get(f"/v1/clips/{id}").json()["state"] == "cancelled"
    assert service.files.job_ids() == set()
    assert service.queue.states(id) == {}


def test_deleting_an_ended_clip_removes_it(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    service.finish(id, b"result", "00" * 32)
    assert service.http.delete(f"/v1/clips/{id}").status_code == 204
    assert service.http.get(f"/v1/clips/{id}").status_code == 404
    assert service.http.delete(f"/v1/clips/{id}").status_code == 404
    assert service.files.job_ids() == set()
    assert not [key for key in service.redis.keys("gleaner:job*") if id.encode() in key]


@pytest.mark.parametrize("id", ["nothing", "UPPER", "a" * 100, "..", "a%2Fb", "%00"])
def test_unknown_ids_are_not_found(service: Any, id: str) -> None:
    for path in (f"/v1/clips/{id}", f"/v1/clips/{id}/result", f"/v1/clips/{id}/events", f"/v1/clips/{id}/report"):
        answer = service.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert service.http.delete(f"/v1/clips/{id}").status_code in (404, 405)
