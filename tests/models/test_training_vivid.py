"""Vivid training on small pictures drawn here: starts from a faithful run, goes on exactly, makes a partner for it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import registry, weights_io
from models.catalog import Catalog
from models.importing import import_model
from models.stylegan2_discriminator import StyleGan2Discriminator
from models.training import bank as bank_training
from models.training import checkpoint, journal
from models.training.checkpoint import CheckpointError
from models.training.glean import WEIGHTS, GleanTraining, TrainingError
from models.training.glean import train as train_faithful
from models.training.vivid import VividTraining, feature_loss, train
from tests.models.test_training_glean import LIGHT, bank, media

__all__ = ["bank", "media"]  # fixtures

MIX = {"clean-bicubic": 0.5, "surveillance-crf28": 0.5}


@pytest.fixture(scope="module")
def start(media: Path, bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a faithful run with its bank."""
    out = tmp_path_factory.mktemp("faithful")
    config = GleanTraining(media, out, network=LIGHT, bank=bank, steps=4, joined_batch=2, mix=MIX, warm_up=1)
    train_faithful(replace(config, evaluate_every=4))
    return out / WEIGHTS


@pytest.fixture
def config(media: Path, start: Path, tmp_path: Path) -> VividTraining:
    small = VividTraining(media, tmp_path / "run", start=start, judge_channels=(8, 8, 6, 4), mix=MIX, batch=2, steps=6)
    return replace(small, evaluate_every=3, warm_up=1, settle=1, slope_every=2, strength=20, rate=1e-3)


def held(folder: Path) -> dict:
    return torch.load(folder / checkpoint.NAME, weights_only=True)


def test_a_run_stopped_anywhere_goes_on_exactly(config: VividTraining, tmp_path: Path) -> None:
    result = train(config)
    assert result.finished
    parts = replace(config, out=tmp_path / "parts", workers=2)
    for stops in (1, 3, 100):
        counted = iter(range(stops - 1))
        train(parts, lambda c=counted: next(c, None) is None)  # type: ignore[misc]
    a, b = held(config.out), held(parts.out)
    assert a["step"] == b["step"] == 6
    for part in ("network", "average", "judge"):
        assert all(torch.equal(a[part][key], b[part][key]) for key in a[part]), part
    assert (a["strength"], a["told"]) == (b["strength"], b["told"])
    told = [[row for row in journal.read(c.out) if row[1] != "hours"] for c in (config, parts)]
    assert told[0] == told[1]
    assert {"loss", "feature", "maker", "judge", "slope", "sign"} <= {name for _, name, _ in told[0]}


def test_both_trainings_are_one_model_with_detail(config: VividTraining, start: Path, tmp_path: Path) -> None:
    train(config)
    vivid = weights_io.read(config.out / WEIGHTS)
    faithful = weights_io.read(start)
    frozen = {key for key in vivid if torch.equal(vivid[key], faithful[key])}
    assert {key for key in vivid if key.startswith("generator.")} <= frozen
    assert {"encoder.", "decoder."} <= {f"{key.split('.')[0]}." for key in vivid.keys() - frozen}
    catalog = Catalog(tmp_path / "models")
    facts = import_model(start, "both", catalog, vivid=config.out / WEIGHTS).facts
    assert facts.batch == 8  # its last bits depend on the batch, as those of imported ones
    alone = import_model(config.out / WEIGHTS, "alone", catalog).facts
    assert ("faithful" in facts.title, "vivid" in alone.title) == (True, True)
    tile = np.random.default_rng(0).integers(0, 255, (1, 16, 16, 3), np.uint8)
    given, wanted = (
        registry.load(name, 2, "cpu", detail=detail, catalog=catalog).enhance(tile).pixels
        for name, detail in (("both", 1.0), ("alone", 0.0))
    )
    assert np.array_equal(given, wanted)


def test_only_the_discriminator_learns_until_it_has_settled(config: VividTraining, start: Path) -> None:
    train(replace(config, steps=2, settle=2))
    state, before = held(config.out), weights_io.read(start)
    assert all(torch.equal(state["network"][key], value) for key, value in before.items())
    assert state["judge_adam"]["state"]


