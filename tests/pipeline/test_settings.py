"""Settings that cannot be are refused when a process starts, in one line that holds no secret."""

from __future__ import annotations

import pytest
import typer

from commands.common import clean_errors
from pipeline.settings import Settings


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GLEANER_SECRET_KEY", "hush hush", "has 9 characters and needs 32"),
        ("GLEANER_MEDIA_SERVER", "http://mediamtx:8554", "write it like rtsp://mediamtx:8554 (got"),
        ("GLEANER_MEDIA_SERVER", "rtsp://u:hush@mediamtx", "without a user"),
        ("GLEANER_CAMERA_NETWORKS", "home", "write 192.168.1.0/24"),
        ("GLEANER_LISTEN_PORTS", "5-3", "no range of ports"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(typer.Exit), clean_errors():
        Settings()
    told = capsys.readouterr().err
    assert told.startswith(f"gleaner: {variable}: ")
    assert said in told
    assert told.count("\n") == 1
    assert "hush" not in told
    assert "Value error" not in told


def test_empty_variables_of_the_compose_file_are_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GLEANER_SECRET_KEY", "GLEANER_MEDIA_SERVER", "GLEANER_PUSH_KEY"):
        monkeypatch.setenv(variable, "")
    assert Settings().media_server == ""
