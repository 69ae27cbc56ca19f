"""The ladder: down when it must, up when it may, and no flapping. Alone, and against simulated enhance workers."""

from __future__ import annotations

import pytest

from tests.workers.live_sim import SimPlane, Simulation
from workers.ladder import HOLD_CAP_S, HOLD_S, Ladder

RUNGS = ("glean-x4", "espcn-x4", "lanczos")
COST = {"glean-x4": 0.12, "espcn-x4": 0.01}


def quiet(ladder: Ladder, since: float, seconds: float, fps: float = 10.0) -> float:
    """Frames in time; returns when they end."""
    for n in range(round(seconds * fps)):
        assert ladder.written(since + n / fps, ladder.rung, 0.01) is None
    return since + seconds


def test_a_slow_frame_steps_down_at_once_and_says_why() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    assert ladder.written(1.0, "glean-x4", 1.1) is None
    step = ladder.written(1.1, "glean-x4", 1.3)
    assert (step.before, step.rung, step.down) == ("glean-x4", "espcn-x4", True)
    assert step.reason == "a frame took 1.30 s of the 2.00 s allowed"
    assert step.figures == {"lag_s": 1.3, "allowed_s": 2.0}
    assert ladder.rung == "espcn-x4"


def test_frames_of_the_rung_before_do_not_step_further_down() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    assert ladder.written(1.0, "glean-x4", 1.9)
    assert ladder.written(1.1, "glean-x4", 1.9) is None
    assert ladder.written(1.2, "espcn-x4", 1.9).rung == "lanczos"


def test_below_the_last_rung_there_is_nothing() -> None:
    ladder = Ladder(("lanczos",), allowed_s=1.0)
    assert ladder.written(1.0, "lanczos", 5.0) is None
    assert ladder.probe(1000.0) is None


def test_a_rung_that_keeps_up_with_too_few_frames_is_left() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    steps = []
    for n in range(100):
        now = n * 0.1
        steps += [ladder.dropped(now, 2), ladder.written(now, ladder.rung, 0.2)]
        if any(steps):
            break
    (step,) = filter(None, steps)
    assert 3.0 <= step.at < 3.2
    assert "frames of the last 3 s were dropped" in step.reason
    assert step.figures["dropped"] > step.figures["arrived"] / 2


def test_a_third_of_the_frames_dropped_is_no_reason() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    for n in range(200):
        assert ladder.written(n * 0.1, "glean-x4", 0.3) is None
        if n % 2:
            assert ladder.dropped(n * 0.1) is None


def test_up_only_after_quiet_and_a_probe_that_fits() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    assert ladder.written(0.0, "glean-x4", 1.5)
    now = quiet(ladder, 0.1, HOLD_S - 0.2)
    assert ladder.probe(now) is None
    now = quiet(ladder, now, 0.4)
    assert ladder.probe(now) == "glean-x4"
    assert ladder.probe(now) is None  # one at a time
    step = ladder.probed(now + 0.3, 0.3, wanted=0.5)
    assert (step.rung, step.down) == ("glean-x4", False)
    assert "there is room" in step.reason


@pytest.mark.parametrize(("took_s", "wanted"), [(None, 0.1), (0.9, 0.1), (0.1, 3.0)])
def test_a_probe_that_is_lost_slow_or_too_dear_doubles_the_hold(took_s: float | None, wanted: float) -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    assert ladder.written(0.0, "glean-x4", 1.5)
    now, holds = 0.0, []
    for _ in range(7):
        holds.append(ladder.hold_s)
        now = quiet(ladder, now, ladder.hold_s + 0.5)
        assert ladder.probe(now) == "glean-x4"
        assert ladder.probed(now, took_s, wanted) is None
    assert holds == [10, 20, 40, 80, 160, 300, HOLD_CAP_S]


def test_a_step_up_that_does_not_last_doubles_the_hold_and_one_that_does_resets_it() -> None:
    ladder, now = Ladder(RUNGS, allowed_s=2.0), 0.0
    holds = []
    for lasts_s in (1, 1, 1, 200, 1):
        assert ladder.written(now, "glean-x4", 0.9, "a frame was not back within 1.00 s")
        holds.append(ladder.hold_s)
        now = quiet(ladder, now, ladder.hold_s + 0.5)
        assert ladder.probe(now) == "glean-x4"
        assert ladder.probed(now, 0.1, wanted=0.1)
        now = quiet(ladder, now, lasts_s)
    assert holds == [10, 20, 40, 80, 10]


