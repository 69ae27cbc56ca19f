"""Timestamps: sound ones are never touched, the others are repaired so that every frame keeps a time of its own."""

from __future__ import annotations

import itertools

import pytest

from media.timeline import DecodeClock, Timeline

STEP, JUMP = 10, 100


def repaired(raw: list[int | None]) -> tuple[list[int], list[int]]:
    """(pts of all frames, indices of those that were repaired)."""
    timeline: Timeline[int] = Timeline(STEP, JUMP, start=7)
    placed = [p for i, pts in enumerate(raw) for p in timeline.push(pts, i)] + timeline.flush()
    assert [p.item for p in placed] == list(range(len(raw)))
    return [p.pts for p in placed], [p.item for p in placed if p.repair]


@pytest.mark.parametrize(
    ("raw", "pts", "indices"),
    [
        ([0, 10, 20], [0, 10, 20], []),
        ([5, 6, 900, 901, 5000], [5, 6, 900, 901, 5000], []),  # variable rate and gaps are sound
        ([0, None, 20, 30], [0, 10, 20, 30], [1]),
        ([0, None, 4, 14], [0, 3, 4, 14], [1]),  # kept before its successor
        ([None, 20, 30], [10, 20, 30], [0]),
        ([None], [7], [0]),
        ([None, None, None], [7, 17, 27], [0, 1, 2]),
        ([0, 10, 10, 20], [0, 10, 19, 20], [2]),  # doubled
        ([0, 10, 5, 20], [0, 10, 19, 20], [2]),  # backward
        ([0, 10, 99999, 30, 40], [0, 10, 20, 30, 40], [2]),  # one wild timestamp does not move what follows
        ([99999, 10, 20], [0, 10, 20], [0]),
        (
            [1000, 1010, 0, 10, 20],
            [1000, 1010, 1020, 1030, 1040],
            [2],
        ),  # the clock was set back: all that follows moves
        ([0, 10, 20, 20], [0, 10, 20, 30], [3]),
        ([0, 30, 10, 20, 40, 50], [0, 30, 31, 39, 40, 50], [2, 3]),  # disorder ends, and with it the repairs
        ([], [], []),
    ],
)
def test_repairs(raw: list[int | None], pts: list[int], indices: list[int]) -> None:
    assert repaired(raw) == (pts, indices)


def test_any_timestamps_become_strictly_rising() -> None:
    wild: list[int | None] = [5, 5, None, 3, 900, 2, None, None, 1, 1, 0, 700, 6, 6, None]
    pts, _ = repaired(wild)
    assert all(a < b for a, b in itertools.pairwise(pts))


def test_frames_shown_take_packet_times_in_rising_order() -> None:
    clock = DecodeClock(depth=1)
    shown = []
    for time, own in ((0, None), (1, 0), (2, 2), (3, 1)):  # coded I P B P, shown I B P P
        clock.sent(time)
        if own is not None:
            shown.append(clock.next(own))
    assert [*shown, clock.next(3)] == [0, 1, 2, 3]


def test_a_lost_packets_time_goes_to_no_frame() -> None:
    clock = DecodeClock(depth=2)
    for time in (0, 1, 2):
        clock.sent(time)
    clock.lost(1)
    assert [clock.next(0), clock.next(2)] == [0, 2]


def test_times_of_packets_that_gave_no_frame_do_not_delay_the_others() -> None:
    clock = DecodeClock(depth=0)
    for time in (0, 1, 2, 3):
        clock.sent(time)
    assert [clock.next(0), clock.next(2), clock.next(3)] == [0, 2, 3]
