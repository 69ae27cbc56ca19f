"""The live view plays where most people watch it: hls.js, in Chromium."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.cameras.browser import Browser, Stage, missing
from tests.cameras.house import House
from tests.media.camera_behaviour import Behaviour
from tests.media.camera_material import material
from tests.media.camera_servers import serve

pytestmark = [pytest.mark.heavy, pytest.mark.system, pytest.mark.timeout(600)]

RATE = 10


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_hls_js_plays_on_over_a_restart_another_size_and_another_owner(start_house: Callable[..., House]) -> None:
    house = start_house(camera_workers="1")
    behaviour = Behaviour(material(size=(160, 120)), rate=RATE)
    with serve(behaviour) as camera, Stage(house.service.url) as stage:
        id = house.add("gate", camera.url, model="lanczos", scale=2)
        house.wait_online(id)
        with Browser(stage.page(id)):
            stage.plays_on(seconds=1, frames=5)
            stage.plays_on(seconds=15, frames=60)
            steady = stage.said
            tell("steady", stage)
            assert steady["sizes"] == ["320x240"]
            assert stage.asked["reload 200"] > 5, "no blocking reload"
            assert stage.asked["part 200"] > 10, "no parts"
            assert steady["latency"] < 10

            for size, shown in (((160, 120), ["320x240"]), ((96, 64), ["320x240", "192x128"])):
                camera.kill()
                house.wait(id, lambda body: body["state"] == "backing-off", "backing off")
                camera.behaviour = replace(behaviour, loop=material(size=size))
                camera.start()
                house.wait_online(id)
                stage.until(lambda shown=shown: stage.said["sizes"] == shown, "the player did not come to the new size")
                stage.plays_on(seconds=10, frames=40)
                tell(f"restarted with {size[0]}x{size[1]}", stage)
            assert not any(name.split()[1].startswith("4") for name in stage.asked), stage.asked

            eras = len(stage.said["eras"])
            for job in house.camera_jobs():
                job.kill()
            stage.until(lambda: len(stage.said["eras"]) > eras, "the player did not come to the next owner's view")
            stage.plays_on(seconds=5, frames=20)
            tell("another owner", stage)
            said = stage.said
            assert (said["fatal"], said["error"], said["went_back"], said["corrupted"]) == ([], None, 0, 0)


def tell(when: str, stage: Stage) -> None:
    """The figures of the last ten seconds, for people."""
    now = stage.history[-1][0]
    recent = [said for at, said in stage.history if at > now - 10]
    lags = [said["lag"] for said in recent if said["lag"] is not None]
    latencies = [said["latency"] for said in recent]
    last = stage.said
    print(
        f"{when}: {last['frames']} frames shown, {last['decoded']} decoded, {last['dropped']} dropped, at"
        f" {last['time']:.1f} s; behind the edge {statistics.median(latencies):.2f} s (target {last['target']:.2f}),"
        f" from arrival to the screen {statistics.median(lags):.2f} s (longest {max(lags):.2f}); waits {last['waits']},"
        f" errors {last['errors']}, sizes {last['sizes']}, eras {last['eras']}, answers {dict(stage.asked)}"
    )
