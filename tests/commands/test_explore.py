"""`gleaner explore`: the sheet, the numbers and the words; what cannot be explored is one line and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner, Result

from gleaner import app
from models.pulse.search import STATEMENT
from tests.media.clips import write_clip
from tests.workers.banks import import_bank

Explore = Callable[..., Result]


@pytest.fixture
def explore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explore:
    """explore(*options): on frame 3 of a small clip, with the sheet in out.png, unless the options say otherwise."""
    source = write_clip(tmp_path / "in.mp4", frames=6)
    monkeypatch.setenv("GLEANER_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("GLEANER_DEVICE", "cpu")
    defaults = {"--frame": "3", "--box": "40,20,6,5", "-o": str(tmp_path / "out.png"), "--steps": "10"}

    def run(*options: str) -> Result:
        given = [part for name, value in defaults.items() if name not in options for part in (name, value)]
        return CliRunner().invoke(app, ["explore", str(source), *given, *options])

    return run


def test_the_sheet_the_numbers_and_the_words(explore: Explore, tmp_path: Path) -> None:
    import_bank(tmp_path / "models")
    done = explore("--count", "2", "--seed", "5", "--json", str(tmp_path / "out.json"))
    assert done.exit_code == 0, done.output
    assert STATEMENT in done.stdout
    assert "explored 8x8 at (39, 19): the box 6x5 at (40, 20) grown" in done.stdout
    assert "of 2 explain the pixels (error up to 0.002)" in done.stdout
    assert cv2.imread(str(tmp_path / "out.png")) is not None
    numbers = json.loads((tmp_path / "out.json").read_text())
    assert numbers["statement"] == STATEMENT
    assert (numbers["frame"], numbers["box"], numbers["region"]) == (3, [40, 20, 6, 5], [39, 19, 8, 8])
    assert (numbers["seed"], numbers["steps"], numbers["bank"]["name"]) == (5, 10, "small-bank")
    assert len(numbers["candidates"]) == 2
    assert str(tmp_path) not in (tmp_path / "out.json").read_text()

    first = (tmp_path / "out.png").read_bytes()
    again = explore("--count", "2", "--seed", "5")
    assert again.exit_code == 0
    assert (tmp_path / "out.png").read_bytes() == first


def test_a_bank_can_be_named(explore: Explore, tmp_path: Path) -> None:
    import_bank(tmp_path / "models", "a-bank")
    import_bank(tmp_path / "models", "b-bank")
    done = explore("--count", "1", "--bank", "b-bank", "--json", str(tmp_path / "out.json"))
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out.json").read_text())["bank"]["name"] == "b-bank"
    _refused(explore("--bank", "espcn-x4"), "espcn-x4", "a-bank, b-bank")


def test_the_bank_that_ships_is_explored_where_none_was_imported(explore: Explore, tmp_path: Path) -> None:
    done = explore("--count", "1", "--json", str(tmp_path / "out.json"))
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out.json").read_text())["bank"]["name"] == "bank-64"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--box", "1,2,3"), ("'1,2,3'", "x,y,w,h")),
        (("--box", "0,0,a,9"), ("'0,0,a,9'",)),
        (("--box", "0,0,3,9"), ("3x9", "4x4")),
        (("--box", "92,0,8,8"), ("8x8 at (92, 0)", "96x64")),
        (("--box", "0,0,9,9"), ("16 pixels explains 8", "smaller box")),
        (("--frame", "6"), ("no frame 6", "0 to 5")),
        (("-o", "out.jpg"), ("out.jpg", "out.png")),
    ],
)
def test_what_cannot_be_explored_is_named(
    options: tuple[str, ...], words: tuple[str, ...], explore: Explore, tmp_path: Path
) -> None:
    import_bank(tmp_path / "models")
    _refused(explore(*options), *words)
    assert not (tmp_path / "out.png").exists()


def _refused(done: Result, *words: str) -> None:
    assert done.exit_code == 2, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("gleaner: ")]
    assert len(lines) == 1, done.stderr
    assert all(word in lines[0] for word in words), lines[0]
