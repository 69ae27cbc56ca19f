"""What may be wanted of a stream; errors repeat nothing of what was given."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.stream import RetentionOptions, Stream, StreamOptions


def make(**options: Any) -> StreamOptions:
    return StreamOptions(**({"name": "yard", "model": "glean"} | options))


@pytest.mark.parametrize(
    ("model", "ladder", "rungs"),
    [
        ("glean", (), ("glean", "lanczos")),
        ("glean", ("espcn-x4",), ("glean", "espcn-x4", "lanczos")),
        ("glean", ("glean", "espcn-x4"), ("glean", "espcn-x4", "lanczos")),
        ("glean", ("glean", "espcn-x4", "lanczos"), ("glean", "espcn-x4", "lanczos")),
        ("lanczos", (), ("lanczos",)),
    ],
)
def test_the_ladder_goes_from_the_model_to_lanczos(model: str, ladder: tuple[str, ...], rungs: tuple[str, ...]) -> None:
    options = make(model=model, ladder=ladder)
    assert options.ladder == rungs
    assert StreamOptions.model_validate_json(options.model_dump_json()) == options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ladder": ("espcn-x4", "glean")}, "begins with the stream's model"),
        ({"ladder": ("glean", "lanczos", "espcn-x4")}, "last rung"),
        ({"ladder": ("glean", "espcn-x4", "espcn-x4")}, "twice"),
        ({"model": "lanczos", "ladder": ("espcn-x4", "lanczos")}, "begins with the stream's model"),
        ({"scale": 2, "target_height": 720}, "give one"),
        ({"budget_s": 0.1}, "greater than or equal to 0.5"),
        ({"budget_s": float("nan")}, "finite"),
        ({"name": ""}, "1 to 64"),
        ({"name": "a" * 65}, "1 to 64"),
        ({"name": ".."}, "begins with no"),
        ({"name": "enhanced/yard"}, "1 to 64"),
        ({"name": "yard\n"}, "1 to 64"),
        ({"push_url": "rtsp://user:s3cret@10.0.0.5/x"}, "sealed"),
        ({"speed": "s3cret"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_met_is_refused_in_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        make(**options)
    assert "s3cret" not in str(caught.value)


def test_a_record_never_holds_a_password_in_the_open() -> None:
    with pytest.raises(ValidationError) as caught:
        Stream(id="a", options=make(), url_shown="rtsp://user:s3cret@10.0.0.5/", created_at=0.0, changed_at=0.0)
    assert "s3cret" not in str(caught.value)


def test_recordings_have_limits() -> None:
    assert make(record={"hours": 1}).record == RetentionOptions(hours=1, gigabytes=10)
    for limits in ({"hours": 0}, {"gigabytes": -1}, {"hours": float("inf")}):
        with pytest.raises(ValidationError):
            RetentionOptions(**limits)
