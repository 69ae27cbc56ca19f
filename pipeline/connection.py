"""Redis clients that outlive a restart of Redis. Knows nothing of jobs or queues.

redis-py retries inside `connect()` and again around each command, so its own retry counts multiply: a broker that
stays away would be waited for n * n times. The retry here works to a deadline and is not nested: an error that an inner
call has already waited for is passed up at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import redis.asyncio
from pydantic import SecretStr
from redis import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import AbstractBackoff, ExponentialBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, ConnectionError, TimeoutError
from redis.retry import Retry

T = TypeVar("T")

PATIENCE_S = 60.0  # a killed Redis with a large append-only file may take this long to answer again
API_PATIENCE_S = 5.0  # a client of the API is better told "try again" than kept waiting
SOCKET_TIMEOUT_S = 30.0  # larger than any block_ms of ours (5 s) and than RQ's blocking dequeue (5 s)
CONNECT_TIMEOUT_S = 5.0
HEALTH_CHECK_S = 30  # idle connections are pinged after this, so that a half-open one is noticed
MAX_BLOCK_MS = 10_000  # longest block any of our commands may ask for

_SCHEMES = ("redis", "rediss", "unix")
_RETRIED = (ConnectionError, TimeoutError)
_REFUSED = (AuthenticationError, AuthorizationError)  # subclasses of ConnectionError, but waiting does not help
_MANY = 1_000_000  # redis-py compares its failure count with this; ours stops by the clock
_WAITED = "_gleaner_waited"  # mark on an error that a retry has already waited for


class RedisUrlError(ValueError):
    """A Redis URL cannot be used. The message never repeats the URL, which may hold a password."""


def connect(url: str | SecretStr, *, patience_s: float | Callable[[], float] = PATIENCE_S) -> Redis:
    """A client (bytes in, bytes out) whose commands bridge up to `patience_s` seconds without Redis.

    A function is asked after each failure, so that a process that is to leave can be less patient from then on.
    Commands may reach Redis twice (the reply to the first was lost), so whatever is sent must bear repeating.
    Connects on first use. Raises RedisUrlError; later, redis.ConnectionError once patience is used up.
    """
    return Redis.from_url(_checked(url), retry=_DeadlineRetry(patience_s), **_OPTIONS)


def connect_async(url: str | SecretStr, *, patience_s: float = API_PATIENCE_S) -> redis.asyncio.Redis:
    """The same for asyncio, less patient by default because somebody waits for the answer."""
    return redis.asyncio.Redis.from_url(_checked(url), retry=_AsyncDeadlineRetry(patience_s), **_OPTIONS)


def safe_name(url: str | SecretStr) -> str:
    """What logs may call this Redis: scheme, host, port and database, without user, password or socket path."""
    parts = urlsplit(_checked(url))
    if parts.scheme == "unix":
        return "unix socket"
    return f"{parts.scheme}://{parts.hostname or 'localhost'}:{parts.port or 6379}{parts.path}"


_OPTIONS: dict[str, Any] = {
    "decode_responses": False,
    "socket_timeout": SOCKET_TIMEOUT_S,
    "socket_connect_timeout": CONNECT_TIMEOUT_S,
    "health_check_interval": HEALTH_CHECK_S,
}


def _checked(url: str | SecretStr) -> str:
    plain = url.get_secret_value() if isinstance(url, SecretStr) else url
    try:
        parts = urlsplit(plain)
        scheme, port = parts.scheme, parts.port  # reading the port checks it
    except ValueError:
        raise RedisUrlError("the Redis URL cannot be parsed; write redis://host:6379/0 or unix:///path") from None
    if scheme not in _SCHEMES:
        raise RedisUrlError(f"the Redis URL must start with one of {', '.join(s + '://' for s in _SCHEMES)}")
    if scheme == "unix" and (not parts.path or port is not None):
        raise RedisUrlError("the Redis URL names no socket; write unix:///absolute/path/of/the.sock")
    taken = set(parse_qs(parts.query)) & set(_OPTIONS)
    if taken:  # redis-py lets the query win over our settings; a short socket_timeout would break blocking reads
        raise RedisUrlError(f"the Redis URL sets {', '.join(sorted(taken))}; leave these out, Gleaner sets them")
    return plain


def _backoff() -> AbstractBackoff:
    return ExponentialBackoff(cap=2.0, base=0.02)


def _delay(error: Exception, failures: int, backoff: AbstractBackoff, left_s: float) -> float | None:
    """Seconds to wait before the next attempt, or None to give up."""
    if isinstance(error, _REFUSED) or getattr(error, _WAITED, False):
        return None
    delay = backoff.compute(failures)
    if delay > left_s:
        setattr(error, _WAITED, True)
        return None
    return delay


class _DeadlineRetry(Retry):
    def __init__(self, patience_s: float | Callable[[], float]) -> None:
        super().__init__(_backoff(), _MANY, _RETRIED)
        self._patience_s = patience_s if callable(patience_s) else lambda: patience_s

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        began = time.monotonic()
        failures = 0
        while True:
            try:
                return do()
            except _RETRIED as error:
                if is_retryable and not is_retryable(error):
                    raise
                failures += 1
                fail(error, failures) if with_failure_count else fail(error)
                delay = _delay(error, failures, self._backoff, began + self._patience_s() - time.monotonic())
                if delay is None:
                    raise
                time.sleep(delay)


class _AsyncDeadlineRetry(AsyncRetry):
    def __init__(self, patience_s: float) -> None:
        super().__init__(_backoff(), _MANY, _RETRIED)
        self._patience_s = patience_s

    async def call_with_retry(
        self,
        do: Callable[[], Awaitable[T]],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        deadline = time.monotonic() + self._patience_s
        failures = 0
        while True:
            try:
                return await do()
            except _RETRIED as error:
                if is_retryable and not is_retryable(error):
                    raise
                failures += 1
                await (fail(error, failures) if with_failure_count else fail(error))
                delay = _delay(error, failures, self._backoff, deadline - time.monotonic())
                if delay is None:
                    raise
                await asyncio.sleep(delay)
