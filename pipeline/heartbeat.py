"""Which workers are alive: each says so every few seconds, with facts about itself. Knows not what they do.

gleaner:worker:{kind}:{name}   the facts, JSON; expires EXPIRY_S after the last beat
gleaner:workers:{kind}         sorted set of names by last beat, so that nobody has to search the key space
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from pipeline.periodic import Periodic

EXPIRY_S = 15  # a worker not heard of for this long counts as gone
BEAT_S = 5.0
_FORGET_S = 3600.0  # a name is kept in the index no longer after its last beat
_NAME = re.compile(r"[0-9A-Za-z._-]{1,128}")


@dataclass(frozen=True, slots=True)
class Alive:
    kind: str  # "clip", "enhance", "camera"
    name: str
    facts: dict[str, Any]  # as the worker gave them, e.g. device and model
    beat_at: float  # Unix seconds by the worker's clock


class Heartbeat:
    """One worker's. `beat()` as often as every BEAT_S, or `with heartbeat.running():` for a thread that does it.

    In a process that forks (the clip worker) give it a client of its own.
    """

    def __init__(self, redis: Redis, kind: str, name: str, facts: Mapping[str, Any] | None = None) -> None:
        for part in (kind, name):
            if not _NAME.fullmatch(part):
                raise ValueError(f"{part!r:.150} is no worker kind or name: 1 to 128 of A-Z, a-z, 0-9, '.', '_', '-'")
        self._redis, self.kind, self.name = redis, kind, name
        self.facts = dict(facts or {})  # may be changed between beats

    def beat(self) -> None:
        now = time.time()
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(_key(self.kind, self.name), json.dumps({"at": now, "facts": self.facts}), ex=EXPIRY_S)
            pipe.zadd(_index(self.kind), {self.name: now})
            pipe.zremrangebyscore(_index(self.kind), "-inf", now - _FORGET_S)
            pipe.execute()

    def stop(self) -> None:
        """Says goodbye, so that nobody waits for the expiry."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(_key(self.kind, self.name))
            pipe.zrem(_index(self.kind), self.name)
            pipe.execute()

    @contextlib.contextmanager
    def running(self, every_s: float = BEAT_S) -> Iterator[Heartbeat]:
        """Beats at once, then in a thread until the block ends. Redis being away is logged, and no reason to stop."""
        self.beat()
        try:
            # Waited for: the caller closes the client.
            with Periodic("heartbeat", every_s, self._try, leave_s=max(every_s, BEAT_S)):
                yield self
        finally:
            with contextlib.suppress(RedisError):
                self.stop()

    def _try(self) -> None:
        try:
            self.beat()
        except RedisError as error:
            structlog.get_logger().warning("heartbeat-missed", kind=self.kind, error=type(error).__name__)


def alive(redis: Redis, kind: str) -> list[Alive]:
    """Workers of that kind heard of in the last EXPIRY_S, by name."""
    client: Any = redis
    names = sorted(raw.decode() for raw in client.zrange(_index(kind), 0, -1))
    raws = client.mget([_key(kind, name) for name in names]) if names else []
    found = [(name, json.loads(raw)) for name, raw in zip(names, raws, strict=True) if raw is not None]
    return [Alive(kind, name, said["facts"], said["at"]) for name, said in found]


def _key(kind: str, name: str) -> str:
    return f"gleaner:worker:{kind}:{name}"


def _index(kind: str) -> str:
    return f"gleaner:workers:{kind}"
