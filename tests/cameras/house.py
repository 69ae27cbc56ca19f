"""The whole service with cameras, and what is asked of it over HTTP. Not a test file."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import psutil

from service.client import Client
from tests.system.conftest import Service
from tests.waiting import wait_for

WAIT_S = 60.0
POLL_S = 0.1
HERE = {"camera_networks": "127.0.0.0/8", "camera_ports": "any"}  # where the tests' cameras are
_pause = threading.Event().wait  # never set: a wait that takes its time


class House:
    """A running service; a context manager. Everything is asked as a client would."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.service = Service(folder, **(HERE | settings))
        self.http = httpx2.Client(base_url=self.service.url, timeout=30)

    def __enter__(self) -> Self:
        try:
            with Client(self.service.url) as client:
                client.wait_until_ready(120)
        except BaseException as error:
            self.service.stop()
            raise AssertionError(f"{error}; log:\n{self.log()[-4000:]}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self.service.stop()

    def add(self, name: str, url: str, **options: Any) -> str:
        """Adds a camera. Returns the stream's id."""
        answer = self.http.post("/v1/streams", json={"name": name, "url": url, **options})
        assert answer.status_code == 201, answer.text
        id: str = answer.json()["id"]
        return id

    def show(self, stream_id: str) -> dict[str, Any]:
        body: dict[str, Any] = self.http.get(f"/v1/streams/{stream_id}").json()
        return body

    def wait(
        self, stream_id: str, wanted: Callable[[dict[str, Any]], bool], what: str, timeout_s: float = WAIT_S
    ) -> dict[str, Any]:
        """The stream's body once it is as wanted. Raises AssertionError with what it was instead."""
        deadline = time.monotonic() + timeout_s
        while True:
            body = self.show(stream_id)
            if wanted(body):
                return body
            if time.monotonic() > deadline:
                raise AssertionError(f"not {what} within {timeout_s:.0f} s: {json.dumps(body)}\n{self.log()[-4000:]}")
            _pause(POLL_S)

    def wait_online(self, stream_id: str, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """Online, and something of it can be played."""
        return self.wait(
            stream_id, lambda body: body["state"] == "online" and self.plays(stream_id), "online", timeout_s
        )

    def plays(self, stream_id: str) -> bool:
        answer = self.http.get(f"/v1/streams/{stream_id}/live/live.m3u8")
        return answer.status_code == 200 and "#EXTINF" in answer.text

    def log(self) -> str:
        return self.service.log.read_text(errors="replace")

    def camera_jobs(self) -> list[psutil.Process]:
        """The processes that run a camera: children of the camera workers."""
        workers = {pid: psutil.Process(pid) for pid in self.service.pids("camera")}
        return [process for process in workers.values() if process.ppid() in workers]


class Listener:
    """Follows a stream's events in a thread of its own. A context manager."""

    def __init__(self, service_url: str, stream_id: str) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.times: list[float] = []  # Unix seconds, of each event
        self.raw: list[str] = []
        self._url = f"{service_url}/v1/streams/{stream_id}/events"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(5)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for found, data in list(self.events) if found == kind]

    def states(self) -> list[str]:
        return [data["state"] for data in self.of("state")]

    def codes(self) -> set[str]:
        return {data["problem"]["code"] for data in self.of("state") if "problem" in data}

    def _run(self) -> None:
        last = ""
        while not self._stopped.is_set():
            try:
                headers = {"Last-Event-ID": last} if last else {}
                with httpx2.stream("GET", self._url, headers=headers, timeout=httpx2.Timeout(5, read=2)) as answer:
                    kind, data = "", list[tuple[str, dict[str, Any]]]()
                    for line in answer.iter_lines():
                        self.raw.append(line)
                        name, _, value = line.partition(": ")
                        if name == "event":
                            kind = value
                        elif name == "id":
                            last = value
                        elif name == "data":
                            data.append((kind, json.loads(value)))
                        elif not line and data:  # the event is whole
                            self.times += [int(last.partition("-")[0]) / 1000] * len(data)
                            self.events += data
                            data.clear()
                        if self._stopped.is_set():
                            return
            except httpx2.TransportError:
                self._stopped.wait(0.1)


def until(happened: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Waits until it has happened. Raises AssertionError with `what`."""
    wait_for(happened, timeout_s, pause_s=0.05, why=what)
