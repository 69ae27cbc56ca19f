"""Four cameras on two enhance workers: no death of a worker stops a stream for longer than the lease."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.cameras.house import House, until
from tests.cameras.player import Player
from tests.cameras.sources import CameraProcess

pytestmark = [pytest.mark.heavy, pytest.mark.system, pytest.mark.timeout(500)]

NAMES = ("north", "east", "south", "west")
LEASE_S = 10.0  # the service's own default
WATCH_S = 15.0
# A dead worker's camera: its job is missed after 10 s (pipeline/rqworker.py), a worker starts, the camera answers.
BACK_S = 30.0


@contextlib.contextmanager
def watching(house: House, camera: CameraProcess) -> Iterator[tuple[dict[str, str], dict[str, Player]]]:
    """Four cameras that play: their ids and players, by name."""
    options = {"model": "espcn-x4", "ladder": ["espcn-x4", "lanczos"], "budget_s": 4.0}
    ids = {name: house.add(name, camera.url(name), **options) for name in NAMES}
    for id in ids.values():
        house.wait_online(id, 150)
    with contextlib.ExitStack() as stack:
        players = {name: stack.enter_context(Player(house.service.url, id, segments=False)) for name, id in ids.items()}
        until(lambda: all(len(player.parts()) > 4 for player in players.values()), 60, "not every stream plays")
        yield ids, players


def test_four_cameras_go_on_when_one_of_two_enhance_workers_is_killed(
    start_house: Callable[..., House],
    camera_process: Callable[..., CameraProcess],
    record_property: Callable[..., None],
) -> None:
    camera = camera_process(NAMES, "160x120", 5)
    house = start_house(camera_workers="4", enhance_workers="2", lease_s=str(LEASE_S))
    with watching(house, camera) as (ids, players):
        assert len(house.service.pids("enhance")) == 2
        before = {name: house.show(id)["live"] for name, id in ids.items()}

        def enhanced() -> bool:
            before.update({name: house.show(id)["live"] for name, id in ids.items()})
            return any(live["rung"] == "espcn-x4" for live in before.values())

        until(enhanced, 60, "no stream is on the network's rung: the workers have nothing to do")
        killed = time.time()
        house.service.kill("enhance")
        until(lambda: time.time() > killed + WATCH_S, 2 * WATCH_S, "")
        for name, player in players.items():
            pause_s = player.longest_pause_s(killed - 1, time.time())
            live = house.show(ids[name])["live"]
            late = live["late"] - before[name]["late"]
            dropped = live["dropped"] - before[name]["dropped"]
            rungs = f"{before[name]['rung']}, then {live['rung']}"
            print(f"{name} ({rungs}): longest pause {pause_s:.2f} s, {late} late, {dropped} dropped")
            record_property(f"{name} longest pause, s", round(pause_s, 2))
            assert pause_s <= LEASE_S
            assert live["frames"] > before[name]["frames"]
            assert not player.problems
        assert len(house.service.pids("enhance")) == 2  # the supervisor has started another


def test_a_camera_whose_worker_is_killed_is_taken_up_by_another(
    start_house: Callable[..., House],
    camera_process: Callable[..., CameraProcess],
    record_property: Callable[..., None],
) -> None:
    camera = camera_process(("yard",), "160x120", 5)
    house = start_house(camera_workers="1", enhance_workers="1")
    id = house.add("yard", camera.url(), model="lanczos", budget_s=4.0)
    house.wait_online(id, 150)
    with Player(house.service.url, id) as player:
        for whole in (True, False):  # the worker with its job; the job alone
            until(lambda: player.longest_pause_s(time.time() - 3, time.time()) < 2, 60, "it does not play steadily")
            (epoch,) = {seen.epoch for seen in player.seen[-1:]}
            doomed = [process.pid for process in house.camera_jobs()]
            doomed += house.service.pids("camera")[:1] if whole else []
            killed = time.time()
            for pid in doomed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            until(
                lambda before=epoch: player.seen[-1].epoch != before, 3 * BACK_S, f"nobody took it up: {house.show(id)}"
            )
            took_s = player.seen[-1].at - killed
            what = "worker and job" if whole else "job"
            print(f"{what} killed: played again after {took_s:.1f} s, epoch {epoch} -> {player.seen[-1].epoch}")
            record_property(f"{what} killed: played again after, s", round(took_s, 1))
            assert int(player.seen[-1].epoch) > int(epoch)
            assert took_s <= BACK_S
        assert not player.problems
