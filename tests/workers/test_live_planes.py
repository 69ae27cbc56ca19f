"""What live frames ask of a plane: the live lane, nothing left of what was abandoned, and no wait for anybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from pipeline.connection import connect
from pipeline.frames import FrameStoreFull, SegmentGone
from pipeline.frames_redis import RedisFrameStore
from pipeline.frames_shared import SharedFrameStore
from pipeline.queue import FrameQueue, stream_name
from pipeline.tasks import FrameDone, SegmentKey
from tests.workers.rig import SCALE, Doubling, Rig, Waiting, doubled, enhancer, picture_tiles
from workers.live_planes import RedisLivePlane
from workers.plane_local import LocalPlane
from workers.plane_redis import RedisPlane
from workers.rungs import Rung

KEY = SegmentKey("cam-a", 0, 900)
RUNG = Rung("doubling", SCALE, 16, 2, 4, local=False)
WaitFor = Callable[..., None]


def live_plane(rig: Rig, key: SegmentKey = KEY) -> RedisPlane:
    return RedisPlane(rig.queue, rig.store, key, "doubling", SCALE, silence_s=5.0, live=True)


@pytest.fixture(params=["shared", "redis"])
def rig(request: pytest.FixtureRequest, redis: Redis, tmp_path: Path) -> Rig:
    store = RedisFrameStore(redis) if request.param == "redis" else SharedFrameStore(tmp_path / "frames")
    return Rig(redis, store, enhancer(Doubling()))


def test_live_frames_go_into_the_live_lane_and_before_those_of_clips(rig: Rig) -> None:
    clip = SegmentKey("clip-a", 0, 1)
    rig.send(clip, 0, picture_tiles(1))
    with live_plane(rig) as plane:
        plane.submit_to("doubling", SCALE, 5, picture_tiles(1))
        assert rig.redis.xlen(stream_name("live")) == 1
        claimed = rig.queue.claim("w", 1, 0)
        assert claimed[0].task.job == "cam-a"


def test_an_abandoned_frame_leaves_queue_and_store_at_once(rig: Rig) -> None:
    with live_plane(rig) as plane:
        plane.submit(1, picture_tiles(2))
        plane.abandon(1)
        plane.abandon(1)
        assert rig.left() == (0, 0)
        assert not rig.store.exists(KEY, 1, "in")


def test_a_result_that_comes_too_late_is_ignored_and_its_pixels_are_freed(
    redis: Redis, tmp_path: Path, wait_for: WaitFor
) -> None:
    network = Waiting()
    rig = Rig(redis, SharedFrameStore(tmp_path / "frames"), enhancer(network))
    with rig.running(), live_plane(rig) as plane:
        plane.submit(1, picture_tiles(2))
        assert network.begun.wait(10)
        plane.abandon(1)
        network.may_end.set()
        wait_for(lambda: rig.store.exists(KEY, 1, "out"))
        wait_for(lambda: plane.collect(0.05) is None and not rig.store.exists(KEY, 1, "out"))
        plane.submit(2, picture_tiles(2))
        wait_for(lambda: (done := plane.collect(0.05)) is not None and done.frame == 2)


def test_pixels_of_a_worker_that_died_before_it_could_tell_are_freed_in_time(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.plane_redis.ABANDONED_S", 0.0)
    with live_plane(rig) as plane:
        plane.submit(1, picture_tiles(1))
        plane.abandon(1)
        rig.store.put(KEY, 1, "out", b"late")
        assert plane.collect(0.0) is None
        assert not rig.store.exists(KEY, 1, "out")


def test_an_epoch_frees_all_that_earlier_ones_left(rig: Rig) -> None:
    for epoch in (3, 700):
        rig.send(KEY._replace(attempt=epoch), 0, picture_tiles(1))
    with live_plane(rig):
        assert rig.left() == (0, 0)
        assert not any(rig.store.exists(KEY._replace(attempt=epoch), 0, "in") for epoch in (3, 700))
    assert rig.store.jobs() == set()


def test_replies_of_a_long_stream_do_not_pile_up(rig: Rig) -> None:
    with live_plane(rig) as plane:
        with rig.redis.pipeline() as pipe:
            for n in range(3000):
                rig.queue._replies.add(pipe, KEY, FrameDone(frame=n, outcome="enhanced"))
            pipe.execute()
        assert rig.redis.xlen(f"gleaner:done:{KEY}") < 1300
        assert plane.collect(0.0) is None


def test_a_full_store_refuses_the_frame_at_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise FrameStoreFull("full")

    monkeypatch.setattr(rig.store, "put", full)
    with live_plane(rig) as plane:
        live = RedisLivePlane(plane, lambda: True, lambda: 1, "cam-a")
        assert live.submit(1, picture_tiles(1), RUNG) == "the frame store is full"
        assert live.collect(0.0) is None


def test_an_emptied_store_is_opened_again_if_the_stream_is_still_ours(rig: Rig) -> None:
    with rig.running(), live_plane(rig) as plane:
        live = RedisLivePlane(plane, lambda: True, lambda: 1, "cam-a")
        rig.store.drop_job("cam-a")
        assert live.submit(1, picture_tiles(1), RUNG) == "the frame store was emptied"
        assert live.submit(2, picture_tiles(1), RUNG) == ""
        found = live.collect(10.0)
        assert np.array_equal(found.tiles, doubled(picture_tiles(1)))


def test_an_owner_whose_stream_another_has_taken_is_told(rig: Rig) -> None:
    with live_plane(rig) as plane:
        live = RedisLivePlane(plane, lambda: False, lambda: 1, "cam-a")
        with live_plane(rig, KEY._replace(attempt=901)), pytest.raises(SegmentGone):
            live.submit(1, picture_tiles(1), RUNG)


def test_with_redis_away_frames_are_refused_and_nothing_waits(tmp_path: Path) -> None:
    redis = connect(f"unix://{tmp_path}/none.sock", patience_s=0.1)
    queue, store = FrameQueue(redis, 10, 3), SharedFrameStore(tmp_path / "frames")
    store.open_segment(KEY)
    plane = RedisPlane(queue, store, KEY, "doubling", SCALE, silence_s=5.0, live=True)
    with pytest.raises(RedisConnectionError):
        plane.submit(1, picture_tiles(1))
    live = RedisLivePlane(plane, lambda: True, lambda: 1, "cam-a")
    assert live.submit(2, picture_tiles(1), RUNG) == "the frame queue does not answer"
    assert live.submit(3, picture_tiles(1), RUNG) == "the frame queue does not answer"
    assert live.collect(0.01) is None
    live.abandon(3)


def test_within_the_process_an_abandoned_frame_does_not_come_back() -> None:
    network = Waiting()
    with LocalPlane(enhancer(network), batch_tiles=4) as plane:
        for frame in (1, 2, 3):
            plane.submit(frame, picture_tiles(1, frame))
        assert network.begun.wait(10)
        plane.abandon(1)
        plane.abandon(2)
        network.may_end.set()
        assert plane.collect(10.0).frame == 3
        assert plane.collect(0.05) is None
    assert network.batches == [1, 1]  # the second was never computed
