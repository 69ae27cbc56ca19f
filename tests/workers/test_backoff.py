"""Waiting before a camera is tried again: doubled, capped, jittered, slow where that is asked for, and forgotten."""

from __future__ import annotations

from workers.backoff import CAP_S, GOOD_S, SLOW_S, Backoff


def test_waits_double_up_to_the_cap_and_lie_in_the_upper_half_of_their_bound() -> None:
    backoff, bounds = Backoff(seed=1), []
    for _ in range(12):
        bounds.append(backoff.bound_s)
        wait_s = backoff.failed()
        assert bounds[-1] / 2 <= wait_s <= bounds[-1]
    assert bounds == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, CAP_S]


def test_a_thousand_failures_overflow_nothing() -> None:
    backoff = Backoff(seed=1)
    assert all(backoff.failed() <= CAP_S for _ in range(2000))


def test_slow_troubles_wait_long_and_do_not_count() -> None:
    backoff = Backoff(seed=2)
    assert all(SLOW_S[0] <= backoff.failed(slow=True) <= SLOW_S[1] for _ in range(20))
    assert backoff.bound_s == 1


def test_it_is_forgotten_after_good_frames_and_not_before() -> None:
    backoff = Backoff(seed=3)
    for _ in range(5):
        backoff.failed()
    for second in range(int(GOOD_S)):
        backoff.frame(100.0 + second)
    assert backoff.bound_s == 32
    backoff.frame(100.0 + GOOD_S)
    assert backoff.bound_s == 1


def test_frames_of_several_short_connections_do_not_add_up() -> None:
    backoff = Backoff(seed=3)
    for connection in range(4):
        backoff.failed()
        for second in range(20):
            backoff.frame(connection * 100.0 + second)
    assert backoff.bound_s == 16


def test_two_cameras_do_not_come_back_at_once_and_a_seed_repeats() -> None:
    waits = [Backoff(seed).failed() for seed in range(20)]
    assert len(set(waits)) == 20
    assert Backoff(7).failed() == Backoff(7).failed()
