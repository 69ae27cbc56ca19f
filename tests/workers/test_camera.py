"""The owner of a stream: reports, obeys, lets go, and goes on whatever happens to those it works with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from media.ring import list_ranges
from pipeline.heartbeat import Heartbeat
from pipeline.stream import RetentionOptions, Stream
from pipeline.stream_errors import StaleOwner
from tests.media.camera_servers import Behaviour, serve
from tests.redis_contents import contents
from tests.workers.camera_rig import CameraRig
from tests.workers.live_rig import play

WaitFor = Callable[..., None]


def online(rig: CameraRig, stream: Stream, wait_for: WaitFor, frames: int = 10) -> None:
    wait_for(lambda: (now := rig.status(stream)).state == "online" and now.frames >= frames)


def test_a_stream_is_enhanced_reported_and_let_go_when_it_is_deleted(rig: CameraRig, wait_for: WaitFor) -> None:
    with serve(Behaviour(rate=4, reports=True)) as camera, rig.enhancing():
        stream = rig.make(camera.url, budget_s=12.0, fuse=True)
        with rig.owned(stream):
            online(rig, stream, wait_for, 14)
            status = rig.status(stream)
            folder = rig.files.live(stream.id, status.epoch)
            wait_for(lambda: (folder / "live.m3u8").exists())
            shown = play(folder)
            assert {(width, height) for _, width, height in shown} == {(192, 128)}
        assert (status.rung, status.clock, status.problem) == ("espcn-x2", "rtcp", None)
        assert (status.source.codec, status.source.width, status.source.height) == ("h264", 96, 64)
        assert status.fps_in == pytest.approx(4, abs=2)
        assert status.fps_out == pytest.approx(4, abs=2)
        assert 0 < status.recomputed_share <= 1
        assert 0 <= status.fused_share <= 1
        assert rig.ended is None
        assert rig.store.jobs() == set()
        assert rig.redis.keys("gleaner:done:*") == []
        assert rig.redis.keys(f"gleaner:stream:{stream.id}*") == []


def test_without_an_enhance_worker_the_stream_is_shown_resized_until_there_is_one(
    rig: CameraRig, wait_for: WaitFor
) -> None:
    with serve(Behaviour(rate=10)) as camera:
        stream = rig.make(camera.url, budget_s=1.0)
        with rig.owned(stream):
            online(rig, stream, wait_for, 20)
            wait_for(lambda: rig.status(stream).rung == "lanczos", 15)
            status = rig.status(stream)
            assert status.late >= 1
            assert status.rung_reason == "there is no enhance worker"
            (step,) = rig.events(stream, "rung")
            assert (step["from"], step["to"], step["down"]) == ("espcn-x2", "lanczos", True)
            frames = rig.status(stream).frames
            wait_for(lambda: rig.status(stream).frames > frames + 10)
            with Heartbeat(rig.redis, "enhance", "w0").running(), rig.enhancing():
                wait_for(lambda: rig.status(stream).rung == "espcn-x2", 15)


def test_changed_options_are_taken_up_by_the_same_owner(rig: CameraRig, wait_for: WaitFor) -> None:
    with serve(Behaviour(rate=25)) as camera:
        stream = rig.make(camera.url, model="lanczos", scale=2)
        with rig.owned(stream):
            online(rig, stream, wait_for, 25)
            before = rig.status(stream)
            rig.streams.update(stream.id, stream.options.model_copy(update={"scale": 3}))
            connections = camera.connections
            wait_for(lambda: camera.connections > connections)
            online(rig, stream, wait_for, before.frames + 40)
            folder = rig.files.live(stream.id, before.epoch)
            # A whole segment after it, since FFmpeg plays no parts.
            wait_for(lambda: "#EXTINF" in (folder / "live.m3u8").read_text().partition("#EXT-X-DISCONTINUITY\n")[2])
            assert (288, 192) in {(width, height) for _, width, height in play(folder)}
            assert rig.status(stream).epoch == before.epoch


def test_stopping_the_stream_ends_the_owner(rig: CameraRig, wait_for: WaitFor) -> None:
    with serve(Behaviour(rate=10)) as camera:
        stream = rig.make(camera.url, model="lanczos")
        with rig.owned(stream):
            online(rig, stream, wait_for)
            rig.streams.update(stream.id, stream.options.model_copy(update={"enabled": False}))
            wait_for(lambda: not rig.at_work)
            assert rig.status(stream).state == "stopped"
    assert rig.ended is None


def test_an_owner_that_was_overtaken_stops(rig: CameraRig, wait_for: WaitFor) -> None:
    with serve(Behaviour(rate=10)) as camera:
        stream = rig.make(camera.url, model="lanczos")
        with rig.owned(stream):
            online(rig, stream, wait_for)
            rig.streams.begin_epoch(stream.id, "another")
            wait_for(lambda: rig.ended is not None)
    assert isinstance(rig.ended, StaleOwner)


def test_a_snapshot_is_made_of_the_next_frame_when_somebody_wishes(rig: CameraRig, wait_for: WaitFor) -> None:
    with serve(Behaviour(rate=10)) as camera:
        stream = rig.make(camera.url, model="lanczos", scale=2)
        with rig.owned(stream):
            online(rig, stream, wait_for)
            enhanced = rig.files.snapshot(stream.id, "enhanced")
            assert not enhanced.exists()
            rig.streams.want_snapshot(stream.id)
            wait_for(enhanced.exists)
            assert cv2.imread(str(enhanced)).shape == (128, 192, 3)
            assert cv2.imread(str(rig.files.snapshot(stream.id, "source"))).shape == (64, 96, 3)


def test_ring_and_recording_are_kept(rig: CameraRig, wait_for: WaitFor) -> None:
    with serve(Behaviour(rate=25)) as camera:
        stream = rig.make(camera.url, model="lanczos", ring=1, record=RetentionOptions(hours=1, gigabytes=1))
        with rig.owned(stream):
            online(rig, stream, wait_for, 30)
        assert list_ranges(rig.files.ring(stream.id)) != []
        assert list(rig.files.recordings(stream.id).glob("*.mp4"))


def test_an_address_that_is_not_allowed_now_is_a_failure(rig: CameraRig, wait_for: WaitFor) -> None:
    rig.set("CAMERA_NETWORKS", "10.0.0.0/8")
    with serve(Behaviour()) as camera:
        stream = rig.make(camera.url, model="lanczos")
        with rig.owned(stream):
            wait_for(lambda: rig.status(stream).state == "failed")
            assert rig.status(stream).problem.code == "camera-network-denied"
        assert camera.connections == 0


def test_credentials_are_nowhere_but_on_the_wire(
    rig: CameraRig, wait_for: WaitFor, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(Behaviour(rate=10, auth="digest")) as camera:
        stream = rig.make(camera.url, model="lanczos")
        with rig.owned(stream):
            online(rig, stream, wait_for)
            camera.behaviour = Behaviour(auth="digest", password="another one")
            camera.kill()
            camera.start()
            wait_for(lambda: rig.status(stream).state == "failed")
            kept = b"".join(value for _, value in contents(rig.redis))
            kept += repr([event.data for event in rig.streams.read_events(stream.id)]).encode()
            files = [path for path in rig.data_dir.rglob("*") if path.is_file()]
            kept += b"".join(path.read_bytes() for path in files) + repr(files).encode()
            kept += Path("/proc/self/cmdline").read_bytes()
    said = capsys.readouterr()
    kept += (said.out + said.err).encode()
    for secret in (b"s3cret", b"operator", b"another one"):
        assert secret not in kept


def test_a_rung_whose_model_was_removed_is_left_out_and_told(rig: CameraRig, wait_for: WaitFor) -> None:
    with serve(Behaviour(rate=10)) as camera:
        stream = rig.make(camera.url)
        changed = stream.weights | {"espcn-x2": "0" * 64}
        rig.streams.update(stream.id, stream.options, weights=changed)
        with rig.owned(stream):
            online(rig, stream, wait_for)
            status = rig.status(stream)
            assert status.rung == "lanczos"
            assert status.problem.code == "model-changed"


def test_the_owner_never_loads_torch() -> None:
    code = "import sys, workers.camera, workers.camera_process; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
