from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def send(service: Any, clip: Path, key: str, query: str = "") -> Any:
    headers = {"Content-Type": "video/mp4", "Idempotency-Key": key}
    return service.http.post(f"/v1/clips?{query}", content=clip.read_bytes(), headers=headers)


def stored(key: str) -> str:
    return f"gleaner:idempotency:{hashlib.sha256(key.encode()).hexdigest()}"


def test_the_same_request_again_gets_the_same_job(service: Any, clip: Path) -> None:
    first, second = send(service, clip, "k-1"), send(service, clip, "k-1")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["location"] == first.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(service.jobs.list()[0]) == 1
    assert service.files.job_ids() == {first.json()["id"]}


def test_another_key_gets_another_job(service: Any, clip: Path) -> None:
    assert send(service, clip, "k-1").json()["id"] != send(service, clip, "k-2").json()["id"]


def test_the_same_key_with_other_options_is_refused(service: Any, clip: Path) -> None:
    send(service, clip, "k-1", "model=lanczos")
    answer = send(service, clip, "k-1", "model=espcn-x4")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-mismatch")
    assert len(service.jobs.list()[0]) == 1


def test_a_refused_request_may_be_sent_again_under_its_key(service: Any, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_bytes(b"text")
    assert send(service, tmp_path / "text.mp4", "k-1").status_code == 415
    assert send(service, clip, "k-1").status_code == 202


def test_a_key_in_flight_is_refused(service: Any, clip: Path, wait_until: Callable[..., None]) -> None:
    head = b"POST /v1/clips HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k-1\r\nContent-Type: video/mp4\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        slow.sendall(head + b"Content-Length: 1000\r\n\r\n")
        wait_until(lambda: service.redis.exists(stored("k-1")))
        answer = send(service, clip, "k-1")
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-in-flight")
        assert "retry-after" in answer.headers
    wait_until(lambda: not service.redis.exists(stored("k-1")))
    assert send(service, clip, "k-1").status_code == 202


def test_keys_are_kept_hashed_for_a_day(service: Any, clip: Path) -> None:
    job = send(service, clip, "my-secret-key").json()["id"]
    assert json.loads(service.redis.get(stored("my-secret-key")))["job"] == job
    assert 86000 < service.redis.ttl(stored("my-secret-key")) <= 86400
    assert not [key for key in service.redis.keys("*") if b"my-secret-key" in key]


@pytest.mark.parametrize("key", ["", "x" * 300, "a\tb"])
def test_malformed_keys_are_refused(service: Any, clip: Path, key: str) -> None:
    assert send(service, clip, key).json()["code"] == "invalid-idempotency-key"


def test_a_job_deleted_meanwhile_is_not_found(service: Any, clip: Path) -> None:
    job = send(service, clip, "k-1").json()["id"]
    for _ in range(2):  # cancelled, then deleted
        assert service.http.delete(f"/v1/clips/{job}").status_code == 204
    assert send(service, clip, "k-1").status_code == 404
