"""`gleaner train bank` and `gleaner train glean` in process: settings from a file, refusals, a whole tiny run."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gleaner import app

BANK = """
channels = [4, 4, 4]
judge_channels = [4, 4, 4]
style = 4
mapping = 1
sizes = [16]
pictures = [4]
batch = 2
measured = 4
evaluate_every = 4
"""


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    cv2.imwrite(str(folder / "a.png"), image)
    entry = {"file": "a.png", "split": "train", "kind": "still", "licence": "CC BY-SA 4.0", "redistributable": "yes"}
    (folder / "manifest.json").write_text(json.dumps({"files": [entry]}))
    return folder


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["train", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_bank_is_trained_and_gone_on_with(media: Path, tmp_path: Path) -> None:
    settings, out = tmp_path / "bank.toml", tmp_path / "run"
    settings.write_text(BANK)
    code, said, _ = run("bank", "--data", media, "--out", out, "--config", settings)
    assert (code, said.strip()) == (0, f"4 pictures seen, 16 pixels, finished: {out}")
    assert {path.name for path in out.iterdir()} >= {"checkpoint.pt", "log.csv", "log.png", "bank.safetensors"}
    code, said, _ = run("bank", "--data", media, "--out", out, "--config", settings, "--resume")
    assert (code, said.strip()) == (0, f"4 pictures seen, 16 pixels, finished: {out}")


def test_what_cannot_be_used_is_one_line(media: Path, tmp_path: Path) -> None:
    settings, out = tmp_path / "bank.toml", tmp_path / "run"
    settings.write_text("chanels = [4]")
    code, _, error = run("bank", "--data", media, "--out", out, "--config", settings)
    assert (code, error.splitlines()[-1][:33]) == (2, "gleaner: unknown settings chanels")
    code, _, error = run("bank", "--data", media, "--out", out, "--resume")
    assert (code, "holds no checkpoint.pt to resume from" in error) == (2, True)
    code, _, error = run("bank", "--data", media, "--out", out, "--no-share-alike")
    assert (code, "lists nothing for the split 'train'" in error) == (2, True)
    settings.write_text('goal = "vivid"')
    code, _, error = run("glean", "--data", media, "--out", out, "--config", settings)
    assert (code, "starts from a faithful one's weights" in error) == (2, True)
    code, _, error = run("glean", "--data", media, "--out", out, "--config", settings, "--start", settings)
    assert (code, "is not a whole safetensors file" in error) == (2, True)
    settings.write_text('goal = "lively"')
    code, _, error = run("glean", "--data", media, "--out", out, "--config", settings)
    assert (code, "goal must be faithful or vivid, not 'lively'" in error) == (2, True)
    code, _, error = run("glean", "--data", media, "--out", out, "--start", settings)
    assert (code, "--start and --judge are for vivid runs" in error) == (2, True)
    settings.write_text('architecture = "edsr"')
    code, _, error = run("glean", "--data", media, "--out", out, "--config", settings)
    assert (code, "architecture must be glean-light or glean" in error) == (2, True)
