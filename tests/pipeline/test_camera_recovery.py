"""Streams come back whatever was killed, and what is left of those that were deleted goes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from redis import Redis

from pipeline.camera_queue import CameraQueue
from pipeline.connection import connect
from pipeline.files import JobFiles
from pipeline.frames import make_frame_store
from pipeline.jobs import JobStore, new_id
from pipeline.queue import FrameQueue
from pipeline.recovery import Action, Do, reconcile
from pipeline.rqueue import ClipQueue
from pipeline.stream_files import StreamFiles
from pipeline.streams import StreamStore
from pipeline.tasks import SegmentKey
from tests.pipeline.camera_house import Wait, Workers, add, enable, online, ran, status


def recover(redis: Redis, folder: Path) -> list[Action]:
    frames = FrameQueue(redis, lease_s=10, max_deliveries=3)
    pixels = make_frame_store("shared", folder / "frames", redis)
    parts = (redis, JobStore(redis), ClipQueue(redis), frames, pixels, JobFiles(folder / "data"))
    return reconcile(*parts, retention_s=100.0)


def test_every_stream_that_is_wanted_and_lost_is_queued_again(
    redis: Redis, queue: CameraQueue, store: StreamStore, tmp_path: Path
) -> None:
    lost, waiting, unwanted = add(store), add(store, "gate"), add(store, "attic", enabled=False)
    queue.enqueue(waiting)
    assert recover(redis, tmp_path) == [Action(Do.CAMERA, lost)]
    assert [queue.underway(id) for id in (lost, waiting, unwanted)] == [True, True, False]
    assert recover(redis, tmp_path) == []


def test_pixels_of_a_live_stream_stay_and_those_of_a_stopped_one_go(
    redis: Redis, queue: CameraQueue, store: StreamStore, tmp_path: Path
) -> None:
    pixels = make_frame_store("shared", tmp_path / "frames", redis)
    for name in ("yard", "gate"):
        stream_id = add(store, name)
        queue.enqueue(stream_id)
        key = SegmentKey(stream_id, 0, 1)
        pixels.open_segment(key)
        pixels.put(key, 0, "in", b"pixels")
    assert recover(redis, tmp_path) == []
    enable(store, stream_id, False)
    assert recover(redis, tmp_path) == [Action(Do.SWEEP, stream_id)]
    assert pixels.jobs() == {store.by_name("yard").id}


def test_files_of_a_deleted_stream_go_and_those_without_a_record_stay(
    redis: Redis, store: StreamStore, tmp_path: Path
) -> None:
    files = StreamFiles(tmp_path / "data")
    deleted, other = add(store), new_id()
    for stream_id in (deleted, other):
        files.create(stream_id, 7)
    store.delete(deleted)
    assert recover(redis, tmp_path) == [Action(Do.CLEAR, deleted)]
    files.create(deleted, 7)  # by an owner that had hung
    assert recover(redis, tmp_path) == [Action(Do.CLEAR, deleted)]
    assert not files.folder(deleted).exists()
    assert files.folder(other).exists()  # a Redis that was lost is no reason to delete recordings


def test_a_stream_survives_kill_of_redis_and_an_owner_that_hung_meanwhile(
    own_redis_server: Any, workers: Workers, wait_for: Wait, tmp_path: Path
) -> None:
    with connect(own_redis_server.url) as redis:
        queue, store = CameraQueue(redis), StreamStore(redis)
        stream_id, lost = add(store), add(store, "gate")
        queue.enqueue(stream_id)
        first = workers.start(own_redis_server.url)
        wait_for(lambda: online(store, stream_id))
        hung = int(ran(redis)[0][1])
        for pid in (first.pid, hung):
            os.kill(pid, signal.SIGSTOP)
        own_redis_server.kill()
        own_redis_server.start()
        second = workers.start(own_redis_server.url)
        wait_for(lambda: len(ran(redis)) == 2 and online(store, stream_id))
        epoch = store.status(stream_id).epoch
        for pid in (first.pid, hung):
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: gone(hung))
        assert store.status(stream_id).epoch == epoch
        assert (queue.underway(stream_id), status(redis, stream_id)) == (True, "started")  # by the second
        assert recover(redis, tmp_path) == [Action(Do.CAMERA, lost)]
        wait_for(lambda: online(store, lost))  # by the first worker, which is free by now
        assert [run[0] for run in ran(redis)] == [stream_id, stream_id, lost]
        assert (first.poll(), second.poll()) == (None, None)


def gone(pid: int) -> bool:
    """Neither running nor only waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
