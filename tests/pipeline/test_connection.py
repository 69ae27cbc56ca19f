"""Clients bridge a restart of Redis, give up in time, and keep the URL to themselves."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import ConnectionError

from pipeline.connection import MAX_BLOCK_MS, RedisUrlError, connect, connect_async, safe_name


def test_a_command_bridges_kill_and_restart(own_redis_server: Any) -> None:
    with connect(own_redis_server.url) as client:
        client.set("kept", b"1")
        own_redis_server.kill()
        restart = threading.Timer(1.0, own_redis_server.start)
        restart.start()
        began = time.monotonic()
        assert client.get("kept") == b"1"
        assert time.monotonic() - began > 0.9  # it was really away
        restart.join()


def test_a_blocking_read_bridges_kill_and_restart(own_redis_server: Any) -> None:
    got: list[Any] = []
    with connect(own_redis_server.url) as client:
        reader = threading.Thread(target=lambda: got.append(client.blpop(["list"], timeout=10)))
        reader.start()
        own_redis_server.kill()
        own_redis_server.start()
        client.rpush("list", b"x")
        reader.join(timeout=15)
    assert [list(answer) for answer in got] == [[b"list", b"x"]]


def test_patience_is_not_multiplied_by_nested_retries(own_redis_server: Any) -> None:
    with connect(own_redis_server.url, patience_s=1.0) as client:
        client.ping()
        own_redis_server.kill()
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            client.get("key")
        assert time.monotonic() - began < 3.0


def test_async_bridges_and_gives_up(own_redis_server: Any) -> None:
    async def scenario() -> None:
        client: redis.asyncio.Redis = connect_async(own_redis_server.url, patience_s=1.0)
        async with client:
            await client.set("key", b"1")
            own_redis_server.kill()
            with pytest.raises(ConnectionError):
                await client.get("key")
            own_redis_server.start()
            assert await client.get("key") == b"1"

    asyncio.run(scenario())


def test_a_block_is_shorter_than_the_socket_timeout(redis: Redis) -> None:
    timeout = redis.connection_pool.connection_kwargs["socket_timeout"]
    assert timeout * 1000 > 2 * MAX_BLOCK_MS


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@host",
        "redis://user:s3cret@host:port",
        "unix://",
        "redis://:s3cret@host/0?socket_timeout=1",
        "s3cret",
    ],
)
def test_a_bad_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(RedisUrlError) as caught:
        connect(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_password_is_in_no_repr_and_no_error(tmp_path: Path) -> None:
    url = SecretStr(f"unix://user:s3cret@{tmp_path}/none.sock")
    client = connect(url, patience_s=0.1)
    assert "s3cret" not in repr(client)
    with pytest.raises(ConnectionError) as caught:
        client.ping()
    assert "s3cret" not in str(caught.value)
    assert safe_name(url) == "unix socket"
    assert safe_name("rediss://user:s3cret@host:7000/1") == "rediss://host:7000/1"
