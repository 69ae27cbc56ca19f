"""A live session's connections: lost, refused, frozen, never made; found again, and nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from media.live_types import CameraSource
from tests.media.camera_servers import Behaviour, serve
from tests.workers.live_rig import Watched
from tests.workers.rig import Doubling, enhancer

WaitFor = Callable[..., None]


def test_a_camera_that_is_killed_and_comes_back_is_found_again(tmp_path: Path, wait_for: WaitFor) -> None:
    network = enhancer(Doubling())
    with (
        serve(Behaviour(rate=20)) as camera,
        Watched(CameraSource(camera.url), lambda name, scale: network, tmp_path / "live") as watched,
    ):
        for times in range(1, 3):
            wait_for(lambda: watched.session.standing().state == "online")
            camera.kill()
            wait_for(lambda: watched.session.standing().state == "backing-off")
            problem = watched.session.standing().problem
            assert problem.code in ("camera-broken", "camera-ended", "camera-refused")
            camera.start()
            wait_for(lambda: watched.session.standing().state == "online")
            assert watched.session.standing().problem is None
            assert watched.tally.reconnects_1h(time.monotonic()) >= times
    pts = [pts for *_, pts in watched.told.frames]
    assert pts == sorted(set(pts))
    assert len(watched.told.of("gap")) >= 2
    assert all(gap["seconds"] > 0 for gap in watched.told.of("gap"))


def test_a_camera_that_freezes_is_stalled_and_then_given_up(
    tmp_path: Path, wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.live.STALLED_S", 0.7)
    network = enhancer(Doubling())
    with (
        serve(Behaviour(rate=20)) as camera,
        Watched(CameraSource(camera.url, silence_s=2.5), lambda name, scale: network, tmp_path / "live") as watched,
    ):
        wait_for(lambda: watched.tally.frames > 5)
        camera.freeze()
        wait_for(lambda: watched.session.standing().state == "stalled")
        wait_for(lambda: watched.session.standing().state == "backing-off")
        assert watched.session.standing().problem.code == "camera-silent"


def test_a_wrong_password_is_a_failure_that_is_tried_again_seldom(tmp_path: Path, wait_for: WaitFor) -> None:
    network = enhancer(Doubling())
    with (
        serve(Behaviour(auth="digest")) as camera,
        Watched(CameraSource(camera.address), lambda name, scale: network, tmp_path / "live") as watched,
    ):
        wait_for(lambda: watched.session.standing().state == "failed")
        standing = watched.session.standing()
        assert standing.problem.code == "camera-unauthorised"
        assert standing.retry_at > time.time() + 50
        assert camera.connections <= 2


def test_nobody_at_the_address_is_backing_off_and_stopping_is_quick(tmp_path: Path, wait_for: WaitFor) -> None:
    network = enhancer(Doubling())
    with serve() as camera:
        url = camera.url
    with Watched(CameraSource(url), lambda name, scale: network, tmp_path / "live") as watched:
        wait_for(lambda: watched.session.standing().state == "backing-off")
        assert watched.session.standing().problem.code == "camera-refused"
        wait_for(lambda: watched.states.count("backing-off") >= 2)
        assert watched.tally.reconnects == 0  # attempts alone are none
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert {(state, retry_at is not None) for state, retry_at in watched.standings} == {
        ("connecting", False),
        ("backing-off", True),
    }


def test_a_camera_that_comes_and_goes_leaves_nothing_behind(
    tmp_path: Path, wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.backoff.GOOD_S", 0.1)  # so that waits do not grow
    network, held = enhancer(Doubling()), []
    with (
        serve(Behaviour(rate=20)) as camera,
        Watched(CameraSource(camera.url), lambda name, scale: network, tmp_path / "live") as watched,
    ):
        for end in (camera.kill, camera.stop, camera.kill, camera.stop):
            frames = watched.tally.frames
            wait_for(lambda frames=frames: watched.tally.frames > frames + 5)
            held.append((len(list(Path("/proc/self/fd").iterdir())), threading.active_count()))
            end()
            wait_for(lambda: watched.session.standing().state == "backing-off")
            camera.start()
        wait_for(lambda: watched.session.standing().state == "online")
    descriptors, threads = zip(*held[1:], strict=True)
    assert max(descriptors) <= descriptors[0] + 2
    assert max(threads) <= threads[0] + 1
    pts = [pts for *_, pts in watched.told.frames]
    assert pts == sorted(set(pts))
    assert len(watched.told.of("gap")) == 4