def test_the_banks_discriminator_is_gone_on_with(config: VividTraining, media: Path, tmp_path: Path) -> None:
    sizes = bank_training.BankConfig(media, tmp_path / "bank", channels=(8, 8, 8, 4), judge_channels=(8, 8, 6, 4))
    small = replace(sizes, style=8, mapping=2, sizes=(16, 32), pictures=(4, 4), batch=2, measured=4, settle=0)
    bank_training.train(small)
    judge = small.out / checkpoint.NAME
    train(replace(config, judge=judge, steps=0))
    assert all(torch.equal(held(config.out)["judge"][key], value) for key, value in held(small.out)["judge"].items())
    bank_training.train(replace(small, out=tmp_path / "young", pictures=(4, 0)))
    with pytest.raises(TrainingError, match="discriminator is for pictures of 16 pixels, the run makes 32"):
        train(replace(config, out=tmp_path / "other", judge=tmp_path / "young" / checkpoint.NAME))
    with pytest.raises(CheckpointError, match=r"best\.safetensors is no checkpoint of `gleaner train bank`"):
        train(replace(config, out=tmp_path / "third", judge=config.start))


def test_a_run_from_other_weights_is_another_run(config: VividTraining, tmp_path: Path) -> None:
    train(replace(config, steps=1))
    other = tmp_path / "other.safetensors"
    assert config.start is not None
    state = {key: value * 1.01 for key, value in weights_io.read(config.start).items()}
    weights_io.save(state, other, weights_io.metadata(config.start))
    with pytest.raises(CheckpointError, match="start was"):
        train(replace(config, start=other))
    network = held(config.out)["run"]["network"]
    faithful = GleanTraining(config.data, config.out, network=network, mix=MIX, batch=2, rate=1e-3, warm_up=1)
    with pytest.raises(CheckpointError, match="vivid run"):
        train_faithful(replace(faithful, evaluate_every=3))


def test_without_a_bank_small_crops_are_enough(config: VividTraining, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    faithful = GleanTraining(config.data, silent, network=LIGHT, steps=2, batch=2, crop=8, mix=MIX, warm_up=1)
    train_faithful(replace(faithful, evaluate_every=2))
    with pytest.raises(TrainingError, match="for pictures of 32 pixels, the run makes 16"):
        train(replace(config, start=silent / WEIGHTS, crop=8))
    train(replace(config, start=silent / WEIGHTS, crop=8, judge_channels=(8, 8, 6), structure=1.0))
    before, after = weights_io.read(silent / WEIGHTS), weights_io.read(config.out / WEIGHTS)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert not any(key.startswith("generator.") for key in changed)


def test_settings_that_do_not_fit_are_refused(config: VividTraining, bank: Path) -> None:
    with pytest.raises(TrainingError, match="name them with start"):
        train(replace(config, start=None))
    with pytest.raises(TrainingError, match="has its bank already"):
        train(replace(config, bank=bank))
    with pytest.raises(TrainingError, match=r"the stylegan2 of bank\.safetensors cannot be trained to be vivid"):
        train(replace(config, start=bank))
    with pytest.raises(TrainingError, match="for pictures of 16 pixels"):
        train(replace(config, judge_channels=(8, 8, 6)))


@torch.no_grad()
def test_features_are_compared_in_units_of_the_true_ones() -> None:
    torch.manual_seed(0)
    judge = StyleGan2Discriminator((4, 4, 4, 4))
    y = torch.rand(2, 3, 32, 32) * 2 - 1
    wanted = judge.look(y)
    assert float(feature_loss(wanted, wanted)) == 0
    assert float(feature_loss([2 * f for f in wanted], wanted)) == pytest.approx(1, abs=1e-5)
    coarse = [f if f.shape[2] >= 16 else f + 9 for f in wanted]
    assert float(feature_loss(coarse, wanted)) == 0
    blurred = judge.look(torch.nn.functional.avg_pool2d(y, 3, 1, 1))
    assert float(feature_loss(blurred, wanted)) > 0.05


def test_a_vivid_run_says_so_in_its_settings() -> None:
    assert asdict(VividTraining(Path(), Path()))["goal"] == "vivid"
    assert GleanTraining(Path(), Path()).goal == "faithful"