def test_no_probe_while_frames_are_slow_dropped_or_missing() -> None:
    for trouble in ("slow", "dropped", "missing"):
        ladder = Ladder(RUNGS, allowed_s=2.0)
        assert ladder.written(0.0, "glean-x4", 1.5)
        now = 0.0
        for n in range(300):
            now = 1.0 + n * 0.1
            if trouble != "missing":
                assert ladder.written(now, "espcn-x4", 0.7 if trouble == "slow" else 0.1) is None
            if trouble == "dropped" and n % 4 == 0:
                ladder.dropped(now)
            assert ladder.probe(now) is None


def test_slow_frames_are_no_reason_while_things_settle() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    ladder.settle(10.0)
    assert ladder.written(11.9, "glean-x4", 1.9, "a frame was not back within 1.00 s") is None
    assert ladder.written(12.0, "glean-x4", 1.9).rung == "espcn-x4"


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="each once"):
        Ladder(("a", "a"), 1.0)
    with pytest.raises(ValueError, match="above 0"):
        Ladder(("a",), 0.0)


def test_simulated_at_three_times_the_load_the_lag_stays_in_the_budget() -> None:
    """One worker does 8.3 GLEAN frames a second, the camera sends 25."""
    sim = Simulation(Ladder(RUNGS, allowed_s=1.0), SimPlane(COST, workers=1))
    sim.run(30)
    assert max(sim.lags()) < 1.0
    assert sim.steps[0].rung == "espcn-x4"
    assert sim.dropped > 0
    assert sim.arrived - sim.dropped - len(sim.shown) <= sim.frames.in_flight + 1  # every frame is accounted for
    assert sim.most_in_flight == 3
    late = [shown for at, shown in sim.shown if at > 10]
    assert len(late) > 0.95 * 25 * 20  # the rung keeps up
    assert {shown.rung for shown in late} == {"espcn-x4"}


def test_simulated_a_dear_rung_is_not_tried_again_and_again() -> None:
    sim = Simulation(Ladder(RUNGS, allowed_s=1.0), SimPlane(COST, workers=1))
    sim.run(45)
    ups = [step for step in sim.steps if not step.down]
    assert ups == []  # the probes say that the worker could not keep up
    assert sim.ladder.hold_s >= 40
    assert max(sim.lags()) < 1.0


def test_simulated_steps_up_again_when_the_load_has_gone() -> None:
    """Other cameras want the worker for 30 s: everything takes 40 times as long."""
    busy = lambda now: 40.0 if 10 < now < 40 else 1.0  # noqa: E731
    cost = {"glean-x4": 0.02, "espcn-x4": 0.005}
    sim = Simulation(Ladder(RUNGS, allowed_s=1.0), SimPlane(cost, 1, busy), fps=10)
    sim.run(10)
    assert sim.steps == []
    sim.run(30)
    assert sim.ladder.rung == "lanczos"
    assert all(step.down for step in sim.steps)
    sim.run(100)
    assert sim.ladder.rung == "glean-x4"
    assert len(sim.steps) == 4  # two down, two up, and not once more
    assert max(sim.lags()) < 1.0


def test_simulated_all_workers_die_and_the_stream_goes_on() -> None:
    sim = Simulation(Ladder(RUNGS, allowed_s=1.0), SimPlane({"glean-x4": 0.02, "espcn-x4": 0.005}, workers=2), fps=10)
    sim.run(10)
    sim.plane.kill(0)
    sim.plane.kill(1)
    sim.run(30)
    assert max(sim.pauses()) <= sim.frames.patience_s + 0.15
    assert max(sim.lags()) < 1.0
    assert sim.ladder.rung == "lanczos"
    assert {shown.how for _, shown in sim.shown} == {"enhanced", "late", "resized"}
    sim.plane.revive(0, sim.now)
    sim.run(120)
    assert sim.ladder.rung == "glean-x4"
    assert sim.plane.most_held <= sim.window + 1  # a probe beside the window


def test_simulated_one_of_two_workers_dies_and_no_frame_waits_longer_than_patience() -> None:
    sim = Simulation(Ladder(RUNGS, allowed_s=2.0), SimPlane({"glean-x4": 0.1, "espcn-x4": 0.01}, workers=2), fps=10)
    sim.run(5.05)
    sim.plane.kill(0)
    sim.run(20)
    assert max(sim.pauses()) <= 1.2
    assert sum(shown.how == "late" for _, shown in sim.shown) >= 1
    assert sim.ladder.rung in ("glean-x4", "espcn-x4")


def test_simulated_a_still_picture_needs_no_enhancement() -> None:
    sim = Simulation(Ladder(RUNGS, allowed_s=1.0), SimPlane({"glean-x4": 0.4, "espcn-x4": 0.01}, workers=1), still=True)
    sim.run(30)
    assert sim.steps == []
    assert sum(shown.how == "enhanced" for _, shown in sim.shown) == 1
    assert sum(shown.how == "reused" for _, shown in sim.shown) > 700
