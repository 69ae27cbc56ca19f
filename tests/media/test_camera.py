from __future__ import annotations

import gc
import time
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from av.packet import Packet

from media.camera import Camera
from media.camera_clock import CameraClock
from media.live_types import CameraError, CameraLimits, CameraSource, LiveFrame
from tests.media.camera_material import material
from tests.media.camera_servers import Behaviour, CameraServer, serve
from tests.media.clips import picture
from tests.waiting import wait_for


def source(server: CameraServer, transport: str = "tcp") -> CameraSource:
    return CameraSource(server.url, transport, connect_timeout_s=5, silence_s=3, patience_s=4)


def pull(behaviour: Behaviour, count: int, transport: str = "tcp") -> list[LiveFrame]:
    with serve(behaviour) as server, Camera(source(server, transport), CameraClock()) as camera:
        return list(islice(camera, count))


def number(frame: LiveFrame) -> int:
    """Which picture of the loop it is, read from its blocks."""
    height, width = frame.image.shape[:2]
    row = frame.image[height // 8, :, 1]
    return sum(int(row[bit * width // 8 + width // 16] > 127) << bit for bit in range(8))


def steps(frames: list[LiveFrame]) -> list[int]:
    return [after.pts - before.pts for before, after in pairwise(frames)]


def evenly(frames: list[LiveFrame], ticks: int) -> bool:
    """Whether the steps are `ticks`; the first is longer on a busy machine: FFmpeg gives one frame no timestamp."""
    first, *others = steps(frames)
    return first >= ticks and set(others) == {ticks}


def strayed(frames: list[LiveFrame]) -> float:
    """By how much the timeline and our clock differ over the frames, seconds."""
    return (frames[-1].pts - frames[0].pts) / 90_000 - (frames[-1].arrived_at - frames[0].arrived_at)


def likeness(frame: LiveFrame) -> float:
    """Mean absolute difference from the picture it should be, levels."""
    height, width = frame.image.shape[:2]
    wanted = picture(number(frame), width, height)
    return float(np.abs(frame.image.astype(np.int16) - wanted).mean())


@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg"])
def test_pictures_come_in_order_with_the_cameras_spacing(codec: str) -> None:
    frames = pull(Behaviour(loop=material(codec), speed=5), 30)
    assert [number(frame) for frame in frames] == [n % 24 for n in range(30)]
    assert evenly(frames, 3600)
    assert max(likeness(frame) for frame in frames) < 30
    first = frames[0]
    assert first.image.shape == (64, 96, 3)
    assert (first.facts.codec, first.facts.width, first.facts.height) == (codec, 96, 64)
    assert first.facts.nominal_rate == 25
    assert first.captured_at is None
    assert not any(frame.damaged or frame.event or frame.grey for frame in frames)


def test_b_frames_come_in_presentation_order() -> None:
    frames = pull(Behaviour(loop=material(b_frames=2), speed=5), 30)
    assert [number(frame) for frame in frames] == [n % 24 for n in range(30)]
    assert evenly(frames, 3600)


def test_udp_gives_the_same() -> None:
    frames = pull(Behaviour(reports=True, speed=5), 20, "udp")
    assert {step % 3600 for step in steps(frames)[1:]} == {0}  # a packet may be lost on a busy machine
    assert all(frame.captured_at is not None for frame in frames)


def test_capture_time_is_the_cameras_own() -> None:
    frames = pull(Behaviour(reports=True, speed=5, utc=lambda seconds: 1_700_000_000 + seconds), 20)
    assert [frame.captured_at for frame in frames] == pytest.approx(
        [1_700_000_000 + n / 25 for n in range(20)], abs=2e-5
    )
    assert abs(frames[-1].arrived_at - time.time()) < 2


def test_a_camera_that_believes_in_1900_has_no_capture_time() -> None:
    frames = pull(Behaviour(reports=True, speed=5, utc=lambda seconds: -2e9 + seconds), 3)
    assert [frame.captured_at for frame in frames] == [None] * 3


def test_deep_pictures_are_brought_to_eight_bits() -> None:
    frames = pull(Behaviour(loop=material("hevc", deep=True), speed=5), 5)
    assert frames[0].image.dtype == np.uint8
    assert frames[0].facts.pix_fmt == "yuv420p10le"
    assert max(likeness(frame) for frame in frames) < 30


def test_interlaced_pictures_are_made_whole() -> None:
    frames = pull(Behaviour(loop=material(fields="tff"), speed=5), 8)
    assert {frame.facts.interlaced for frame in frames} == {"tff"}
    assert evenly(frames, 3600)


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_user_and_password_may_hold_any_character(auth: str) -> None:
    assert len(pull(Behaviour(auth=auth, speed=5, password="pä:ss/@%20w"), 2)) == 2


def test_a_change_of_size_within_the_stream_changes_the_facts() -> None:
    behaviour = Behaviour(changes={0.5: material(size=(128, 96))}, speed=5)
    frames = pull(behaviour, 40)
    shapes = [frame.image.shape[:2] for frame in frames]
    assert shapes == sorted(shapes)
    assert set(shapes) == {(64, 96), (96, 128)}
    assert all(frame.image.shape[:2] == (frame.facts.height, frame.facts.width) for frame in frames)
    assert evenly(frames, 3600)


def test_damage_is_counted_and_not_fatal() -> None:
    with (
        serve(Behaviour(damage_every=5, frames=50, speed=5)) as server,
        Camera(source(server), CameraClock()) as camera,
    ):
        frames = []
        with pytest.raises(CameraError, match="ended"):
            frames.extend(camera)
    assert any(frame.damaged for frame in frames) or camera.undecodable > 0
    assert len(frames) + camera.undecodable >= 45
    assert min(steps(frames)) > 0


@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg"])
def test_noise_on_the_line_costs_pictures_and_nothing_else(codec: str) -> None:
    with (
        serve(Behaviour(loop=material(codec), noise_every=4, frames=60, speed=10)) as server,
        Camera(source(server), CameraClock()) as camera,
    ):
        frames = []
        with pytest.raises(CameraError) as caught:
            frames.extend(camera)
    assert caught.value.code == "camera-ended"
    assert frames
    assert all(step > 0 for step in steps(frames))


def test_a_rate_that_is_a_lie_changes_nothing() -> None:
    frames = pull(Behaviour(rate=12.5, stated_rate=100.0, speed=5), 15)
    assert set(steps(frames)[1:]) == {7200}
    assert frames[0].facts.nominal_rate == Fraction(100)


def test_a_clock_that_jumps_is_told_and_pts_go_on() -> None:
    frames = pull(Behaviour(clock=lambda seconds: seconds if seconds < 0.6 else seconds - 5000), 25)
    assert [frame.event for frame in frames if frame.event] == ["clock-jumped"]
    assert min(steps(frames)) > 0
    assert abs(strayed(frames)) < 0.8


def test_no_timestamps_at_all() -> None:
    frames = pull(Behaviour(clock=lambda seconds: 0.0), 30)
    assert [number(frame) for frame in frames] == [n % 24 for n in range(30)]
    assert "no-timestamps" in {frame.event for frame in frames}
    assert min(steps(frames)) > 0
    assert abs(strayed(frames)) < 0.8


def test_broken_parameter_sets_for_the_first_second_are_waited_out() -> None:
    with serve(Behaviour(broken_for_s=1.2, speed=2)) as server, Camera(source(server), CameraClock()) as camera:
        frames = list(islice(camera, 10))
        assert camera.undecodable > 0
    first = number(frames[0])
    assert first % 12 == 0  # a key frame
    assert [number(frame) for frame in frames] == [n % 24 for n in range(first, first + 10)]
    assert evenly(frames, 3600)


def test_every_packet_is_handed_on_with_facts() -> None:
    seen: list[tuple[int, int, float]] = []
    with (
        serve(Behaviour(frames=30, speed=5)) as server,
        Camera(
            source(server),
            CameraClock(),
            on_packet=lambda packet, facts, arrived_at: seen.append((packet.size, facts.width, arrived_at)),
        ) as camera,
        pytest.raises(CameraError),
    ):
        list(camera)
    assert len(seen) == camera.packets == 30
    assert {width for _, width, _ in seen} == {96}
    assert [at for _, _, at in seen] == sorted(at for _, _, at in seen)


def test_who_does_not_keep_up_gets_the_newest_and_the_rest_is_counted() -> None:
    limits = CameraLimits(queue_s=0.3)
    with (
        serve(Behaviour(frames=70, speed=2)) as server,
        Camera(source(server), CameraClock(), limits=limits) as camera,
    ):
        iterator = iter(camera)
        frames = [next(iterator)]
        wait_for(lambda: camera.dropped)  # a busy consumer
        with pytest.raises(CameraError, match="ended"):
            frames.extend(iterator)
    assert camera.dropped > 0
    assert len(frames) + camera.dropped == 70
    numbers = [number(frame) for frame in frames]
    assert numbers[1] % 12 == 0  # it goes on with a key frame
    assert all(after == (before + 1) % 24 or after % 12 == 0 for before, after in pairwise(numbers))


def test_one_timeline_over_a_camera_that_dies_and_comes_back() -> None:
    clock = CameraClock()
    with serve(Behaviour(reports=True)) as server:
        frames: list[LiveFrame] = []
        for _ in range(3):
            with Camera(source(server), clock) as camera:
                iterator = iter(camera)
                frames += islice(iterator, 15)
                server.kill()
                with pytest.raises(CameraError) as ending:
                    frames.extend(iterator)
                assert ending.value.code in ("camera-ended", "camera-silent")
            server.start()
    assert min(steps(frames)) > 0
    assert [frame.event for frame in frames if frame.event] == ["gap", "gap"]
    lags = [frame.arrived_at - frames[0].arrived_at - frame.pts / 90_000 for frame in frames]
    assert max(lags) - min(lags) < 2.0


def test_packets_are_freed_once_they_are_decoded() -> None:
    def packets() -> int:
        return sum(issubclass(type(thing), Packet) for thing in gc.get_objects())

    before = packets()
    with (
        serve(Behaviour(loop=material("mjpeg"), frames=60, speed=10)) as server,
        Camera(source(server), CameraClock()) as camera,
        pytest.raises(CameraError),
    ):
        list(camera)
    assert camera.packets == 60
    gc.collect()
    assert packets() - before < 5


def test_many_connections_leave_no_descriptors_and_no_threads() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    with serve(Behaviour(loop=material("mjpeg"), speed=5)) as server:
        counts = []
        for _ in range(4):
            with Camera(source(server), CameraClock()) as camera:
                assert len(list(islice(camera, 2))) == 2
            wait_for(lambda: server.clients == 0)
            counts.append((descriptors(), threads()))
    assert counts[-1] == counts[1]
