"""A client of the REST API, for `gleaner submit`, the demonstration and scripts. Knows HTTP only."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx2

POLL_S = 0.5
PATIENCE_S = 60.0  # how long following a clip bridges a service that is away, e.g. restarted
CHUNK_BYTES = 1 << 20
TERMINAL = frozenset({"done", "failed", "cancelled"})


class ServiceError(Exception):
    """The service refused or could not be reached. The message is for people."""


class ServiceAwayError(ServiceError):
    """The service, or what it needs, could not be reached; it may come back."""


class Client:
    """One service. A context manager: leaving it closes its connections."""

    def __init__(self, url: str) -> None:
        """Raises ServiceError where `url` is none of HTTP."""
        if not re.match(r"https?://[^/]", url):
            raise ServiceError(f"{url} is no address of a service; give one like http://127.0.0.1:8000")
        # Uploads and downloads take as long as they take; only silence is limited.
        self._http = httpx2.Client(base_url=url.rstrip("/"), timeout=httpx2.Timeout(60.0))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._http.close()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the service has Redis and workers. Raises ServiceError if it is not ready in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if self._http.get("/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                pass  # not listening yet
            if time.monotonic() > deadline:
                raise ServiceError(f"the service was not ready within {timeout_s:.0f} s; its log says why")
            time.sleep(0.2)

    def submit(self, clip: Path, options: dict[str, str]) -> dict[str, Any]:
        """Upload a clip as a raw body, streamed from disk. Returns the job."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(clip.stat().st_size),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(clip.name, safe='')}",
        }
        response = self._ask("POST", "/v1/clips", params=options, headers=headers, content=_chunks(clip))
        job: dict[str, Any] = response.json()
        return job

    def explore(self, clip_id: str, wanted: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Ask for an exploration of a region; `wanted` is the request's body. Returns the job.

        key: the same key with the same request gets the same job.
        """
        headers = {} if key is None else {"Idempotency-Key": key}
        job: dict[str, Any] = self._ask("POST", f"/v1/clips/{clip_id}/explore", json=wanted, headers=headers).json()
        return job

    def follow(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The clip's record again and again, until it has ended; the last one is the end.

        A service that is away is waited for. Raises ServiceError where it stays away for PATIENCE_S.
        """
        return self._follow(f"/v1/clips/{job_id}")

    def follow_exploration(self, exploration_id: str) -> Iterator[dict[str, Any]]:
        """As `follow`, of an exploration."""
        return self._follow(f"/v1/explorations/{exploration_id}")

    def _follow(self, path: str) -> Iterator[dict[str, Any]]:
        seen = time.monotonic()
        while True:
            try:
                job = self._ask("GET", path).json()
            except ServiceAwayError:
                if time.monotonic() - seen > PATIENCE_S:
                    raise
            else:
                seen = time.monotonic()
                yield job
                if job["state"] in TERMINAL:
                    return
            time.sleep(POLL_S)

    def download(self, job_id: str, what: str, out: Path) -> None:
        """Fetch a clip's "result" or "report" into a file, which appears whole or not at all."""
        self._download(f"/v1/clips/{job_id}/{what}", out)

    def download_picture(self, exploration_id: str, what: str, out: Path) -> None:
        """Fetch an exploration's "sheet", "spread" or "candidates/NUMBER" into a file, as `download` does."""
        self._download(f"/v1/explorations/{exploration_id}/{what}.png", out)

    def _download(self, path: str, out: Path) -> None:
        part = out.with_name(f".{out.name}.part")
        try:
            with self._http.stream("GET", path) as response:
                if response.status_code != 200:
                    response.read()
                    raise ServiceError(_problem(response))
                with part.open("wb") as file:
                    for chunk in response.iter_bytes(CHUNK_BYTES):
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
            part.replace(out)
        except httpx2.TransportError as error:
            raise ServiceError(f"the download broke off: {type(error).__name__}; try again") from None
        finally:
            part.unlink(missing_ok=True)

    def _ask(self, method: str, path: str, **wanted: Any) -> httpx2.Response:
        try:
            response = self._http.request(method, path, **wanted)
        except httpx2.TransportError as error:
            where = str(self._http.base_url).rstrip("/")
            raise ServiceAwayError(
                f"no answer from {where} ({type(error).__name__}); "
                "is the service running? Start it with `gleaner serve`, or give --url"
            ) from None
        if response.status_code in (502, 503, 504):
            raise ServiceAwayError(_problem(response))
        if response.status_code >= 400:
            raise ServiceError(_problem(response))
        return response


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _problem(response: httpx2.Response) -> str:
    try:
        problem = response.json()
        details = "; ".join(f"{e.get('field', '')}: {e.get('detail', '')}" for e in problem.get("errors") or [])
        return f"{problem['detail']}{' (' + details + ')' if details else ''}"
    except (ValueError, KeyError, AttributeError):
        return f"the service answered {response.status_code} {response.reason_phrase}"
