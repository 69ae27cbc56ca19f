from __future__ import annotations

import random
from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate, pairwise

import pytest

from media.camera_clock import CameraClock, Stamp
from media.live_types import CLOCK

TICK = Fraction(1, CLOCK)
EPOCH = 1_800_000_000.0


def run(clock: CameraClock, frames: Iterable[tuple[float | None, float]]) -> list[Stamp]:
    """Stamps of frames given as (camera's seconds, seconds of arrival)."""
    return [
        clock.stamp(None if camera is None else round(camera * CLOCK), TICK, EPOCH + arrival)
        for camera, arrival in frames
    ]


def steps(stamps: list[Stamp]) -> list[int]:
    return [after.pts - before.pts for before, after in pairwise(stamps)]


def test_spacing_of_frames_is_the_cameras_whatever_the_network_does() -> None:
    rng = random.Random(1)
    late = accumulate((n / 25 + rng.uniform(0, 0.15) for n in range(500)), max)
    stamps = run(CameraClock(), [(500 + n / 25, arrival) for n, arrival in enumerate(late)])
    assert set(steps(stamps)) == {3600}
    assert not any(stamp.event for stamp in stamps)


def test_other_time_bases_are_brought_to_ninety_thousand() -> None:
    clock = CameraClock()
    stamps = [clock.stamp(1000 + n * 40, Fraction(1, 1000), EPOCH + n * 0.04) for n in range(5)]
    assert [stamp.pts for stamp in stamps] == [0, 3600, 7200, 10800, 14400]


@pytest.mark.parametrize("jump", [-1000.0, -2.0, 3.0, 86400.0])
def test_a_clock_that_was_set_is_bridged_by_the_time_that_passed_here(jump: float) -> None:
    frames = [(100 + n / 25 + (jump if n >= 200 else 0), n / 25) for n in range(400)]
    stamps = run(CameraClock(), frames)
    assert [n for n, stamp in enumerate(stamps) if stamp.event] == [200]
    assert stamps[200].event == "clock-jumped"
    assert stamps[-1].pts == pytest.approx(399 * 3600, abs=10)


def test_a_clock_set_back_by_less_than_a_second_is_bridged_too() -> None:
    stamps = run(CameraClock(), [(100 + n / 25 - (0.6 if n >= 100 else 0), n / 25) for n in range(200)])
    assert [stamp.event for stamp in stamps if stamp.event] == ["clock-jumped"]
    assert stamps[-1].pts == pytest.approx(199 * 3600, abs=3600)
    assert min(steps(stamps)) >= 1


def test_a_stalled_network_is_no_jump_and_moves_nothing() -> None:
    arrivals = [n / 25 if n < 100 or n > 200 else max(n / 25, 8.0) for n in range(400)]
    stamps = run(CameraClock(), [(n / 25, arrival) for n, arrival in enumerate(arrivals)])
    assert set(steps(stamps)) == {3600}
    assert not any(stamp.event for stamp in stamps)


def test_frames_that_are_missing_are_a_gap_with_its_length() -> None:
    numbers = [n for n in range(300) if not 100 <= n < 175]
    stamps = run(CameraClock(), [(n / 25, n / 25) for n in numbers])
    gaps = [(stamp.event, stamp.gap_s) for stamp in stamps if stamp.event]
    assert gaps == [("gap", pytest.approx(76 / 25))]
    assert stamps[-1].pts == 299 * 3600


def test_a_slow_camera_has_no_gaps() -> None:
    stamps = run(CameraClock(), [(n * 2.0, n * 2.0) for n in range(50)])
    assert not any(stamp.event for stamp in stamps)


def test_reconnecting_continues_by_arrival_and_is_a_gap() -> None:
    clock = CameraClock()
    before = run(clock, [(7 + n / 25, n / 25) for n in range(100)])
    clock.reconnected(EPOCH + 14)
    after = run(clock, [(90_000 + n / 25, 14 + n / 25) for n in range(100)])
    assert after[0].event == "gap"
    assert after[0].gap_s == pytest.approx(14 - 99 / 25)
    assert after[0].pts == pytest.approx(14 * CLOCK, abs=2)
    assert set(steps(after)) == {3600}
    assert after[0].pts > before[-1].pts


