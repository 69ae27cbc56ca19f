"""Models that are loaded when the first frame asks for them: no reason to leave a rung, nor to count a probe."""

from __future__ import annotations

import pytest

from tests.workers.live_sim import SimPlane, Simulation
from tests.workers.test_ladder import RUNGS, quiet
from workers.ladder import AGAIN_S, COLD_S, HOLD_S, Ladder
from workers.live_frames import LOADING

QUICK = {"glean-x4": 0.02, "espcn-x4": 0.005}
LATE = "a frame was not back within 1.00 s"


def test_a_cold_rung_may_be_late_until_it_has_answered() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    ladder.settle(0.0)
    assert ladder.cold(5.0)
    assert ladder.written(5.0, "glean-x4", 1.1, LATE) is None
    ladder.answered(6.0, "glean-x4", woken=True)
    assert not ladder.cold(6.0)
    assert ladder.written(6.5, "glean-x4", 1.9, LATE) is None  # what piled up is not yet the rung's own
    assert ladder.written(8.1, "glean-x4", 1.1, LATE).rung == "espcn-x4"


def test_a_cold_rung_is_not_waited_for_without_end() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    ladder.settle(0.0)
    assert ladder.written(COLD_S - 0.1, "glean-x4", 1.1, LATE) is None
    assert ladder.written(COLD_S + 0.1, "glean-x4", 1.1, LATE).rung == "espcn-x4"


def test_frames_of_a_cold_rung_that_come_back_slowly_are_judged() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    ladder.settle(0.0)
    assert ladder.written(3.0, "glean-x4", 1.9).rung == "espcn-x4"


def down(ladder: Ladder) -> float:
    assert ladder.written(0.0, "glean-x4", 1.5)
    return quiet(ladder, 0.1, HOLD_S + 0.5)


def test_a_probe_that_waited_for_something_else_is_repeated_soon() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    now = down(ladder)
    assert ladder.probe(now) == "glean-x4"
    assert ladder.probed(now, 9.0, wanted=0.1, busy_s=0.1) is None
    assert ladder.hold_s == HOLD_S
    assert ladder.probe(quiet(ladder, now, AGAIN_S - 0.5)) is None
    now = quiet(ladder, now, AGAIN_S + 0.1)
    assert ladder.probe(now) == "glean-x4"
    assert ladder.probed(now, 0.3, wanted=0.1, busy_s=0.1).rung == "glean-x4"


def test_a_queue_that_stays_is_an_excuse_only_once() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    now = down(ladder)
    for hold_s in (HOLD_S, 2 * HOLD_S):
        assert ladder.probe(now) == "glean-x4"
        assert ladder.probed(now, 3.0, wanted=0.1, busy_s=0.1) is None
        assert ladder.hold_s == hold_s
        now = quiet(ladder, now, AGAIN_S + 0.1)
    assert ladder.probe(now) is None


@pytest.mark.parametrize("busy_s", [0.9, 3.0])
def test_a_network_that_is_slow_itself_has_one_excuse_the_first_time_it_runs(busy_s: float) -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    now = down(ladder)
    holds = []
    for _ in range(2):
        assert ladder.probe(now) == "glean-x4"
        assert ladder.probed(now, 3.1, wanted=0.1, busy_s=busy_s) is None
        holds.append(ladder.hold_s)
        now = quiet(ladder, now, ladder.hold_s + 0.5)
    assert holds == [HOLD_S, 2 * HOLD_S]


@pytest.mark.parametrize("load_s", [4.0, 12.0, 20.0])
def test_simulated_a_model_is_loaded_and_the_stream_stays_on_its_rung(load_s: float) -> None:
    plane = SimPlane(QUICK, workers=1, load={"glean-x4": load_s, "espcn-x4": 1.0})
    sim = Simulation(Ladder(RUNGS, allowed_s=2.0), plane, fps=10)
    sim.run(load_s + 30)
    assert sim.steps == []
    assert max(sim.lags()) <= sim.frames.patience_s + 0.05  # shown resized in time
    assert max(sim.pauses()) <= sim.frames.patience_s + 0.1
    while_loading = [shown for at, shown in sim.shown if 1.5 < at < load_s]
    assert len(while_loading) > 0.95 * 10 * (load_s - 1.5)  # at the camera's rate: none waits for its patience
    assert {(shown.how, shown.detail) for shown in while_loading} == {("resized", LOADING)}
    assert {shown.how for at, shown in sim.shown if at > load_s + 1} == {"enhanced"}
    assert plane.most_held <= sim.window + 1


