"""`gleaner models import --vivid` and `gleaner enhance --detail` in process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gleaner import app
from tests.media.clips import write_clip
from tests.models.model_maker import write_glean, write_light


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEANER_MODELS_DIR", str(tmp_path / "models"))


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


def test_two_trainings_are_imported_and_enhanced_between(tmp_path: Path) -> None:
    first, second = write_light(tmp_path / "first.pth", 0), write_light(tmp_path / "second.pth", 1)
    assert run("models", "import", first, "--vivid", second, "--as", "both")[0] == 0
    shown = json.loads(run("models", "show", "both", "--json")[1])
    assert (shown["vivid"], len(shown["vivid_sha256"])) == ("both.vivid", 64)
    source, report = write_clip(tmp_path / "in.mp4", size=(32, 24), frames=2), tmp_path / "report.json"
    code, _, error = run(
        "enhance", source, tmp_path / "out.mp4", "--model", "both", "--detail", "0.3", "--report", report
    )
    assert code == 0, error
    told = json.loads(report.read_text())["model"]
    assert (told["detail"], told["vivid_sha256"]) == (0.3, shown["vivid_sha256"])


def test_what_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    source, out = write_clip(tmp_path / "in.mp4", size=(32, 24), frames=2), tmp_path / "out.mp4"
    code, _, error = run("enhance", source, out, "--model", "espcn-x2", "--detail", "0.3")
    assert (code, "gleaner: model espcn-x2 has no vivid training" in error) == (2, True)
    assert run("enhance", source, out, "--detail", "1.5")[0] == 2
    first, other = write_light(tmp_path / "first.pth"), write_glean(tmp_path / "other.pth")
    code, _, error = run("models", "import", first, "--vivid", other, "--as", "both")
    assert (code, "gleaner: other.pth cannot be the vivid training of first.pth" in error) == (2, True)
    assert not out.exists()