@pytest.mark.parametrize("camera", [None, 5.0])
def test_without_timestamps_arrival_counts_and_jitter_is_smoothed(camera: float | None) -> None:
    rng = random.Random(2)
    stamps = run(CameraClock(), [(camera, n / 10 + rng.uniform(0, 0.05)) for n in range(300)])
    assert [stamp.event for stamp in stamps if stamp.event] == ["no-timestamps"]
    assert stamps[-1].pts == pytest.approx(29.9 * CLOCK, abs=0.2 * CLOCK)
    assert all(7000 < step < 11000 for step in steps(stamps)[50:])


def test_one_frame_without_a_timestamp_at_the_start_is_nothing_to_tell() -> None:
    stamps = run(CameraClock(), [(None, 0.0), *((n / 25, n / 25) for n in range(1, 50))])
    assert not any(stamp.event for stamp in stamps)
    assert set(steps(stamps)) == {3600}


@pytest.mark.parametrize("rate", [0.5, 2.0, 0.8])
def test_a_clock_that_runs_at_another_speed_is_given_up(rate: float) -> None:
    clock = CameraClock()
    stamps = run(clock, [(n / 25 * rate, n / 25) for n in range(25 * 120)])
    assert [stamp.event for stamp in stamps if stamp.event and stamp.event != "gap"] == ["clock-wrong"]
    assert not clock.by_camera
    assert stamps[-1].pts == pytest.approx(120 * CLOCK, abs=1.0 * CLOCK)


def test_a_clock_that_jumps_all_the_time_is_given_up() -> None:
    stamps = run(CameraClock(), [(n / 25 + (1000 if n // 50 % 2 else 0), n / 25) for n in range(1000)])
    events = [stamp.event for stamp in stamps if stamp.event]
    assert events == ["clock-jumped"] * 3 + ["clock-wrong"]
    assert stamps[-1].pts == pytest.approx(999 * 3600, abs=CLOCK / 2)


@pytest.mark.parametrize("ppm", [-200.0, 0.0, 80.0])
def test_drift_is_measured_and_taken_up_without_a_jump(ppm: float) -> None:
    rng = random.Random(3)
    clock = CameraClock()
    speed = 1 + ppm / 1e6
    frames = [(n / 5 * speed, n / 5 + rng.expovariate(50)) for n in range(5 * 3600)]
    stamps = run(clock, frames)
    assert clock.drift_ppm == pytest.approx(ppm, abs=5)
    assert not any(stamp.event for stamp in stamps)
    assert abs(stamps[-1].pts / CLOCK - 3600) < 0.6
    assert max(abs(step - 18_000) for step in steps(stamps)) < 18_000 * 0.03


def test_capture_time_is_kept_and_nonsense_is_not() -> None:
    clock = CameraClock()
    assert clock.stamp(0, TICK, EPOCH, EPOCH - 0.3).captured_at == EPOCH - 0.3
    assert clock.stamp(3600, TICK, EPOCH + 0.04, 12.0).captured_at is None
    assert clock.utc_offset_s == pytest.approx(-0.3)


def test_our_own_clock_may_be_set() -> None:
    for moved in (-3600.0, 7200.0):
        frames = [(n / 25, n / 25 + (moved if n >= 100 else 0)) for n in range(400)]
        stamps = run(CameraClock(), frames)
        assert set(steps(stamps)) == {3600}, moved


@pytest.mark.parametrize("seed", range(60))
def test_pts_rise_strictly_whatever_comes_in(seed: int) -> None:
    rng = random.Random(seed)
    clock = CameraClock()
    camera, arrival, last = rng.uniform(-1e6, 1e6), 0.0, -1
    for _ in range(400):
        what = rng.random()
        if what < 0.02:
            camera = rng.uniform(-1e9, 1e9)
        elif what < 0.1:
            camera -= rng.uniform(0, 3)
        elif what < 0.9:
            camera += rng.choice([0.04, 0.0, 1e-6, 0.5, 30.0])
        arrival += rng.choice([0.04, 0.0, 0.04, 5.0, -2.0, 0.001, 4000.0 if rng.random() < 0.01 else 0.04])
        if rng.random() < 0.02:
            clock.reconnected(EPOCH + arrival)
        pts = None if rng.random() < 0.1 else round(camera * CLOCK)
        stamp = clock.stamp(pts, TICK, EPOCH + arrival, rng.choice([None, EPOCH, -5.0, 1e18]))
        assert stamp.pts > last
        assert stamp.event in (None, "gap", "clock-jumped", "clock-wrong", "no-timestamps")
        assert stamp.gap_s >= 0
        last = stamp.pts
