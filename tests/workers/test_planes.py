"""Both frame planes keep the same promises; the one through Redis keeps them although tasks and replies are lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from redis import Redis

from pipeline.frames import SegmentGone
from pipeline.frames_redis import RedisFrameStore
from pipeline.frames_shared import SharedFrameStore
from pipeline.queue import FrameQueue
from pipeline.tasks import FrameDone, SegmentKey
from tests.workers.rig import (
    SCALE,
    DeviceLost,
    Doubling,
    NanOnMark,
    NanOnMarkInLowPrecision,
    RaisingOnMark,
    Rig,
    Waiting,
    doubled,
    enhancer,
)
from tests.workers.rig import picture_tiles as tiles
from workers.plane import Enhanced, FramePlane
from workers.plane_local import LocalPlane
from workers.plane_redis import RedisPlane

KEY = SegmentKey("job-a", 2, 3)
Open = Callable[[torch.nn.Module], AbstractContextManager[FramePlane]]


@pytest.fixture(params=["local", "redis, shared memory", "redis, pixels in redis"])
def open_plane(request: pytest.FixtureRequest, redis: Redis, tmp_path: Path) -> Open:
    """open_plane(network): a plane of that kind with an enhancer of that network behind it."""

    @contextmanager
    def build(network: torch.nn.Module) -> Iterator[FramePlane]:
        if request.param == "local":
            with LocalPlane(enhancer(network), batch_tiles=4) as plane:
                yield plane
            return
        shared = "shared" in request.param
        store = SharedFrameStore(tmp_path / "frames") if shared else RedisFrameStore(redis)
        rig = Rig(redis, store, enhancer(network), batch_tiles=4)
        with rig.running(), RedisPlane(rig.queue, store, KEY, "doubling", SCALE, silence_s=5.0) as plane:
            yield plane

    return build


def collect(plane: FramePlane, count: int, seconds: float = 20.0) -> dict[int, Enhanced]:
    """`count` frames, each once."""
    found: dict[int, Enhanced] = {}
    deadline = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < deadline, f"only {sorted(found)} came"
        done = plane.collect(0.2)
        if done is not None:
            assert done.frame not in found
            found[done.frame] = done
    return found


def test_each_frame_comes_back_once_with_its_own_pixels(open_plane: Open) -> None:
    sent = {
        frame: tiles(count, frame, dtype=dtype)
        for frame, (count, dtype) in enumerate([(1, "uint8"), (9, "uint8"), (4, "uint16"), (2, "uint8"), (5, "uint8")])
    }
    with open_plane(Doubling()) as plane:
        for frame, pixels in sent.items():
            plane.submit(frame, pixels)
        found = collect(plane, len(sent))
        assert plane.collect(0.3) is None
    for frame, done in found.items():
        assert (done.outcome, done.detail) == ("enhanced", "")
        assert done.tiles is not None
        assert done.tiles.dtype == sent[frame].dtype
        assert np.array_equal(done.tiles, doubled(sent[frame]))
        assert done.busy_s > 0


@pytest.mark.parametrize(
    ("network", "reason"), [(RaisingOnMark, "doubling failed: RuntimeError"), (NanOnMark, "no valid pixels")]
)
def test_a_failed_frame_is_reported_and_the_others_are_enhanced(
    network: type[Doubling], reason: str, open_plane: Open
) -> None:
    with open_plane(network()) as plane:
        for frame in range(5):
            plane.submit(frame, tiles(2, frame, mark=frame == 3))
        found = collect(plane, 5)
    assert {frame for frame, done in found.items() if done.outcome == "failed"} == {3}
    assert found[3].tiles is None
    assert reason in found[3].detail
    assert np.array_equal(found[4].tiles, doubled(tiles(2, 4)))


def test_figures_of_added_detail_come_with_the_pixels(open_plane: Open) -> None:
    sent = tiles(9, 3, edge=32)
    with open_plane(Doubling()) as plane:
        plane.submit(0, sent)
        done = collect(plane, 1)[0]
    assert done.added.shape == (9, 2, 2, 2)
    assert np.array_equal(done.added, enhancer(Doubling()).enhance(sent).added)


def test_nothing_comes_of_nothing(open_plane: Open) -> None:
    with open_plane(Doubling()) as plane:
        assert plane.collect(0.05) is None


def test_a_lost_device_ends_a_local_run() -> None:
    with LocalPlane(enhancer(DeviceLost()), 4) as plane:
        plane.submit(0, tiles(1))
        with pytest.raises(torch.AcceleratorError):
            collect(plane, 1)


def test_a_local_plane_is_left_without_computing_what_waits(wait_for: Callable[..., None]) -> None:
    network = Waiting()
    plane = LocalPlane(enhancer(network), 4)
    plane.__enter__()
    for frame in range(4):
        plane.submit(frame, tiles(1))
    assert network.begun.wait(10)
    leaving = threading.Thread(target=plane.__exit__)
    leaving.start()
    wait_for(plane._crew._ended.is_set)
    network.may_end.set()
    leaving.join(10)
    assert not leaving.is_alive()
    assert network.batches == [1]


# The plane through Redis


@pytest.fixture(params=["shared", "redis"])
def rig(request: pytest.FixtureRequest, redis: Redis, tmp_path: Path) -> Rig:
    store = SharedFrameStore(tmp_path / "frames") if request.param == "shared" else RedisFrameStore(redis)
    return Rig(redis, store, enhancer(Doubling()), batch_tiles=4)


def plane_of(rig: Rig, key: SegmentKey = KEY, silence_s: float = 0.2) -> RedisPlane:
    return RedisPlane(rig.queue, rig.store, key, "doubling", SCALE, silence_s)


def test_duplicate_replies_are_ignored(rig: Rig) -> None:
    with rig.running(), plane_of(rig, silence_s=30.0) as plane:
        plane.submit(0, tiles(1))
        collect(plane, 1)
        task = rig.queue_task(KEY, 0, tiles(1))  # delivered again, after its pixels were dropped
        rig.queue.done(task, FrameDone(frame=0, outcome="enhanced"), "clip:1-1")
        rig.queue.done(task, FrameDone(frame=99, outcome="enhanced"), "clip:1-1")  # of a frame never sent
        plane.submit(1, tiles(1, 1))
        assert set(collect(plane, 1)) == {1}


def test_lost_tasks_are_queued_again(rig: Rig) -> None:
    with plane_of(rig) as plane:
        for frame in range(3):
            plane.submit(frame, tiles(2, frame))
        rig.redis.delete("gleaner:frames:clip")  # and the consumer group with it
        with rig.running():
            found = collect(plane, 3)
    assert all(np.array_equal(found[frame].tiles, doubled(tiles(2, frame))) for frame in range(3))


def test_label_and_figures_of_a_frame_outlive_its_lost_reply(redis: Redis, tmp_path: Path) -> None:
    network = enhancer(NanOnMarkInLowPrecision(), low_precision=True)
    rig = Rig(redis, SharedFrameStore(tmp_path / "frames"), network, batch_tiles=4)
    with plane_of(rig) as plane:
        plane.submit(0, tiles(2, mark=True))
        while rig.left() != (0, 0):
            rig.worker.step()
        rig.redis.delete(f"gleaner:done:{KEY}")
        with rig.running():
            done = collect(plane, 1)[0]
    assert done.outcome == "enhanced-float32"
    assert np.array_equal(done.added, enhancer(Doubling()).enhance(tiles(2, mark=True)).added)
    assert done.busy_s > 0


def test_lost_replies_are_found(rig: Rig) -> None:
    with plane_of(rig) as plane:
        for frame in range(3):
            plane.submit(frame, tiles(2, frame))
        while rig.left() != (0, 0):
            rig.worker.step()
        rig.redis.delete(f"gleaner:done:{KEY}")
        with rig.running():
            assert set(collect(plane, 3)) == {0, 1, 2}


def test_a_lost_result_is_made_again(rig: Rig) -> None:
    with plane_of(rig) as plane:
        plane.submit(0, tiles(2))
        rig.worker.step()
        rig.store.drop(KEY, 0)
        rig.store.put(KEY, 0, "in", tiles(2).data)
        with rig.running():
            assert np.array_equal(collect(plane, 1)[0].tiles, doubled(tiles(2)))


@pytest.mark.parametrize("lost", ["pixels", "everything"])
def test_an_attempt_whose_pixels_are_gone_is_given_up(lost: str, rig: Rig) -> None:
    """Else it would wait for ever: no worker can answer to a task without pixels."""
    with plane_of(rig) as plane:
        plane.submit(0, tiles(1))
        rig.store.drop_segment(KEY)
        if lost == "everything":
            rig.redis.flushall()
        with rig.running(), pytest.raises(SegmentGone):
            collect(plane, 1)


def test_leaving_frees_all_of_this_attempt_and_those_before_and_nothing_else(rig: Rig) -> None:
    other = SegmentKey("job-a", 4, 1)
    rig.send(other, 0, tiles(1))
    for attempt in (1, 2):
        key = KEY._replace(attempt=attempt)
        task = rig.send(key, 0, tiles(1))
        rig.queue.done(task, FrameDone(frame=0, outcome="failed"), "clip:1-1")
    assert rig.queue.depth() == 3
    with plane_of(rig) as plane:
        assert rig.queue.depth() == 1
        for frame in range(3):
            plane.submit(frame, tiles(1))
        rig.queue.claim("slow", 2, 0)
    assert rig.queue.depth() + rig.queue.pending() == 1
    assert rig.queue.queued(other) == {0}
    assert rig.store.get(other, 0, "in") is not None
    for attempt in (1, 2, 3):
        key = KEY._replace(attempt=attempt)
        assert rig.replies(key) == []
        with pytest.raises(SegmentGone):
            rig.store.put(key, 0, "out", b"late")


def test_leaving_by_an_exception_frees_too(rig: Rig) -> None:
    plane = plane_of(rig)

    def work() -> None:
        with plane:
            plane.submit(0, tiles(1))
            raise KeyError("anything")

    with pytest.raises(KeyError):
        work()
    assert rig.left() == (0, 0)
    assert rig.store.jobs() == set()


def test_a_plane_may_wait_for_workers_however_long_they_do_not_come(rig: Rig) -> None:
    with plane_of(rig, silence_s=0.05) as plane:
        plane.submit(0, tiles(1))
        for _ in range(5):
            assert plane.collect(0.06) is None
        assert FrameQueue(rig.redis, 30.0, 3).depth() == 1  # and not one more for each silence
