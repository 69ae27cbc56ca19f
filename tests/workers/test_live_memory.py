"""Memory of a live session whose camera goes again and again: nothing of a connection outlives it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from media.camera import Camera
from media.camera_clock import CameraClock
from media.camera_feed import CameraFeed
from media.live_types import CameraError, CameraSource
from media.live_writer import LiveWriter
from media.recording import Recorder
from media.ring import SourceRing
from tests.media.camera_material import material
from tests.media.camera_servers import Behaviour, serve
from tests.workers.live_rig import Told, no_model
from tests.workers.live_sim import facts_of
from workers.backoff import Backoff
from workers.ladder import Ladder
from workers.live import LiveSession
from workers.live_frames import LiveFrames
from workers.live_local import LocalLivePlane
from workers.live_outputs import LiveOutputs, Output
from workers.live_reader import LiveReader
from workers.live_tally import LiveTally
from workers.rungs import LANCZOS, plan_live
from workers.slot import NewestFrame

WaitFor = Callable[..., None]
WARM, CONNECTIONS = 4, 20
GROWTH_MIB = 5.0  # a decoder and its pictures are 0.6 MiB at this size: 12 MiB if each connection left its own


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage collector: in a process as large as the camera worker's it comes too seldom to be counted on."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def own_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1024


def alive(*kinds: type) -> int:
    return sum(type(each) in kinds for each in gc.get_objects())


@pytest.mark.usefixtures("uncollected")
def test_a_camera_that_comes_and_goes_takes_no_memory(
    tmp_path: Path, wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff, "failed", lambda self, *, slow=False: 0.0)
    before = alive(Camera, CameraFeed, LiveReader)
    clock, ring = CameraClock(), SourceRing(tmp_path / "ring", 60, 10**8)
    record = Output("record", lambda: Recorder(tmp_path / "record", 60, 10**8))
    plane, rungs, stop = LocalLivePlane(no_model, 1), (LANCZOS,), threading.Event()
    with serve(Behaviour(loop=material(size=(160, 120)), rate=50, frames=8)) as camera:
        outputs = LiveOutputs(LiveWriter(tmp_path / "live"), [record], threads=1)
        session = LiveSession(
            lambda: Camera(CameraSource(camera.url), clock, on_packet=ring.add),
            LiveFrames(plane, Ladder(rungs, 2.0), lambda w, h: plan_live(w, h, rungs, facts_of, 2, None), 3),
            plane,
            outputs,
            Backoff(),
            Told(),
            LiveTally(),
        )
        thread = threading.Thread(target=lambda: session.run(lambda: not stop.is_set()))
        thread.start()
        try:
            wait_for(lambda: session.tally.reconnects >= WARM)
            began_mib = own_mib()
            wait_for(lambda: session.tally.reconnects >= WARM + CONNECTIONS)
            ended_mib = own_mib()
            left = alive(Camera, CameraFeed, LiveReader) - before
        finally:
            stop.set()
            thread.join(10)
            outputs.close()
            ring.close()
    assert session.tally.frames > CONNECTIONS
    assert left <= 6  # of the connection that stands and the one before it
    assert ended_mib - began_mib < GROWTH_MIB


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("end", ["refused", "404", "frozen", "callback"])
def test_however_a_connection_ends_nothing_holds_it(end: str, wait_for: WaitFor) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("this was on purpose")

    before = alive(Camera, CameraFeed, CameraError)
    with serve(Behaviour(status=404) if end == "404" else Behaviour(rate=50)) as camera:
        source = CameraSource(camera.url, silence_s=1.0)
        if end == "refused":
            camera.kill()
        slot = NewestFrame()
        on_packet = fail if end == "callback" else None
        reader = LiveReader(lambda: Camera(source, CameraClock(), on_packet=on_packet), slot)
        if end == "frozen":
            assert slot.take(10) is not None
            camera.freeze()
        wait_for(partial(getattr, reader, "ended"))
        reader.stop()
        del reader
        wait_for(lambda: alive(Camera, CameraFeed, CameraError) == before)
