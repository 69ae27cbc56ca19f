"""Who beats is alive, who stops or dies is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis import Redis

from pipeline.heartbeat import EXPIRY_S, Heartbeat, alive


def test_alive_says_who_and_what(redis: Redis) -> None:
    assert alive(redis, "enhance") == []
    heartbeat = Heartbeat(redis, "enhance", "b", {"device": "cpu"})
    heartbeat.beat()
    Heartbeat(redis, "enhance", "a").beat()
    Heartbeat(redis, "clip", "c").beat()
    heartbeat.facts["batches"] = 3
    heartbeat.beat()
    found = alive(redis, "enhance")
    assert [(one.name, one.facts) for one in found] == [("a", {}), ("b", {"device": "cpu", "batches": 3})]
    assert 0 < redis.ttl("gleaner:worker:enhance:b") <= EXPIRY_S


def test_one_whose_beat_expired_is_gone(redis: Redis) -> None:
    Heartbeat(redis, "enhance", "a").beat()
    redis.pexpire("gleaner:worker:enhance:a", 1)
    while redis.exists("gleaner:worker:enhance:a"):
        pass
    assert alive(redis, "enhance") == []


def test_a_thread_beats_until_the_block_ends(redis: Redis, wait_for: Callable[..., None]) -> None:
    with Heartbeat(redis, "clip", "a").running(every_s=0.02):
        first = alive(redis, "clip")[0].beat_at
        wait_for(lambda: alive(redis, "clip")[0].beat_at > first)
    assert alive(redis, "clip") == []


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a\n", "x" * 129])
def test_names_that_would_make_odd_keys_are_refused(redis: Redis, name: str) -> None:
    with pytest.raises(ValueError, match="worker kind or name"):
        Heartbeat(redis, "clip", name)
