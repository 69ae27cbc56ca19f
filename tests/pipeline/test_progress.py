"""Sums and what follows from them."""

from __future__ import annotations

from pipeline.progress import Progress, SegmentProgress, total


def test_sums() -> None:
    first = SegmentProgress(10, 1, 100, 40, 2, 3, finished=True)
    assert total([first, SegmentProgress(5, tiles_total=50)]) == Progress(15, 1, 150, 40, 2, 3, segments_finished=1)
    assert total([]) == Progress()


def test_a_report_survives_its_form_and_fields_of_a_later_version() -> None:
    report = SegmentProgress(10, 1, 100, 40, 2, 3, finished=True)
    assert SegmentProgress.from_json(report.to_json()) == report
    assert SegmentProgress.from_json(b'{"frames_done": 2, "new": 1}') == SegmentProgress(2)


def test_fraction_speed_and_time_left() -> None:
    progress = Progress(frames_done=50)
    assert progress.fraction(200) == 0.25
    assert progress.fps(10.0) == 5.0
    assert progress.eta_s(200, 10.0) == 30.0
    assert Progress(frames_done=201).fraction(200) == 1.0
    assert Progress(frames_done=201).eta_s(200, 10.0) == 0.0


def test_what_cannot_be_said_is_none() -> None:
    assert Progress().fps(10.0) is None
    assert Progress().eta_s(100, 10.0) is None
    assert Progress(5).fraction(None) is None
    assert Progress(5).fps(0.0) is None
