"""All that lies in a Redis, readable: for tests that look for what must not be there. Not a test file."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from redis import Redis


def contents(redis: Redis) -> Iterator[tuple[str, bytes]]:
    """(key, the key and its value) of every key. DUMP would compress the values, and RQ compresses its jobs' data."""
    for key in redis.scan_iter():
        kind = redis.type(key)
        value: Any = None
        if kind == b"string":
            value = redis.get(key)
        elif kind == b"hash":
            value = redis.hgetall(key)
        elif kind == b"list":
            value = redis.lrange(key, 0, -1)
        elif kind == b"set":
            value = redis.smembers(key)
        elif kind == b"zset":
            value = redis.zrange(key, 0, -1)
        elif kind == b"stream":
            value = redis.xrange(key)
        yield key.decode(), key + b"\n" + _bytes(value)


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        with suppress(zlib.error):
            return value + b"\n" + zlib.decompress(value)
        return value
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    return b"\n".join(map(_bytes, value or ()))
