"""Explorations over HTTP, with the clip worker's part played by the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.explore_progress import ExploreProgress
from pipeline.heartbeat import Heartbeat
from pipeline.job import JobKind, JobState, Problem
from pipeline.metrics import read_samples
from service.client import Client, ServiceError
from tests.service.banks import write_bank

WANTED = {"frame": 3, "box": [8, 4, 12, 10], "count": 2, "steps": 10}
PNG = b"\x89PNG\r\n\x1a\n picture"


@pytest.fixture
def bank(service: Any) -> str:
    return write_bank(service.settings.models_dir).name


@pytest.fixture
def clip_id(service: Any, clip: Path) -> str:
    return str(service.submitted(clip))


def explore(service: Any, clip_id: str, headers: dict[str, str] | None = None, **changes: Any) -> Any:
    return service.http.post(f"/v1/clips/{clip_id}/explore", json=WANTED | changes, headers=headers or {})


def explored(service: Any, clip_id: str, **changes: Any) -> str:
    answer = explore(service, clip_id, **changes)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def finish(service: Any, id: str) -> None:
    """As the clip worker does."""
    service.jobs.transition(id, JobState.PLANNING)
    service.jobs.transition(id, JobState.RUNNING)
    service.jobs.transition(id, JobState.FINISHING)
    for which, number in (("sheet", None), ("spread", None), ("candidate", 0), ("candidate", 1)):
        service.files.exploration(id, which, number).write_bytes(PNG + f"{which}{number}".encode())
    found = {"runs": 1, "explains": True, "diverged": False}
    candidates = [{"number": 1, "error": 0.001, **found}, {"number": 0, "error": 0.01, **found, "explains": False}]
    bank = {"name": "toy", "size": 32, "sha256": "00" * 32, "licence": "CC0", "trained_on": "nothing"}
    result = {
        "statement": "None of them is evidence.",
        "frame": 3,
        "pts": 1536,
        "time_s": 0.12,
        "region": [6, 1, 16, 16],
        "bank": bank,
        "seed": 0,
        "eps": 2e-3,
        "candidates": candidates,
        "explaining": 1,
        "not_finite": [],
        "distances": [[0.0, 0.2], [0.2, 0.0]],
    }
    service.jobs.transition(id, JobState.DONE, result=result)


def counted(service: Any, state: str) -> float:
    samples = read_samples(service.redis.hgetall("gleaner:metrics"), 0.0)["gleaner_jobs_total"]
    return float(samples.get((state,), 0.0))  # type: ignore[arg-type]


def test_an_exploration_is_accepted_and_queued(service: Any, clip_id: str, bank: str) -> None:
    before = counted(service, "queued")
    answer = explore(service, clip_id, count=3)
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == body["links"]["self"] == f"/v1/explorations/{body['id']}"
    assert "retry-after" in answer.headers
    assert (body["state"], body["clip"], body["result"], body["waiting_for"]) == (
        "queued",
        clip_id,
        None,
        ["clip worker"],
    )
    assert body["options"] == {**WANTED, "count": 3, "model": bank, "seed": 0}
    assert body["progress"] == dict.fromkeys(("candidate", "count", "run", "runs", "step", "steps", "share"), 0) | {
        "best_error": None,
        "eta_s": None,
    }
    job = service.jobs.get(body["id"])
    assert (job.kind, job.explored.clip) == (JobKind.EXPLORE, clip_id)
    assert service.queue.states(job.id) == {f"{job.id}-explore": "queued"}
    assert counted(service, "queued") == before + 1
    Heartbeat(service.redis, "clip", "one").beat()
    assert service.http.get(body["links"]["self"]).json()["waiting_for"] == []


REFUSED: list[tuple[dict[str, Any], str, str, str]] = [  # what is changed, code, field, words
    ({"frame": 10}, "frame-out-of-range", "frame", "no frame 10: the clip has 10 frames, give 0 to 9"),
    ({"box": [60, 4, 12, 10]}, "box-out-of-range", "box", "64x48"),
    ({"box": [-1, 4, 12, 10]}, "box-out-of-range", "box", "negative"),
    ({"box": [8, 4, 3, 10]}, "box-out-of-range", "box", "too small"),
    ({"box": [8, 4, 20, 10]}, "box-out-of-range", "box", "16 at most"),
    ({"model": "nothing"}, "unknown-model", "model", "no bank 'nothing'; the banks are toy"),
    ({"model": "espcn-x4"}, "not-a-bank", "model", "espcn-x4 enhances clips"),
    ({"count": 17}, "invalid-request", "count", "less than or equal to 16, not 17"),
    ({"count": 0}, "invalid-request", "count", "not 0"),
    ({"frame": -1}, "invalid-request", "frame", "not -1"),
    ({"frame": "3"}, "invalid-request", "frame", "valid integer, not '3'"),
    ({"steps": 9}, "invalid-request", "steps", "not 9"),
    ({"seed": 1 << 32}, "invalid-request", "seed", "not 4294967296"),
    ({"box": [1, 2, 3]}, "invalid-request", "box", "at least 4 items"),
    ({"box": [1, 2, 3, True]}, "invalid-request", "box.3", "valid integer, not True"),
    ({"bogus": 1}, "invalid-request", "bogus", "no such option"),
]


def test_what_cannot_be_explored_is_refused_by_name(service: Any, clip_id: str, bank: str) -> None:
    for change, code, field, said in REFUSED:
        answer = explore(service, clip_id, **change)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, code), change
        assert said in problem["detail"]
        assert [error["field"] for error in problem["errors"]] == [field]
    assert service.jobs.exploration_ids(clip_id) == []
    assert service.files.job_ids() == {clip_id}


def test_banks_are_listed_beside_the_models(service: Any) -> None:
    assert [bank["name"] for bank in service.http.get("/v1/models").json()["banks"]] == ["bank-64"]
    facts = write_bank(service.settings.models_dir, size=64)
    write_bank(service.settings.models_dir, "odd", channels=None)
    listed = service.http.get("/v1/models").json()
    own, shipped = listed["banks"]
    assert (own["name"], own["size"], own["licence"]) == ("toy", 64, facts.licence)
    assert shipped["name"] == "bank-64"
    assert not {"toy", "odd"} & {model["name"] for model in listed["models"]}


def test_the_bank_that_ships_is_explored_until_one_is_imported(service: Any, clip_id: str) -> None:
    assert explore(service, clip_id).json()["options"]["model"] == "bank-64"
    write_bank(service.settings.models_dir, "later")
    assert explore(service, clip_id).json()["options"]["model"] == "later"


def test_a_bank_that_does_not_say_how_large_it_draws_is_none(service: Any, clip_id: str) -> None:
    write_bank(service.settings.models_dir, channels=None)
    answer = explore(service, clip_id, model="toy")
    assert (answer.status_code, answer.json()["code"]) == (422, "not-a-bank")
    assert "the facts of toy" in answer.json()["detail"]


def test_boxes_are_of_the_upright_picture_and_unknown_lengths_are_no_reason(
    service: Any, clip_id: str, bank: str
) -> None:
    below = {"box": [4, 50, 8, 8]}
    assert explore(service, clip_id, **below).json()["code"] == "box-out-of-range"
    facts = service.jobs.get(clip_id).clip
    service.jobs.update(clip_id, clip=facts | {"rotation": 90, "frames": None})
    assert explore(service, clip_id, **below, frame=99).status_code == 202
    assert "48x64 as shown" in explore(service, clip_id, box=[50, 4, 8, 8]).json()["detail"]


def test_clips_that_are_not_there_cannot_be_explored(service: Any, clip_id: str, bank: str) -> None:
    assert explore(service, "nothing").status_code == 404
    service.http.delete(f"/v1/clips/{clip_id}")
    answer = explore(service, clip_id)
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert "send it again" in answer.json()["detail"]
    service.jobs.update(clip_id, kind=JobKind.PREVIEW)
    answer = explore(service, clip_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "dry run" in answer.json()["detail"]


def test_what_is_no_json_is_refused(service: Any, clip_id: str, bank: str) -> None:
    for content, kind in ((b"{", "application/json"), (b"frame=3", "application/x-www-form-urlencoded"), (b"", "")):
        answer = service.http.post(f"/v1/clips/{clip_id}/explore", content=content, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


def test_the_same_key_gets_the_same_exploration(service: Any, clip_id: str, bank: str, clip: Path) -> None:
    key = {"Idempotency-Key": "k-1"}
    first, again = explore(service, clip_id, key), explore(service, clip_id, key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert len(service.jobs.exploration_ids(clip_id)) == 1
    assert explore(service, clip_id, key, frame=4).json()["code"] == "idempotency-mismatch"
    assert explore(service, service.submitted(clip), key).json()["code"] == "idempotency-mismatch"
    assert explore(service, clip_id, {"Idempotency-Key": "k-2"}, frame=99).status_code == 422
    assert explore(service, clip_id, {"Idempotency-Key": "k-2"}).status_code == 202


def test_explorations_are_listed_under_their_clip_only(service: Any, clip_id: str, bank: str, clip: Path) -> None:
    other = service.submitted(clip)
    made = [explored(service, clip_id, seed=number) for number in range(5)][::-1]
    explored(service, other)
    assert {each["id"] for each in service.http.get("/v1/clips").json()["clips"]} == {clip_id, other}
    assert service.http.get(f"/v1/clips/{made[0]}").status_code == 404
    assert service.http.get(f"/v1/explorations/{clip_id}").status_code == 404
    assert "no exploration" in service.http.get(f"/v1/explorations/{clip_id}").json()["detail"]
    seen, url = [], f"/v1/clips/{clip_id}/explorations?limit=2"
    while url:
        answer = service.http.get(url)
        seen += [each["id"] for each in answer.json()["explorations"]]
        url = answer.json()["next"]
        assert ("link" in answer.headers) == (url is not None)
    assert seen == made
    answer = service.http.get(f"/v1/clips/{clip_id}/explorations?cursor=nonsense")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")


def test_progress_is_shown_and_polling_is_cheap(service: Any, clip_id: str, bank: str) -> None:
    id = explored(service, clip_id)
    service.jobs.transition(id, JobState.PLANNING)
    service.jobs.transition(id, JobState.RUNNING)
    first = service.http.get(f"/v1/explorations/{id}")
    etag = {"If-None-Match": first.headers["etag"]}
    assert service.http.get(f"/v1/explorations/{id}", headers=etag).status_code == 304
    progress = ExploreProgress(2, 2, 1, 3, 5, 10, 0.01, share=0.6, elapsed_s=6.0)
    service.jobs.set_exploring(id, progress, attempt=service.jobs.begin_attempt(id, 0))
    body = service.http.get(f"/v1/explorations/{id}", headers=etag).json()
    assert body["state"] == "running"
    assert body["progress"] == {
        "candidate": 2,
        "count": 2,
        "run": 1,
        "runs": 3,
        "step": 5,
        "steps": 10,
        "best_error": 0.01,
        "share": 0.6,
        "eta_s": 4.0,
    }


def test_once_done_it_has_its_result_and_pictures(service: Any, clip_id: str, bank: str) -> None:
    id = explored(service, clip_id)
    for name in ("sheet", "spread", "candidates/0"):
        assert service.http.get(f"/v1/explorations/{id}/{name}.png").json()["code"] == "not-ready"
    finish(service, id)
    body = service.http.get(f"/v1/explorations/{id}").json()
    result = body["result"]
    assert result["statement"] == "None of them is evidence."
    assert result["frame"] == {"number": 3, "pts": 1536, "time_s": 0.12}
    assert (result["region"], result["eps"], result["seed"]) == ([6, 1, 16, 16], 2e-3, 0)
    assert result["bank"]["licence"] == "CC0"
    assert [(each["number"], each["explains"]) for each in result["candidates"]] == [(1, True), (0, False)]
    assert result["distances"] == [[0.0, 0.2], [0.2, 0.0]]
    wanted = {result["sheet"]: "sheetNone", result["spread"]: "spreadNone"}
    wanted |= {each["url"]: f"candidate{each['number']}" for each in result["candidates"]}
    assert body["links"]["sheet"] == result["sheet"]
    for url, content in wanted.items():
        picture = service.http.get(url)
        assert (picture.status_code, picture.content) == (200, PNG + content.encode())
        assert picture.headers["content-type"] == "image/png"
        assert service.http.get(url, headers={"If-None-Match": picture.headers["etag"]}).status_code == 304
        assert service.http.head(url).headers["content-length"] == str(len(picture.content))
    for name in ("candidates/2", "candidates/-1", "candidates/99999999999999"):
        assert service.http.get(f"/v1/explorations/{id}/{name}.png").json()["code"] == "not-found"
    service.files.exploration(id, "sheet").unlink()
    assert service.http.get(result["sheet"]).json()["code"] == "gone"


def test_a_failed_one_says_why(service: Any, clip_id: str, bank: str) -> None:
    id = explored(service, clip_id)
    service.jobs.transition(id, JobState.FAILED, problem=Problem(code="out-of-memory", detail="too large a bank"))
    body = service.http.get(f"/v1/explorations/{id}").json()
    assert body["problem"] == {"code": "out-of-memory", "detail": "too large a bank"}
    assert service.http.get(f"/v1/explorations/{id}/sheet.png").json()["code"] == "no-result"


def test_its_events_come_to_an_end(service: Any, clip_id: str, bank: str) -> None:
    id = explored(service, clip_id)
    service.jobs.transition(id, JobState.PLANNING)
    progress = ExploreProgress(1, 2, best_error=0.5, share=0.1)
    service.jobs.set_exploring(id, progress, attempt=service.jobs.begin_attempt(id, 0))
    service.jobs.transition(id, JobState.CANCELLED)
    with service.http.stream("GET", f"/v1/explorations/{id}/events") as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    sent = [json.loads(line) for line in lines]
    assert [event.get("state", event.get("best_error")) for event in sent] == ["queued", "planning", 0.5, "cancelled"]
    assert service.http.get(f"/v1/explorations/{clip_id}/events").status_code == 404


def test_cancelling_and_deleting(service: Any, clip_id: str, bank: str) -> None:
    before = counted(service, "cancelled")
    id = explored(service, clip_id)
    assert service.http.delete(f"/v1/explorations/{id}").status_code == 204
    assert service.http.get(f"/v1/explorations/{id}").json()["state"] == "cancelled"
    assert counted(service, "cancelled") == before + 1
    assert service.queue.states(id) == {}
    assert service.files.job_ids() == {clip_id}
    assert service.http.delete(f"/v1/explorations/{id}").status_code == 204
    assert service.http.get(f"/v1/explorations/{id}").status_code == 404
    assert service.http.delete(f"/v1/explorations/{id}").status_code == 404
    assert service.http.get(f"/v1/clips/{clip_id}/explorations").json()["explorations"] == []
    assert service.http.get(f"/v1/clips/{clip_id}").json()["state"] == "queued"


def test_a_deleted_clip_takes_its_explorations_with_it(service: Any, clip_id: str, bank: str) -> None:
    active, ended = explored(service, clip_id), explored(service, clip_id)
    finish(service, ended)
    assert service.http.delete(f"/v1/clips/{clip_id}").status_code == 204  # cancelled, its files go
    assert service.http.get(f"/v1/clips/{clip_id}").json()["state"] == "cancelled"
    for id in (active, ended):
        assert service.http.get(f"/v1/explorations/{id}").status_code == 404
    assert service.files.job_ids() == set()
    assert service.queue.states(active) == {}
    assert service.http.delete(f"/v1/clips/{clip_id}").status_code == 204
    assert service.redis.keys("gleaner:job*") == []


def test_the_client_explores(service: Any, clip_id: str, bank: str, tmp_path: Path) -> None:
    with Client(f"http://127.0.0.1:{service.port}") as client:
        job = client.explore(clip_id, WANTED, key="k")
        assert client.explore(clip_id, WANTED, key="k")["id"] == job["id"]
        follow = client.follow_exploration(job["id"])
        assert next(follow)["state"] == "queued"
        finish(service, job["id"])
        assert [now["state"] for now in follow][-1] == "done"
        client.download_picture(job["id"], "sheet", tmp_path / "sheet.png")
        assert (tmp_path / "sheet.png").read_bytes() == PNG + b"sheetNone"
        with pytest.raises(ServiceError, match="no frame 99"):
            client.explore(clip_id, WANTED | {"frame": 99})
