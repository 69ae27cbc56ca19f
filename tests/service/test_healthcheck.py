"""The healthcheck of the API's container, asked of a real API."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

import pytest

from pipeline.healthcheck import Unwell, check_api, main


def test_an_api_that_answers_is_well(
    service: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "GLEANER_PORT", str(service.port))
    monkeypatch.setitem(os.environ, "GLEANER_HOST", "0.0.0.0")
    monkeypatch.setitem(os.environ, "http_proxy", "http://127.0.0.1:9")
    assert main(["api"]) == 0
    assert capsys.readouterr().out == f"the API on port {service.port} answers\n"


def test_one_that_does_not_is_not() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unwell, match="does not answer"):
            check_api("0.0.0.0", taken.getsockname()[1])
    with pytest.raises(Unwell, match="GLEANER_PORT is 0"):
        check_api("0.0.0.0", 0)


def test_another_server_on_its_port_is_not_the_api() -> None:
    def answer(listening: socket.socket, reply: bytes) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(reply)

    for reply, wanted in ((b"HTTP/1.0 404 Not Found\r\n\r\n", "answers 404"), (b"hello\r\n", "does not answer")):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=answer, args=(listening, reply))
            thread.start()
            with pytest.raises(Unwell, match=wanted):
                check_api("127.0.0.1", listening.getsockname()[1])
            thread.join(timeout=10)
