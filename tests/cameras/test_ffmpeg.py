"""The live view decodes without an error in FFmpeg, which ffplay and mpv play with."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.cameras.house import House
from tests.media.camera_material import material
from tests.media.camera_servers import Behaviour, serve

pytestmark = [pytest.mark.heavy, pytest.mark.system, pytest.mark.timeout(300)]

RATE = 10


def test_ffmpeg_decodes_without_errors(start_house: Callable[..., House]) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("not installed: ffmpeg")
    house = start_house(camera_workers="1", segment_s="2")
    with serve(Behaviour(material(size=(160, 120)), rate=RATE)) as camera:
        id = house.add("gate", camera.url, model="lanczos", scale=2)
        house.wait_online(id)
        url = f"{house.service.url}/v1/streams/{id}/live/live.m3u8"
        command = [program, "-hide_banner", "-nostats", "-loglevel", "warning", "-xerror", "-err_detect", "explode"]
        command += ["-i", url, "-t", "8", "-f", "framemd5", "-"]
        played = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    # FFmpeg says this of every live playlist with an init section, its own ones too: it reads it again at each reload.
    said = [
        line
        for line in played.stderr.splitlines()
        if "duplicated MOOV" not in line and "Last message repeated" not in line
    ]
    assert (played.returncode, said) == (0, [])
    frames = [line for line in played.stdout.splitlines() if line and not line.startswith("#")]
    assert len(frames) >= 6 * RATE
