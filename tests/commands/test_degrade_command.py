"""`gleaner degrade`: files, the drawn parameters, the list; what cannot be degraded is one line and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
from typer.testing import CliRunner, Result

from gleaner import app
from models.degradation.profiles import PROFILES
from tests.media.clips import picture, write_clip


def gleaner(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["degrade", *map(str, arguments)])


def test_a_clip_and_what_was_drawn_for_it(tmp_path: Path) -> None:
    source, out, facts = write_clip(tmp_path / "in.mp4", frames=3), tmp_path / "out.mkv", tmp_path / "out.json"
    done = gleaner(source, out, "--profile", "surveillance-interlaced", "--seed", "5", "--scale", "2", "--json", facts)
    assert done.exit_code == 0, done.output
    assert "3 frames, 48×32, surveillance-interlaced, seed 5" in done.stdout
    written = json.loads(facts.read_text())
    assert (written["source"], written["frames"], written["seed"], written["scale"]) == ("in.mp4", 3, 5, 2)
    assert "weave" in [step["step"] for step in written["steps"]]
    assert str(tmp_path) not in facts.read_text()


def test_a_picture_is_made_four_times_smaller(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "in.png"), picture(1, 64, 48))
    done = gleaner(tmp_path / "in.png", tmp_path / "out.png", "--profile", "jpeg-only")
    assert done.exit_code == 0, done.output
    low = cv2.imread(str(tmp_path / "out.png"))
    assert low is not None
    assert low.shape == (12, 16, 3)


def test_the_list_names_every_profile_and_needs_no_files() -> None:
    done = gleaner("--list")
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(PROFILES)


def test_unusable_requests_are_one_line_and_exit_code_two(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", frames=3)
    requests = [
        (source, tmp_path / "o.mkv", "--profile", "fog"),
        (source, tmp_path / "o.avi", "--profile", "noise-only"),
        (source, source, "--profile", "noise-only"),
        (tmp_path / "none.mp4", tmp_path / "o.mkv", "--profile", "noise-only"),
        (source, tmp_path / "o.mkv", "--profile", "noise-only", "--seed", "-1"),
        (source, tmp_path / "o.mkv", "--profile", "noise-only", "--scale", "0"),
    ]
    for request in requests:
        done = gleaner(*request)
        assert done.exit_code == 2, request
        assert done.stderr.startswith("gleaner: ")
        assert len(done.stderr.strip().splitlines()) == 1
        assert str(tmp_path) not in done.stderr
    assert not list(tmp_path.glob("o.*"))
