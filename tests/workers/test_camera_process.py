"""The camera worker's process: takes streams from the queue, hands them back, and a killed one's is taken over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.camera_queue import CameraQueue
from pipeline.stream import Stream
from tests.media.camera_servers import Behaviour, serve
from tests.workers.camera_rig import CameraRig

WaitFor = Callable[..., None]
ROOT = Path(__file__).parents[2]


class Processes:
    """`gleaner worker camera`, in the environment of the test."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "gleaner", "worker", "camera"]
            self.started.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        return self.started[-1]

    def kill(self) -> None:
        for process in self.started:
            process.kill()
            process.wait(10)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path / "log")
    yield processes
    processes.kill()


def online(rig: CameraRig, stream: Stream, epoch: int = 0) -> bool:
    status = rig.status(stream)
    return status.state == "online" and status.epoch > epoch


def discontinuities(rig: CameraRig, stream: Stream, wait_for: WaitFor) -> int:
    """How many lie before the live view of the present owner, once it has one; no other owner's is left."""
    folder = rig.files.live(stream.id, rig.status(stream).epoch)
    wait_for((folder / "live.m3u8").is_file)
    assert list(folder.parent.iterdir()) == [folder]
    lines = (folder / "live.m3u8").read_text().splitlines()
    (number,) = (line.partition(":")[2] for line in lines if line.startswith("#EXT-X-DISCONTINUITY-SEQUENCE:"))
    return int(number)


def horse_of(process: subprocess.Popen[bytes]) -> int:
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


@pytest.mark.timeout(400)
def test_a_stream_goes_from_worker_to_worker(rig: CameraRig, processes: Processes, wait_for: WaitFor) -> None:
    queue = CameraQueue(rig.redis)
    with serve(Behaviour(rate=10, auth="digest")) as camera:
        stream = rig.make(camera.url, model="lanczos")
        queue.enqueue(stream.id)
        first = processes.start()
        wait_for(lambda: online(rig, stream), 150)
        epoch = rig.status(stream).epoch
        assert discontinuities(rig, stream, wait_for) == 0
        # The process that has the stream is killed; its worker begins it anew.
        os.kill(horse_of(first), signal.SIGKILL)
        wait_for(lambda: online(rig, stream, epoch), 150)
        epoch = rig.status(stream).epoch
        assert discontinuities(rig, stream, wait_for) == 1
        # The worker is told to leave; another takes the stream up.
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 0
        assert queue.waiting() == 1
        processes.start()
        wait_for(lambda: online(rig, stream, epoch), 150)
        assert discontinuities(rig, stream, wait_for) == 2
        rig.streams.delete(stream.id)
        wait_for(lambda: not queue.underway(stream.id))
    log = processes.log.read_text()
    assert "stream let go" in log
    assert "Traceback" not in log
    for secret in ("s3cret", "operator"):
        assert secret not in log
