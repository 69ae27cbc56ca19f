"""The command `gleaner models check-vectors`: its lines, its sum and its exit code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gleaner import app
from tests.models.case_maker import slow_generator_case


def run(folder: Path) -> Result:
    return CliRunner().invoke(app, ["models", "check-vectors", str(folder)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    slow_generator_case("m:", "mmagic", (4, 4), style=5).write(tmp_path / "deep" / "good.json")
    return tmp_path


def test_a_line_a_case_then_how_many_passed(folder: Path) -> None:
    result = run(folder)
    first, last = result.stdout.splitlines()
    assert re.fullmatch(r"deep/good +\d\.\d\de-\d\d of 2e-05 +passed: \w+, worst of 3", first)
    assert last == "1 passed, 0 failed"
    assert result.exit_code == 0


def test_one_failed_case_makes_the_exit_code_1_and_the_rest_is_checked(folder: Path) -> None:
    case = slow_generator_case("f:", "rosinality", (4, 4), style=5)
    case.arrays["z"] = case.arrays["z"] * 1.001
    case.write(folder / "bad.json")
    (folder / "cut\nshort.json").write_text("{")
    result = run(folder)
    bad, cut, good, last = result.stdout.splitlines()
    assert re.fullmatch(r"bad +(9\.99e-04|1\.00e-03) of 2e-05 +failed: z, worst of 3", bad)
    assert re.fullmatch(r"cut\?short +- +failed: cut.short\.json is not whole JSON .*", cut)
    assert " passed" in good
    assert last == "1 passed, 2 failed"
    assert result.exit_code == 1


def test_a_folder_that_is_missing_or_holds_no_case_is_an_error(tmp_path: Path) -> None:
    for folder, reason in ((tmp_path / "none", "is no folder"), (tmp_path, "holds no case")):
        result = run(folder)
        assert result.exit_code == 2
        assert reason in result.stderr
