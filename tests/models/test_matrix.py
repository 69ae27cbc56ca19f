"""The matrix of models and profiles against numbers known beforehand, and the table that facts are filled from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.measured_table import TABLE, write_table
from media.estimate.degradation import Degradation
from models.catalog import MODELS
from models.choice import AUTO
from models.envelope import Limits, Reading
from models.evaluation.held_out import held_out
from models.evaluation.matrix import Matrix, Score, Seen, from_json
from models.evaluation.matrix_page import matrix_page
from models.measured import CONDITIONS, MEASURED

FOUND = Degradation(
    frames=3, noise=2.0, blur=0.5, blockiness=1.0, combing=0.0, grey=False, level=90.0, contrast=140.0, quantiser=30.0
)
NOISY = replace(FOUND, noise=20.0, combing=0.1, quantiser=None)
ABOUT = {"data": "media", "split": "dev", "every": 1, "stills": 4, "clips": 0, "scenes": 4, "edge": 512}
ABOUT |= {
    "frames_of_a_clip": 1,
    "scored": 1,
    "models": {"net": "0" * 64, "lanczos": None},
    "versions": {"gleaner": "0"},
}
SCENES = ("a", "b", "c", "d")
GAINS = {("net", "calm"): 0.5, ("net", "storm"): -0.3, ("lanczos", "calm"): 0.1, ("lanczos", "storm"): -0.05}


def matrix(spread: float = 1.0, **change: float) -> Matrix:
    """Four scenes of one source; gains as in GAINS and `change`, give or take 0.02; noise grows by `spread`."""
    scores, seen = [], []
    for index, scene in enumerate(SCENES):
        for profile, found in (("calm", FOUND), ("storm", NOISY)):
            seen.append(Seen(f"{scene}.png", scene, profile, replace(found, noise=found.noise + spread * index)))
            scores.append(Score(f"{scene}.png", scene, profile, "bicubic", 25.0 + index))
            for method in ("net", "lanczos"):
                gain = change.get(f"{method}_{profile}", GAINS[method, profile]) + 0.02 * (-1) ** index
                scores.append(Score(f"{scene}.png", scene, profile, method, 25.0 + index + gain))
    return Matrix(4, ("lanczos", "net"), ("calm", "storm"), 7, ABOUT, scores, seen)


def test_gains_worst_cells_and_losses() -> None:
    found = matrix()
    gain = found.gain("net", "calm")
    assert (gain.mean, gain.share, gain.scenes) == (pytest.approx(0.5), 1.0, 4)
    assert 0.47 < gain.low <= gain.mean <= gain.high < 0.53
    assert (found.worst("net")[0], found.worst("net")[1].mean) == ("storm", pytest.approx(-0.3))
    assert set(found.losses("net")) == {"storm"}
    assert found.losses("lanczos") == {}  # -0.05 is not worse by more than 0.1
    assert from_json(json.loads(json.dumps(found.to_json()))) == found


def test_limits_are_those_of_the_footage_on_which_a_model_gains() -> None:
    found = matrix()
    assert found.limits("net") == Limits(noise=5.0, blur=0.5, blockiness=1.0, quantiser=30.0, interlaced=False)
    wider = matrix(net_storm=0.2).limits("net")
    assert wider is not None
    assert (wider.noise, wider.interlaced, wider.quantiser) == (23.0, True, 30.0)
    assert matrix(net_calm=-0.1).limits("net") is None
    assert found.measured("lanczos", None, learned=False).limits is None


def test_conditions_are_medians_of_what_was_read() -> None:
    found = matrix().conditions()
    assert found["calm"] == Reading(3.5, 0.5, 1.0, 0.0, 30.0)
    assert found["storm"] == Reading(21.5, 0.5, 1.0, 0.1, None)


def test_a_choice_is_held_out_scene_by_scene() -> None:
    models = [replace(MODELS["lanczos"]), replace(MODELS["espcn-x4"], name="net")]
    held = held_out(matrix(0.0), models, "net")
    assert dict(held.picks["calm"]) == {"net": 4}
    assert dict(held.picks["storm"]) == {"lanczos": 4}
    assert held.matrix.gain(AUTO, "calm").mean == pytest.approx(0.5)
    assert held.behind("calm") == held.behind("storm") == pytest.approx(0.0)
    # One scene gains much: what it gains must not be known where it is chosen for itself.
    peeking = matrix(0.0, net_calm=-0.2)
    for index, score in enumerate(peeking.scores):
        if (score.scene, score.method, score.profile) == ("a", "net", "calm"):
            peeking.scores[index] = replace(score, psnr=40.0)
    picks = held_out(peeking, models, "net").picks["calm"]
    assert picks["net"] <= 3
    alone = replace(matrix(), scores=[one for one in matrix().scores if one.scene == "a"])
    with pytest.raises(ValueError, match="two scenes"):
        held_out(alone, models, "net")


def test_the_page_names_worst_cells_and_marks_losses() -> None:
    found = matrix()
    models = [replace(MODELS["lanczos"]), replace(MODELS["espcn-x4"], name="net")]
    text = matrix_page([(found, held_out(found, models, "net"))], "the command")
    assert "    the command" in text
    row = next(line for line in text.splitlines() if line.startswith("| storm | 26.50"))
    assert "**-0.30 (" in row
    assert "| net | storm: **-0.30 (" in text
    assert "storm (-0.30) |" in text
    assert "nowhere" in text


def test_the_table_that_ships_is_as_the_command_writes_it(tmp_path: Path) -> None:
    write_table(CONDITIONS, MEASURED, tmp_path / "measured.py")
    assert (tmp_path / "measured.py").read_text() == TABLE.read_text()
    space: dict[str, object] = {}
    exec((tmp_path / "measured.py").read_text(), space)
    assert (space["CONDITIONS"], space["MEASURED"]) == (CONDITIONS, MEASURED)
