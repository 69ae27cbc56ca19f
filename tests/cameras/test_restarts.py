"""A camera's server that dies in every way, again and again: the stream comes back by itself, in time and in order.

`make soak-cameras` does the same for half an hour.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cameras.disturbances import Disturbance
from tests.cameras.house import House
from tests.cameras.soak import Soak
from tests.cameras.sources import CameraProcess

pytestmark = [pytest.mark.heavy, pytest.mark.system, pytest.mark.timeout(400)]


def test_a_server_that_dies_in_every_way_is_found_again(
    start_house: Callable[..., House], camera_process: Callable[..., CameraProcess], tmp_path: Path
) -> None:
    camera = camera_process(("yard",))
    house = start_house(camera_workers="1")
    soak = Soak(house, camera, tmp_path)
    planned = [Disturbance("restart", 0.0, 4.0), Disturbance("stop", 2.0, 3.0), Disturbance("kill", 1.5, 3.0)]
    wrong = soak.run([*planned, Disturbance("freeze", 3.0, 3.0)], seconds=60)
    assert not wrong, "\n".join(wrong)
    assert len(soak.recoveries) == 4
    assert (tmp_path / "soak.png").stat().st_size > 5000
    assert len((tmp_path / "samples.csv").read_text().splitlines()) > 20
