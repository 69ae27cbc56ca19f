"""Clients that leave in the middle of an event stream: nobody's failure, so no trace in the log."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from anyio import BrokenResourceError

from pipeline.streams import StreamStore
from service.middleware import Guard

CAMERA = {"name": "gate", "url": "rtsp://192.0.2.10/", "model": "espcn-x4"}


def test_many_who_leave_early_leave_no_error(serve: Callable[..., Any]) -> None:
    service = serve(camera_networks="192.0.2.0/24")
    id = service.http.post("/v1/streams", json=CAMERA).json()["id"]
    store = StreamStore(service.redis)
    for number in range(300):
        store.add_event(id, "dropped", {"count": number})
    with structlog.testing.capture_logs() as logged:
        for size in range(0, 4000, 200):
            with socket.create_connection(("127.0.0.1", service.port)) as connection:
                connection.sendall(f"GET /v1/streams/{id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                got = 0
                while got <= size:
                    got += len(connection.recv(200))
        assert service.http.get(f"/v1/streams/{id}").status_code == 200
    assert not [line for line in logged if line["log_level"] == "error"]


@pytest.mark.anyio
@pytest.mark.parametrize("begun", [True, False])
async def test_only_an_answer_under_way_ends_quietly(begun: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ExceptionGroup("unhandled", [BrokenResourceError()])

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": [], "query_string": b""}
    await Guard(app)(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == (200 if begun else 500)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
