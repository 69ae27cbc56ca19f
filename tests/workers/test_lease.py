"""Frames in hand stay in hand, however long they take, until their round is given up as hung."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from redis import Redis

from pipeline.frames_shared import SharedFrameStore
from pipeline.queue import FrameQueue
from pipeline.tasks import SegmentKey
from tests.workers.rig import Rig, Waiting, enhancer, picture_tiles
from workers.lease import LeaseKeeper

KEY = SegmentKey("job-a", 0, 1)
LEASE_S = 0.3
WaitFor = Callable[..., None]


def times_of_pending(redis: Redis) -> list[int]:
    """How long ago each lent frame was claimed or renewed, ms."""
    lent = redis.xpending_range("gleaner:frames:clip", "enhance", "-", "+", 10)
    return [entry["time_since_delivered"] for entry in lent]


def test_a_batch_longer_than_the_lease_stays_with_its_worker(redis: Redis, tmp_path: Path) -> None:
    network = Waiting()
    rig = Rig(redis, SharedFrameStore(tmp_path / "frames"), enhancer(network), lease_s=LEASE_S)
    rig.send(KEY, 0, picture_tiles(1))
    other = FrameQueue(redis, LEASE_S, 3)
    over = threading.Event()
    with rig.running():
        assert network.begun.wait(10)
        threading.Timer(4 * LEASE_S, over.set).start()
        while not over.is_set():
            assert other.reclaim("other") == []
        network.may_end.set()
    assert [(done.frame, done.outcome) for done in rig.replies(KEY)] == [(0, "enhanced")]
    assert rig.left() == (0, 0)


def test_a_hung_round_loses_its_leases(redis: Redis, tmp_path: Path, wait_for: WaitFor) -> None:
    rig = Rig(redis, SharedFrameStore(tmp_path / "frames"), enhancer(Waiting()), lease_s=LEASE_S)
    rig.send(KEY, 0, picture_tiles(1))
    (claimed,) = rig.queue.claim("hung", 1, 0)
    with LeaseKeeper(rig.queue, "hung", LEASE_S, limit_s=2 * LEASE_S) as keeper, keeper.keep([claimed.entry_id]):
        wait_for(lambda: rig.queue.reclaim("other"))


def test_leases_end_with_the_block(redis: Redis, tmp_path: Path, wait_for: WaitFor) -> None:
    rig = Rig(redis, SharedFrameStore(tmp_path / "frames"), enhancer(Waiting()), lease_s=LEASE_S)
    rig.send(KEY, 0, picture_tiles(1))
    (claimed,) = rig.queue.claim("w1", 1, 0)
    with LeaseKeeper(rig.queue, "w1", LEASE_S) as keeper:
        with keeper.keep([claimed.entry_id]):
            wait_for(lambda: times_of_pending(redis)[0] > 50)
            wait_for(lambda: times_of_pending(redis)[0] < 50)  # renewed
        wait_for(lambda: rig.queue.reclaim("other"))


def test_the_keeper_bears_a_redis_that_comes_back(own_redis_server, tmp_path: Path, wait_for: WaitFor) -> None:  # type: ignore[no-untyped-def]
    from pipeline.connection import connect

    with connect(own_redis_server.url, patience_s=0.1) as client:
        rig = Rig(client, SharedFrameStore(tmp_path / "frames"), enhancer(Waiting()), lease_s=LEASE_S)
        rig.send(KEY, 0, picture_tiles(1))
        (claimed,) = rig.queue.claim("w1", 1, 0)
        with LeaseKeeper(rig.queue, "w1", LEASE_S) as keeper, keeper.keep([claimed.entry_id]):
            own_redis_server.kill()
            own_redis_server.start()
            wait_for(lambda: times_of_pending(client)[0] > 50)
            wait_for(lambda: times_of_pending(client)[0] < 50)
