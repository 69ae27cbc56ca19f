"""Many crashes in one job. Too long for `make test`: run by `make test-heavy`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.client import Client
from tests.media.clips import write_clip
from tests.system.conftest import Service
from tests.system.test_clips import SIZE, frame_hashes, metric, run

pytestmark = [pytest.mark.heavy, pytest.mark.system, pytest.mark.timeout(900)]

KILLS = 9
PAUSE_S = (1.0, 4.0)


def test_a_job_survives_many_crashes(start_service: Callable[..., Service], tmp_path: Path) -> None:
    service = start_service()
    clip = write_clip(tmp_path / "in.mp4", size=SIZE, frames=900)
    run(service, clip, tmp_path / "calm.mp4")
    seed = random.SystemRandom().randrange(1000)
    chance = random.Random(seed)
    killed: list[str] = []
    with Client(service.url) as client:
        job_id = client.submit(clip, {"scale": "2"})["id"]
        due = time.monotonic() + chance.uniform(*PAUSE_S)
        for job in client.follow(job_id):
            if time.monotonic() > due and len(killed) < KILLS and job["state"] == "running":
                kind = chance.choice(["clip", "enhance", "redis"])
                if service.pids(kind):
                    service.kill(kind)
                    killed.append(kind)
                due = time.monotonic() + chance.uniform(*PAUSE_S)
        assert job["state"] == "done", f"seed {seed}, {killed}: {job['problem']}\n{service.log.read_text()[-5000:]}"
        client.download(job_id, "result", tmp_path / "out.mp4")
    assert len(killed) >= KILLS // 2, "the job was too quick to be disturbed"
    assert frame_hashes(tmp_path / "out.mp4") == frame_hashes(tmp_path / "calm.mp4"), f"seed {seed}, {killed}"
    assert service.frames_left() == set()
    assert metric(service, "gleaner_queue_depth_frames") == 0
