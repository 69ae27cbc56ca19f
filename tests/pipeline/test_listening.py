"""Ports on which streams wait for their gateways: one each, kept, and given on once they are free."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from redis import Redis

from pipeline.addresses import parse_port_range
from pipeline.connection import connect
from pipeline.jobs import new_id
from pipeline.listening import NoListenPort, claim_port, listen_url
from pipeline.secrets import Vault
from pipeline.stream import Stream, StreamOptions
from pipeline.streams import StreamStore

PORTS = parse_port_range("18554-18556")


def add(redis: Redis, name: str, source: Any = "listen-rtsp") -> Stream:
    options = StreamOptions(name=name, model="lanczos", source=source)
    return StreamStore(redis).create(Stream(id=new_id(), options=options, created_at=0.0, changed_at=0.0))


def test_each_stream_keeps_its_port(redis: Redis) -> None:
    streams = [add(redis, f"cam{n}") for n in range(3)]
    assert [claim_port(redis, stream, PORTS) for stream in streams] == [18554, 18555, 18556]
    assert [claim_port(redis, stream, PORTS) for stream in reversed(streams)] == [18556, 18555, 18554]
    with pytest.raises(NoListenPort, match="GLEANER_LISTEN_PORTS"):
        claim_port(redis, add(redis, "more"), PORTS)


def test_ports_of_streams_that_are_gone_are_free(redis: Redis) -> None:
    store = StreamStore(redis)
    first, second = add(redis, "cam0"), add(redis, "cam1")
    for stream in (first, second):
        claim_port(redis, stream, PORTS)
    store.delete(first.id)
    store.update(second.id, second.options.model_copy(update={"source": "pull"}))
    assert claim_port(redis, add(redis, "cam2"), PORTS) == 18554
    assert claim_port(redis, add(redis, "cam3"), PORTS) == 18555


def test_a_port_that_is_no_longer_allowed_is_left(redis: Redis) -> None:
    stream = add(redis, "cam0")
    assert claim_port(redis, stream, range(20000, 20001)) == 20000
    assert claim_port(redis, stream, PORTS) == 18554


def test_those_who_claim_at_once_get_different_ports(redis: Redis, redis_url: str) -> None:
    streams = [add(redis, f"cam{n}") for n in range(8)]
    found: list[int] = []
    ready = threading.Barrier(8)

    def claim(stream: Stream) -> None:
        with connect(redis_url) as client:
            ready.wait(timeout=10)
            found.append(claim_port(client, stream, range(18554, 18562)))

    threads = [threading.Thread(target=claim, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(found) == list(range(18554, 18562))


def test_the_url_has_a_key_of_the_streams_own(redis: Redis) -> None:
    vault = Vault("k" * 32)
    first, second = add(redis, "cam0"), add(redis, "cam1", "listen-rtmp")
    url = listen_url(first, 18554, vault)
    assert url.startswith("rtsp://0.0.0.0:18554/")
    assert url == listen_url(first, 18554, vault)
    assert listen_url(second, 18554, vault, "gleaner.example").startswith("rtmp://gleaner.example:18554/")
    keys = {listen_url(stream, 1, vault).rpartition("/")[2] for stream in (first, second)}
    assert len(keys) == 2
    assert min(map(len, keys)) == 43


@pytest.mark.parametrize("text", ["18554", "18563-18554", "0-5", "1-65536", "a-b", "1-2-3", "-"])
def test_a_range_that_is_none_is_told_of(text: str) -> None:
    with pytest.raises(ValueError, match="is no range of ports"):
        parse_port_range(text)
