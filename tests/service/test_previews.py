"""Dry runs, with the clip worker's part played by the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from media.estimate.degradation import Degradation
from pipeline.heartbeat import Heartbeat
from pipeline.job import Job, JobKind, JobState, Problem

PNG = b"\x89PNG\r\n\x1a\n picture"
OUTPUT = {
    "width": 256,
    "height": 192,
    "codec": "h264",
    "container": "mp4",
    "quality": "standard",
    "pix_fmt": "yuv420p",
    "notes": [],
}
ESTIMATE = {"seconds": 12.5, "low": 4.0, "high": 18.8, "basis": "10 frames"}


DEGRADATION = Degradation(9, 21.2, None, 0.5, 0.1, False, 90.0, 140.0, 28.0, 0.125).to_json()
WORDS = ["noise of about 21 levels; net was measured up to 12"]


def waiting_preview(service: Any) -> Job | None:
    jobs = [job for job in service.jobs.list()[0] if job.kind is JobKind.PREVIEW and not job.terminal]
    return jobs[0] if jobs else None


def make_preview(service: Any, job: Job) -> None:
    """As the clip worker does."""
    service.jobs.transition(job.id, JobState.PLANNING)
    samples = []
    for number in range(3):
        for which in ("before", "after"):
            service.files.preview(job.id, number, which).write_bytes(PNG + f"{number}{which}".encode())
        samples.append({"time_s": number * 0.1, "before": f"{number}-before.png", "after": f"{number}-after.png"})
    result = {"estimate": ESTIMATE, "samples": samples, "output": OUTPUT}
    service.jobs.transition(job.id, JobState.DONE, result=result, estimate=DEGRADATION, outside_envelope=WORDS)


class Worker(threading.Thread):
    """Does something with the first preview that comes."""

    def __init__(self, service: Any, wait_until: Callable[..., None], act: Callable[[Any, Job], None]) -> None:
        super().__init__()
        self._service, self._wait_until, self._act = service, wait_until, act
        self.job: Job | None = None
        self.start()

    def run(self) -> None:
        self._wait_until(lambda: waiting_preview(self._service))
        self.job = waiting_preview(self._service)
        assert self.job is not None
        self._act(self._service, self.job)


def dry_run(service: Any, clip: Path, **options: Any) -> Any:
    with clip.open("rb") as file:
        return service.http.post("/v1/clips?dry_run=true", files={"file": file}, data=options)


def test_a_dry_run_answers_with_facts_estimate_and_pictures(
    service: Any, clip: Path, wait_until: Callable[..., None]
) -> None:
    worker = Worker(service, wait_until, make_preview)
    answer = dry_run(service, clip, model="espcn-x4")
    worker.join()
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["clip"]["frames"] == 10
    assert body["output"] == OUTPUT
    assert body["estimate"] == ESTIMATE
    assert (body["degradation"], body["outside_envelope"]) == (DEGRADATION, WORDS)
    assert [sample["time_s"] for sample in body["samples"]] == [0.0, 0.1, 0.2]
    assert body["samples"][1]["after"] == f"/v1/previews/{body['id']}/1-after.png"
    picture = service.http.get(body["samples"][1]["after"])
    assert (picture.status_code, picture.content) == (200, PNG + b"1after")
    assert picture.headers["content-type"] == "image/png"
    assert service.http.get("/v1/clips").json()["clips"] == []
    assert service.http.get(f"/v1/clips/{body['id']}").status_code == 404
    assert not service.files.source(body["id"]).exists()
    for name in ("3-after", "0-during", "..%2Fsource", "99999-after"):
        assert service.http.get(f"/v1/previews/{body['id']}/{name}.png").json()["code"] == "not-found"


def test_a_dry_run_that_fails_says_why(service: Any, clip: Path, wait_until: Callable[..., None]) -> None:
    def fail(service: Any, job: Job) -> None:
        service.jobs.transition(job.id, JobState.FAILED, problem=Problem(code="unreadable", detail="no frame decodes"))

    worker = Worker(service, wait_until, fail)
    answer = dry_run(service, clip)
    worker.join()
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable")
    assert answer.json()["detail"] == "no frame decodes"


def test_without_an_answer_in_time_the_preview_is_cancelled(serve: Callable[..., Any], clip: Path) -> None:
    service = serve(preview_timeout_s=0.3)
    answer = dry_run(service, clip)
    assert (answer.status_code, answer.json()["code"]) == (503, "no-worker")
    (job,), _ = service.jobs.list()
    assert (job.kind, job.state) == (JobKind.PREVIEW, JobState.CANCELLED)
    assert service.files.job_ids() == set()
    assert service.queue.states(job.id) == {}


def test_where_no_worker_runs_nobody_waits_for_the_whole_time(
    service: Any, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.previews.GRACE_S", 0.1)
    monkeypatch.setattr("service.previews.LOOK_EVERY_S", 0.05)
    Heartbeat(service.redis, "clip", "one").beat()
    answer = dry_run(service, clip)
    assert (answer.status_code, answer.json()["code"]) == (503, "no-worker")
    assert "no enhance worker" in answer.json()["detail"]
    assert "clip worker" not in answer.json()["detail"]


def test_a_client_that_leaves_cancels_its_preview(service: Any, clip: Path, wait_until: Callable[..., None]) -> None:
    content = clip.read_bytes()
    head = f"POST /v1/clips?dry_run=true HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(head.encode() + content)
        wait_until(lambda: waiting_preview(service))
        assert service.http.get("/livez").status_code == 200  # others are served meanwhile
    wait_until(lambda: service.jobs.list()[0][0].state is JobState.CANCELLED)
    wait_until(lambda: service.files.job_ids() == set())
