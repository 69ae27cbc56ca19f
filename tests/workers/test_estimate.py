"""The estimate's band holds the estimate, and more workers shorten only their own part of the work."""

from __future__ import annotations

import pytest

from workers.estimate import SPREAD, UNCHANGED_SHARE, estimate


def test_the_network_and_the_rest_overlap_so_the_slower_one_counts() -> None:
    assert estimate(100, wall_s_per_frame=1.0, network_s_per_frame=0.8, workers=1).seconds == 80.0
    assert estimate(100, wall_s_per_frame=1.0, network_s_per_frame=0.2, workers=1).seconds == 80.0


@pytest.mark.parametrize(("workers", "seconds"), [(0, 800.0), (1, 800.0), (2, 400.0), (100, 200.0)])
def test_more_workers_share_the_networks_part_only(workers: int, seconds: float) -> None:
    found = estimate(1000, wall_s_per_frame=1.0, network_s_per_frame=0.8, workers=workers)
    assert found.seconds == seconds
    assert found.high == seconds * SPREAD
    assert found.low == max(200.0, round(800 * (1 - UNCHANGED_SHARE) / max(1, workers), 1))
    assert found.low <= found.seconds <= found.high


def test_a_batched_network_may_take_longer_than_the_clock() -> None:
    """Several workers' times are summed, so their sum may exceed the wall's."""
    found = estimate(10, wall_s_per_frame=0.5, network_s_per_frame=0.9, workers=2)
    assert found.seconds == 4.5
    assert "2 enhance workers" in found.basis


def test_no_frames_take_no_time() -> None:
    found = estimate(0, 1.0, 0.5, 1)
    assert (found.low, found.seconds, found.high) == (0.0, 0.0, 0.0)
