"""The API's client against a real service that goes away and comes back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.job import JobState
from service.client import Client, ServiceError


def test_following_a_clip_bridges_a_store_that_is_away(
    serve: Callable[..., Any], own_redis_server: Any, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.backend.API_PATIENCE_S", 0.2)
    service = serve(own_redis_server.url)
    with Client(f"http://127.0.0.1:{service.port}") as client:
        follow = client.follow(client.submit(clip, {"model": "lanczos"})["id"])
        job = next(follow)
        own_redis_server.stop()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(next, follow)
            assert service.http.get(f"/v1/clips/{job['id']}").status_code == 503
            own_redis_server.start()
            assert asked.result(timeout=30)["state"] == "queued"
        service.jobs.transition(job["id"], JobState.CANCELLED)
        assert [now["state"] for now in follow][-1] == "cancelled"


def test_a_service_that_stays_away_is_given_up(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.PATIENCE_S", 0.0)
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(ServiceError, match=r"no answer from http://127\.0\.0\.1:9 "),
    ):
        next(client.follow("x"))


@pytest.mark.parametrize("url", ["foo", "", "127.0.0.1:8000", "ftp://x", "http://"])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(ServiceError, match="no address of a service"):
        Client(url)
