"""A live session from a real camera to files that play: overload, dead networks and workers, changes of size."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from redis import Redis
from torch import Tensor

from media.live_types import CameraSource
from pipeline.frames_shared import SharedFrameStore
from pipeline.tasks import SegmentKey
from tests.media.camera_material import material
from tests.media.camera_servers import Behaviour, serve
from tests.workers.live_rig import Watched, no_model, play
from tests.workers.rig import SCALE, Doubling, Rig, enhancer
from workers.live_planes import RedisLivePlane
from workers.plane_redis import RedisPlane

WaitFor = Callable[..., None]


class Slow(Doubling):
    """Takes `seconds` a batch."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self._ended = seconds, threading.Event()

    def spoil(self, x: Tensor, y: Tensor) -> Tensor:
        self._ended.wait(self.seconds)
        return y


def test_frames_are_enhanced_in_time_and_the_files_play(tmp_path: Path, wait_for: WaitFor) -> None:
    network = enhancer(Doubling())
    with (
        serve(Behaviour(rate=10)) as camera,
        Watched(CameraSource(camera.url), lambda name, scale: network, tmp_path / "live", budget_s=6.0) as watched,
    ):
        wait_for(lambda: watched.tally.frames >= 30)
        assert watched.session.standing().state == "online"
    assert watched.told.details == []
    assert watched.states == ["connecting", "online"]
    assert set(watched.tally.how) <= {"enhanced", "reused"}
    assert max(watched.told.lags[5:]) < 6.0  # the first wait until everything is opened
    assert watched.told.of("size") == [{"codec": "h264", "width": 96, "height": 64}]
    shown = play(tmp_path / "live")
    assert len(shown) == watched.tally.frames
    assert {(width, height) for _, width, height in shown} == {(192, 128)}
    pts = [pts for pts, *_ in shown]
    assert pts == sorted(set(pts))


def test_three_times_the_load_steps_down_and_keeps_the_budget(tmp_path: Path, wait_for: WaitFor) -> None:
    slow, quick = enhancer(Slow(0.15)), enhancer(Doubling())
    with (
        serve(Behaviour(rate=20)) as camera,
        Watched(
            CameraSource(camera.url),
            lambda name, scale: slow if name == "slow" else quick,
            tmp_path / "live",
            ladder=("slow", "doubling"),
            budget_s=4.0,
        ) as watched,
    ):
        wait_for(lambda: watched.ladder.rung == "doubling")
        wait_for(lambda: sum(rung == "doubling" for _, _, rung, _ in watched.told.frames) > 30)
    step = watched.told.of("rung")[0]
    assert (step["from"], step["to"], step["down"]) == ("slow", "doubling", True)
    assert "dropped" in step["reason"]
    assert watched.tally.dropped > 10
    assert max(watched.told.lags[20:]) < 4.0  # but those of the first segment, which appears as a whole
    assert set(watched.tally.lags) >= {"slow", "doubling"}


def test_a_plane_that_never_answers_stops_the_stream_for_no_longer_than_patience(
    tmp_path: Path, wait_for: WaitFor
) -> None:
    dead = enhancer(Slow(4.0))
    with (
        serve(Behaviour(rate=10)) as camera,
        Watched(CameraSource(camera.url), lambda name, scale: dead, tmp_path / "live", budget_s=1.25) as watched,
    ):
        wait_for(lambda: watched.ladder.rung == "lanczos")  # the first frame's 4 s might be its model's loading
        frames = watched.tally.frames
        wait_for(lambda: watched.tally.frames > frames + 10)
    assert watched.told.frames[0][1] == "late"
    assert watched.tally.late >= 1
    assert max(watched.told.pauses()) < watched.frames.patience_s + 1.5  # of the 4 s
    assert "not back within 0.50 s" in watched.told.of("rung")[0]["reason"]


def test_lanczos_needs_no_network_at_all(tmp_path: Path, wait_for: WaitFor) -> None:
    with (
        serve(Behaviour(rate=20)) as camera,
        Watched(CameraSource(camera.url), no_model, tmp_path / "live", ladder=("lanczos",)) as watched,
    ):
        wait_for(lambda: watched.tally.frames > 20)
    assert set(watched.tally.how) <= {"resized", "reused"}
    assert len(play(tmp_path / "live")) == watched.tally.frames


def test_a_camera_that_changes_its_size_goes_on_in_the_new_one(tmp_path: Path, wait_for: WaitFor) -> None:
    network = enhancer(Doubling())
    behaviour = Behaviour(rate=20, changes={1.5: material(size=(128, 96))})
    with (
        serve(behaviour) as camera,
        Watched(CameraSource(camera.url), lambda name, scale: network, tmp_path / "live") as watched,
    ):
        wait_for(lambda: len(watched.told.of("size")) == 2)
        frames = watched.tally.frames
        wait_for(lambda: watched.tally.frames > frames + 20)
    assert [(size["width"], size["height"]) for size in watched.told.of("size")] == [(96, 64), (128, 96)]
    assert set(watched.told.sizes) == {(128, 192, 3), (192, 256, 3)}
    playlist = (tmp_path / "live" / "live.m3u8").read_text()
    assert "#EXT-X-DISCONTINUITY\n" in playlist


def test_one_of_two_enhance_workers_dies_and_the_stream_waits_no_longer_than_its_patience(
    redis: Redis, tmp_path: Path, wait_for: WaitFor
) -> None:
    store, key = SharedFrameStore(tmp_path / "frames"), SegmentKey("cam-a", 0, 7)
    rigs = [Rig(redis, store, enhancer(Doubling()), name=f"w{n}", batch_tiles=200, lease_s=60.0) for n in range(2)]
    queue = rigs[0].queue
    with (
        serve(Behaviour(rate=10)) as camera,
        rigs[0].running(),
        rigs[1].running(),
        RedisPlane(queue, store, key, "doubling", SCALE, silence_s=60.0, live=True) as plane,
        Watched(
            CameraSource(camera.url),
            no_model,
            tmp_path / "live",
            budget_s=4.25,
            plane=RedisLivePlane(plane, lambda: True, lambda: 2, "cam-a"),
        ) as watched,
    ):
        wait_for(lambda: watched.tally.how.get("enhanced", 0) > 30)
        before = watched.tally.late
        wait_for(lambda: queue.claim("died", 1, 1000))  # takes a frame, and is not heard of again
        wait_for(lambda: watched.tally.late > before)
        frames = watched.tally.frames
        wait_for(lambda: watched.tally.frames > frames + 10)
        assert max(watched.told.pauses()[5:]) < watched.frames.patience_s + 1.5
        assert max(watched.told.lags[15:]) < 4.25  # but those of the first segment, which appears as a whole
    assert store.jobs() == set()
