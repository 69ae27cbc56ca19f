"""Whatever goes wrong is answered as a problem document that gives nothing away."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from structlog.testing import capture_logs

from service import handlers
from service.middleware import BODY_LIMIT_BYTES, Guard
from service.problems import PROBLEMS


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"/problems/{code}"
    assert body["title"] == PROBLEMS[code].title
    assert body["trace_id"] == answer.headers["trace-id"]
    return body


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/docs", 404, "not-found"),
        ("PUT", "/v1/clips", 405, "method-not-allowed"),
        ("GET", "/v1/clips/", 404, "not-found"),
        ("GET", "/v1/clips?limit=x", 422, "invalid-request"),
    ],
)
def test_errors_of_the_framework_are_problems_too(service: Any, method: str, path: str, status: int, code: str) -> None:
    answer = service.http.request(method, path)
    assert assert_problem(answer, status, code)["instance"] == path.split("?")[0]
    assert (status == 405) == ("allow" in answer.headers)


def test_an_unexpected_error_is_logged_and_not_told(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: Any) -> None:
        raise RuntimeError("secret detail of /var/lib")

    monkeypatch.setattr("service.clips.clip_views", explode)
    with capture_logs() as logged:
        answer = service.http.get("/v1/clips")
    body = assert_problem(answer, 500, "internal-error")
    assert body["trace_id"] in body["detail"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert any(line.get("trace_id") == body["trace_id"] and line.get("exc_info") for line in logged)


def test_other_routes_take_only_small_bodies(service: Any) -> None:
    answer = service.http.request("GET", "/v1/clips", content=bytes(BODY_LIMIT_BYTES + 1))
    assert_problem(answer, 413, "body-too-large")


def test_a_body_of_unsaid_length_is_cut_off_at_the_limit() -> None:
    app = FastAPI()
    handlers.install(app)
    app.add_middleware(Guard)

    @app.post("/")
    async def read(request: Request) -> int:
        return len(await request.body())

    async def post(size: int) -> httpx2.Response:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(0, size, 1024):
                yield bytes(1024)

        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
            return await client.post("/", content=chunks())

    assert asyncio.run(post(BODY_LIMIT_BYTES)).json() == BODY_LIMIT_BYTES
    assert_problem(asyncio.run(post(BODY_LIMIT_BYTES + 1024)), 413, "body-too-large")


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/v1/clips", "/openapi.json", "/"])
def test_every_answer_has_the_security_headers(service: Any, path: str) -> None:
    answer = service.http.get(path, headers={"Origin": "https://evil.example"})
    assert answer.status_code == (404 if path == "/nothing" else 200)
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert not [name for name in headers if name.startswith("access-control-")]


def test_a_page_of_another_site_cannot_submit_or_delete(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert_problem(service.http.delete(f"/v1/clips/{id}", headers=headers), 403, "cross-site")
    assert_problem(service.http.post("/v1/clips", content=b"x", headers=headers), 403, "cross-site")
    assert service.http.get(f"/v1/clips/{id}", headers=headers).status_code == 200


def test_without_redis_the_answer_comes_in_seconds(
    serve: Callable[..., Any], own_redis_server: Any, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.backend.API_PATIENCE_S", 1.0)
    service = serve(own_redis_server.url)
    id = service.submitted(clip)
    own_redis_server.stop()
    began = time.monotonic()
    for answer in (
        service.http.get(f"/v1/clips/{id}"),
        service.submit(clip),
        service.http.post("/v1/clips", content=clip.read_bytes(), headers={"Idempotency-Key": "k"}),
    ):
        assert_problem(answer, 503, "redis-unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert own_redis_server.url.removeprefix("unix://") not in answer.text
    assert time.monotonic() - began < 3 * 8
    assert service.uploads() == []
    assert service.files.job_ids() == {id}
    answer = service.http.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["redis"])


def test_a_redis_that_hangs_is_not_waited_for(
    serve: Callable[..., Any], own_redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.backend.ANSWER_S", 0.5)
    service = serve(own_redis_server.url)
    assert service.http.get("/v1/clips").status_code == 200
    subprocess.run(["kill", "-STOP", str(own_redis_server.pid)], check=True)
    began = time.monotonic()
    assert_problem(service.http.get("/v1/clips"), 503, "redis-unavailable")
    assert time.monotonic() - began < 5
    subprocess.run(["kill", "-CONT", str(own_redis_server.pid)], check=True)


def test_every_code_is_in_the_docs_with_its_status() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", page, re.MULTILINE))
    assert listed == {code: str(kind.status) for code, kind in PROBLEMS.items()}


def test_a_wrong_method_is_told_all_that_are_allowed(service: Any) -> None:
    for path, allowed in (
        ("/v1/clips", "GET, HEAD, POST"),
        ("/v1/clips/x", "GET, HEAD, DELETE"),
        ("/livez", "GET, HEAD"),
    ):
        answer = service.http.patch(path)
        assert_problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == allowed


def test_what_can_be_got_has_a_head(service: Any, clip: Path) -> None:
    id = service.submitted(clip)
    for path in ("/", "/livez", "/v1/models", "/v1/clips", f"/v1/clips/{id}"):
        head, get = service.http.head(path), service.http.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(get.content))
    assert service.http.head("/readyz").status_code == 503
    assert service.http.head("/v1/clips/none").status_code == 404


def test_wrong_options_are_told_in_words(service: Any, clip: Path) -> None:
    body = assert_problem(service.submit(clip, scale="x", colour="red"), 422, "invalid-request")
    assert "scale: " in body["detail"]
    assert "colour: there is no such option" in body["detail"]
    assert {error["field"] for error in body["errors"]} == {"scale", "colour"}
    query = assert_problem(service.http.post("/v1/clips?sclae=2", content=b"x"), 422, "invalid-request")
    assert query["errors"] == [{"field": "sclae", "detail": "there is no such option"}]