def test_simulated_a_model_that_is_never_loaded_is_given_up() -> None:
    sim = Simulation(Ladder(RUNGS, allowed_s=2.0), SimPlane(QUICK, 1, load={"glean-x4": 1e9, "espcn-x4": 0.0}), fps=10)
    sim.run(COLD_S + 10)
    assert sim.steps[0].rung == "espcn-x4"
    assert COLD_S <= sim.steps[0].at <= COLD_S + 2
    assert max(sim.lags()) <= sim.frames.patience_s + 0.05


def test_simulated_a_worker_that_is_replaced_is_probed_cold_and_taken_again_at_once() -> None:
    """Both rungs are given up with the worker; the new one has to load each model when a probe asks for it."""
    plane = SimPlane(QUICK, workers=1, load={"glean-x4": 6.0, "espcn-x4": 4.0})
    sim = Simulation(Ladder(RUNGS, allowed_s=2.0), plane, fps=10)
    sim.run(20)
    assert sim.ladder.rung == "glean-x4"
    plane.kill(0)
    sim.run(2 + COLD_S + 5)
    assert sim.ladder.rung == "lanczos"
    plane.revive(0, sim.now)
    since = sim.now
    sim.run(60)
    ups = [step for step in sim.steps if not step.down]
    assert [step.rung for step in ups] == ["espcn-x4", "glean-x4"]
    assert ups[-1].at - since < 2 * (HOLD_S + 6 + AGAIN_S) + 5
    assert sim.ladder.hold_s == HOLD_S
    assert max(sim.lags()) <= sim.frames.patience_s + 0.05


def test_simulated_with_no_worker_at_all_nothing_is_waited_for_and_the_rung_is_taken_again_when_there_is_one() -> None:
    plane = SimPlane(QUICK, workers=1, load={"glean-x4": 6.0, "espcn-x4": 4.0})
    plane.kill(0)
    plane.known = 0
    sim = Simulation(Ladder(RUNGS, allowed_s=2.0), plane, fps=10)
    sim.run(40)
    (step,) = sim.steps
    assert (step.rung, step.reason) == ("lanczos", "there is no enhance worker")
    assert step.at < sim.frames.patience_s + 0.2
    assert len(sim.shown) > 0.95 * sim.arrived
    since = sim.now
    plane.revive(0, since)
    plane.known = 1
    sim.run(20)
    up = sim.steps[-1]
    assert (up.before, up.rung, up.down) == ("lanczos", "glean-x4", False)
    assert up.at - since < AGAIN_S + 0.2
    assert {shown.how for at, shown in sim.shown if at > since + AGAIN_S + 4 + 6 + 1} == {
        "enhanced"
    }  # a probe is loaded first
    assert sim.ladder.hold_s == HOLD_S
    assert max(sim.pauses()) <= sim.frames.patience_s + 0.1


def test_simulated_the_only_worker_dies_while_it_loads_and_is_not_waited_for_when_that_is_known() -> None:
    plane = SimPlane(QUICK, workers=1, load={"glean-x4": 1e9, "espcn-x4": 4.0})
    sim = Simulation(Ladder(RUNGS, allowed_s=2.0), plane, fps=10)
    sim.run(5)
    assert sim.steps == []
    plane.kill(0)
    sim.run(5)
    assert sim.steps == []  # nobody knows
    plane.known = 0
    sim.run(AGAIN_S + 0.2)
    assert [step.rung for step in sim.steps] == ["lanczos"]


def test_a_worker_that_nobody_hears_of_is_found_by_probes_all_the_same() -> None:
    ladder = Ladder(RUNGS, allowed_s=2.0)
    assert ladder.nobody(0.0).rung == "lanczos"
    assert ladder.nobody(1.0) is None
    now = quiet(ladder, 1.0, HOLD_S + 0.5)
    for _ in range(3):  # what does not come back is not counted against the rung
        assert ladder.probe(now) == "espcn-x4"
        assert ladder.probed(now, None, float("inf")) is None
        assert ladder.hold_s == HOLD_S
        now = quiet(ladder, now, HOLD_S + 0.5)
    assert ladder.probe(now) == "espcn-x4"
    assert ladder.probed(now, 0.1, 0.1).rung == "espcn-x4"
    assert ladder.somebody(now + 1).rung == "glean-x4"
    assert not ladder.deserted


def test_simulated_three_times_the_load_after_loading_does_not_flap() -> None:
    plane = SimPlane({"glean-x4": 0.12, "espcn-x4": 0.01}, workers=1, load={"glean-x4": 5.0, "espcn-x4": 2.0})
    sim = Simulation(Ladder(RUNGS, allowed_s=1.0), plane)
    sim.run(55)
    assert [step.rung for step in sim.steps] == ["espcn-x4"]
    assert "dropped" in sim.steps[0].reason
    assert max(sim.lags()) < 1.0
    assert sim.ladder.hold_s >= 40
