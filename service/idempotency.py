"""Idempotency-Key: a request that is sent again is answered again, not done again.

After draft-ietf-httpapi-idempotency-key-header. Kept in Redis under the key's hash:

    gleaner:idempotency:{sha256 of the key}   {"token"} while in flight, then {"payload", "job"} for KEPT_S
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
import redis.exceptions
from anyio import CancelScope, move_on_after

from service.backend import answer_time
from service.problems import ProblemError

KEPT_S = 24 * 3600
IN_FLIGHT_S = 60  # a request whose process died holds its key no longer than this
RENEW_S = 20.0
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")


@dataclass(slots=True, eq=False)
class Claim:
    """One request's hold on its key. `replay` is what the key was used for before, where it was."""

    _redis: Any
    _name: str
    _token: bytes
    replay: dict[str, str] | None = None
    _done: bool = False
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _renewing: asyncio.Task[None] | None = None

    def replayed_job(self, payload: str) -> str | None:
        """Id of the job that this request made before. Raises ProblemError where it was another request."""
        if self.replay is None:
            return None
        if self.replay["payload"] != payload:
            raise ProblemError(
                "idempotency-mismatch",
                "this Idempotency-Key came with another clip or other options before; use a new key for a new request",
            )
        return self.replay["job"]

    async def complete(self, payload: str, job_id: str) -> None:
        """From now on the same request gets this job."""
        await self.stop()  # first, or a renewal still under way would cut the new life short
        async with answer_time():
            await self._redis.set(self._name, json.dumps({"payload": payload, "job": job_id}), ex=KEPT_S)
        self._done = True

    def hold(self) -> None:
        """Holds the key on until stop()."""
        self._renewing = asyncio.create_task(self._renew())

    async def stop(self) -> None:
        self._over.set()
        if self._renewing is not None:
            await self._renewing

    async def _renew(self) -> None:
        while not self._over.is_set():
            with move_on_after(RENEW_S):
                await self._over.wait()
                return
            with contextlib.suppress(redis.exceptions.RedisError):
                async with answer_time():
                    await self._redis.expire(self._name, IN_FLIGHT_S)

    async def release(self) -> None:
        """Lets a failed request be tried again at once. Where Redis is away, the key's end of life does it."""
        await self.stop()
        if self._done:
            return
        with contextlib.suppress(redis.exceptions.RedisError):
            async with answer_time():
                if await self._redis.get(self._name) == self._token:
                    await self._redis.delete(self._name)


@asynccontextmanager
async def claimed(client: redis.asyncio.Redis, key: str | None) -> AsyncIterator[Claim | None]:
    """Holds the key while the request runs. Raises ProblemError where it is malformed or held by another request."""
    if key is None:
        yield None
        return
    if not _KEY.fullmatch(key):
        raise ProblemError("invalid-idempotency-key", "an Idempotency-Key is 1 to 255 printable ASCII characters")
    claim = await _claim(client, f"gleaner:idempotency:{hashlib.sha256(key.encode()).hexdigest()}")
    if claim.replay is not None:
        yield claim
        return
    claim.hold()
    try:
        yield claim
    finally:
        with CancelScope(shield=True):
            await claim.release()


async def _claim(client: Any, name: str) -> Claim:
    token = json.dumps({"token": secrets.token_hex(8)}).encode()
    async with answer_time():
        if await client.set(name, token, nx=True, ex=IN_FLIGHT_S):
            return Claim(client, name, token)
        raw = await client.get(name)
    if raw is None or raw == token:  # it ended meanwhile; or it is ours, and Redis's first reply was lost
        return Claim(client, name, token) if raw else await _claim(client, name)
    kept = json.loads(raw)
    if "job" not in kept:
        raise ProblemError("idempotency-in-flight", "a request with this Idempotency-Key is still in progress")
    return Claim(client, name, token, replay=kept)


def payload_of(source_sha256: str, name: str, options: dict[str, Any]) -> str:
    """What makes two requests the same: the clip's bytes, its name and the options."""
    text = json.dumps([source_sha256, name, options], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
