"""A trace says where, and nothing of what an error said."""

from __future__ import annotations

from pipeline.traces import trace


def test_a_trace_has_places_and_no_messages() -> None:
    def open_camera() -> None:
        raise OSError("rtsp://user:s3cret@10.0.0.5 refused")

    try:
        try:
            open_camera()
        except OSError as error:
            raise ValueError("s3cret") from error
    except ValueError as error:
        told = trace(error)
    assert told.startswith("ValueError < test_traces.py:")
    assert "; from OSError < test_traces.py:" in told
    assert "open_camera" in told
    assert "s3cret" not in told


def test_an_error_that_hides_its_cause_is_told_of_without_it() -> None:
    try:
        try:
            raise OSError
        except OSError:
            raise ValueError from None
    except ValueError as error:
        told = trace(error)
    assert "OSError" not in told
