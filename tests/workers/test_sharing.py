"""How enhance workers share frames: batches fill over cameras, none waits long, a slow worker holds up nobody."""

from __future__ import annotations

import time
from pathlib import Path

from redis import Redis

from pipeline.frames_shared import SharedFrameStore
from pipeline.tasks import SegmentKey
from tests.workers import rig as nets
from tests.workers.rig import Rig, enhancer, picture_tiles

CAMERAS = [SegmentKey(f"camera-{number}", 0, 1) for number in range(8)]
WAIT_S = 0.05  # of the rig's workers


def rig(redis: Redis, folder: Path, network: nets.Doubling, name: str = "w1") -> Rig:
    made = Rig(redis, SharedFrameStore(folder / "frames"), enhancer(network), batch_tiles=16, name=name)
    for _ in range(6):  # what frames are like is learned from them
        made.send(CAMERAS[0], 10**6, picture_tiles(2))
        made.worker.step()
    return made


def test_batches_fill_over_cameras(redis: Redis, tmp_path: Path) -> None:
    network = nets.Doubling()
    one = rig(redis, tmp_path, network)
    for camera in CAMERAS:
        for frame in range(4):
            one.send(camera, frame, picture_tiles(2))
    network.batches.clear()
    rounds = 0
    while one.left() != (0, 0):
        one.worker.step()
        rounds += 1
    assert sum(network.batches) == 64
    assert max(network.batches) == 16
    assert len(network.batches) <= 6  # four would be full ones
    assert rounds <= 6


def test_a_lonely_frame_waits_no_longer_than_it_may(redis: Redis, tmp_path: Path) -> None:
    one = rig(redis, tmp_path, nets.Doubling())
    one.send(CAMERAS[1], 0, picture_tiles(1))
    began = time.monotonic()
    assert one.worker.step() == 1
    assert WAIT_S * 0.8 <= time.monotonic() - began < WAIT_S + 2  # this machine may be busy


def test_a_slow_worker_holds_a_batch_and_the_others_do_the_rest(redis: Redis, tmp_path: Path) -> None:
    waiting = nets.Waiting()
    slow = Rig(redis, SharedFrameStore(tmp_path / "frames"), enhancer(waiting), batch_tiles=16, name="slow")
    quick = rig(redis, tmp_path, nets.Doubling(), "quick")
    for camera in CAMERAS:
        for frame in range(8):
            slow.send(camera, frame, picture_tiles(2))
    with slow.running():
        assert waiting.begun.wait(20)
        done = 0
        while slow.left()[0]:
            done += quick.worker.step()
        held = slow.left()[1]
        assert held <= 16 / 2 + 1  # what fills a batch
        assert done == 64 - held
        waiting.may_end.set()
