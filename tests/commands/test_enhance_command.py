"""`gleaner enhance` says on stderr where a clip lies beyond what the model was measured on, and in the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gleaner import app
from tests.media.noisy_clip import write_noisy


@pytest.mark.parametrize(
    ("model", "sigma", "outside"), [("espcn-x2", 25, True), ("espcn-x2", 0, False), ("lanczos", 25, False)]
)
def test_footage_beyond_the_envelope_is_one_line_of_stderr(
    model: str, sigma: float, outside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLEANER_THREADS", "1")
    source, out, report = (
        write_noisy(tmp_path / "in.mkv", sigma, (160, 96)),
        tmp_path / "out.mp4",
        tmp_path / "report.json",
    )
    asked = ["enhance", source, out, "--model", model, "--scale", "2", "--report", report]
    done = CliRunner().invoke(app, list(map(str, asked)))
    assert done.exit_code == 0, done.output
    told = [line for line in done.stderr.splitlines() if "measured on" in line]
    written = json.loads(report.read_text())
    assert len(told) == outside
    assert written["source"]["estimate"]["noise"] == pytest.approx(sigma, rel=0.25, abs=5)
    if outside:
        words = written["outside_envelope"]
        assert words[0].startswith("noise of about 2")
        assert told == [f"outside of what the model was measured on: {'; '.join(words)}"]
    else:
        assert written["outside_envelope"] == []


@pytest.mark.parametrize(("sigma", "chosen"), [(30, "lanczos"), (0, "glean-s-x2")])
def test_auto_says_what_it_chose_and_why(
    sigma: float, chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLEANER_THREADS", "1")
    monkeypatch.setenv("GLEANER_MODELS_DIR", str(tmp_path / "models"))
    source, out, report = (
        write_noisy(tmp_path / "in.mkv", sigma, (160, 96)),
        tmp_path / "out.mp4",
        tmp_path / "report.json",
    )
    asked = ["enhance", source, out, "--model", "auto", "--scale", "2", "--report", report]
    done = CliRunner().invoke(app, list(map(str, asked)))
    assert done.exit_code == 0, done.output
    written = json.loads(report.read_text())
    assert written["model"]["name"] == written["choice"]["model"] == chosen
    assert f"auto: {written['choice']['reason']}" in done.stderr.splitlines()
    assert written["choice"]["reason"].startswith(f"{chosen}: ")
