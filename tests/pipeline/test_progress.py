"""Sums and what follows from them."""

from __future__ import annotations

import pytest

from pipeline.progress import Progress, SegmentProgress, speed, total


def test_sums() -> None:
    first = SegmentProgress(10, 1, 100, 40, 2, 3, finished=True)
    assert total([first, SegmentProgress(5, tiles_total=50)]) == Progress(15, 1, 150, 40, 2, 3, segments_finished=1)
    assert total([]) == Progress()


def test_a_report_survives_its_form_and_fields_of_a_later_version() -> None:
    report = SegmentProgress(10, 1, 100, 40, 2, 3, finished=True)
    assert SegmentProgress.from_json(report.to_json()) == report
    assert SegmentProgress.from_json(b'{"frames_done": 2, "new": 1}') == SegmentProgress(2)


def test_time_left() -> None:
    progress = Progress(frames_done=50)
    assert progress.eta_s(200, 5.0) == 30.0
    assert Progress(frames_done=201).eta_s(200, 5.0) == 0.0


def test_speed_is_that_of_late() -> None:
    assert speed([(105.0, 50)], started_at=100.0, now=110.0) == 5.0
    steady = [(100.0 + t, 2 * t) for t in range(200)]
    assert speed(steady, started_at=100.0, now=299.0) == pytest.approx(2.0)


def test_a_long_wait_does_not_last_in_the_speed() -> None:
    """The job stood still for an hour, then went on at 4 frames a second."""
    points = [(100.0, 10), *((3700.0 + t, 10 + 4 * t) for t in range(61))]
    assert speed(points, started_at=90.0, now=3760.0) == pytest.approx(4.0)


def test_what_cannot_be_said_is_none() -> None:
    assert Progress().eta_s(100, None) is None
    assert speed([], started_at=0.0, now=10.0) is None
    assert speed([(10.0, 5)], started_at=0.0, now=1000.0) is None, "nothing came of late"
    assert speed([(995.0, 50), (999.0, 5)], started_at=0.0, now=1000.0) is None, "it has just begun again"
