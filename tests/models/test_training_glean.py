"""Training of GLEAN on small pictures drawn here: goes on exactly, with a bank and without, and can be imported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models import glean_silent, registry, weights_io
from models.catalog import Catalog
from models.glean import Glean, GleanConfig
from models.glean_light import GleanLight
from models.importing import import_model
from models.stylegan2 import StyleGan2, StyleGan2Sizes
from models.training import checkpoint, export, journal
from models.training.fidelity import dev_scenes, gains, whole
from models.training.glean import WEIGHTS, GleanTraining, TrainingError, build, rate_at, train
from models.training.pairs import pair
from models.training.pictures import open_pictures

LIGHT = {
    "in_size": 16,
    "out_size": 32,
    "rrdb_channels": 8,
    "num_rrdbs": 1,
    "growth": 4,
    "channels": [8, 8, 8, 4],
    "style_channels": 8,
    "num_mlps": 2,
    "decoder_width": 6,
}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    entries = []
    for index, split in enumerate(("train", "train", "dev", "dev")):
        rng = np.random.default_rng(index)
        image = rng.integers(0, 256, (20, 24, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.resize(image, (120, 100), interpolation=cv2.INTER_CUBIC))
        entry = {"file": f"{index}.png", "split": split, "kind": "still", "licence": "CC0 1.0"}
        entries.append(entry | {"redistributable": "yes", "scene": f"scene-{min(index, 2)}"})
    (folder / "manifest.json").write_text(json.dumps({"files": entries}))
    return folder


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    sizes = StyleGan2Sizes((8, 8, 8, 4), 8, 8, 2)
    path = tmp_path_factory.mktemp("bank") / "bank.safetensors"
    export.write(StyleGan2(sizes).state_dict(), path, export.bank_facts(sizes, {"CC0 1.0": 2}, "a test's"), {})
    return path


@pytest.fixture
def config(media: Path, tmp_path: Path) -> GleanTraining:
    mix = {"clean-bicubic": 0.5, "surveillance-crf28": 0.5}
    small = GleanTraining(media, tmp_path / "run", network=LIGHT, steps=6, batch=2, crop=12, joined_batch=1, mix=mix)
    return replace(small, evaluate_every=3, warm_up=2)


def test_a_run_stopped_anywhere_goes_on_exactly_and_a_bank_joins_on_the_way(
    config: GleanTraining, bank: Path, tmp_path: Path
) -> None:
    whole_run = replace(config, bank=bank, join=4)
    result = train(whole_run)
    assert result.finished
    parts = replace(whole_run, out=tmp_path / "parts", workers=2)
    for stops in (1, 3, 100):  # before the bank joins, after it, to the end
        counted = iter(range(stops - 1))
        train(parts, lambda c=counted: next(c, None) is None)  # type: ignore[misc]
    a, b = (torch.load(c.out / checkpoint.NAME, weights_only=True) for c in (config, parts))
    assert (b["step"], b["best"], b["bank"]) == (6, result.best, weights_io.sha256(bank))
    for part in ("network", "average"):
        assert all(torch.equal(a[part][key], b[part][key]) for key in a[part]), part
    told = [[row for row in journal.read(c.out) if row[1] != "hours"] for c in (config, parts)]
    assert told[0] == told[1]
    kept = weights_io.read(bank)
    assert all(torch.equal(a["network"][f"generator.{key}"], value) for key, value in kept.items())  # frozen


def test_its_weights_become_a_model(config: GleanTraining, tmp_path: Path) -> None:
    train(replace(config, steps=3))
    catalog = Catalog(tmp_path / "models")
    facts = import_model(config.out / WEIGHTS, "ours", catalog).facts
    assert (facts.architecture, facts.tile, facts.scales, facts.trained_on[:24]) == (
        "glean-light",
        16,
        (2,),
        "2 openly licensed files ",
    )
    enhancer = registry.load("ours", 2, "cpu", catalog=catalog)
    assert enhancer.enhance(np.zeros((1, 16, 16, 3), np.uint8)).pixels.shape == (1, 32, 32, 3)


def test_training_begins_at_bicubic(config: GleanTraining, media: Path) -> None:
    network = build(config)
    assert isinstance(network, GleanLight)
    found = gains(dev_scenes(media, 2, 16), lambda x: glean_silent.enhance(network, x), 16)
    assert found.keys() == {"clean", "crf28"}
    assert all(abs(gain.mean) < 0.05 for gain in found.values())


def test_tiles_are_put_together_where_they_came_from() -> None:
    low = torch.rand(1, 3, 24, 24)
    again = whole(low, lambda x: torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"), 16)
    assert torch.equal(again[..., ::2, ::2], low)


def test_one_scene_counts_once(media: Path) -> None:
    assert [scene.name for scene in dev_scenes(media, 2, 16)] == ["2"]


def test_pairs_are_registered_and_depend_on_the_seed_alone(media: Path, tmp_path: Path) -> None:
    pictures = open_pictures(media, tmp_path)
    low, target = pair(pictures, np.random.default_rng(3), 2, 16, {"clean-bicubic": 1.0})
    small = cv2.resize(target, (16, 16), interpolation=cv2.INTER_AREA)
    assert (low.shape, target.shape) == ((16, 16, 3), (32, 32, 3))
    assert np.abs(small.astype(int) - low)[2:-2, 2:-2].mean() < 4
    again = pair(pictures, np.random.default_rng(3), 2, 16, {"clean-bicubic": 1.0})
    assert np.array_equal(low, again[0])


def test_a_full_glean_trains_around_its_bank(config: GleanTraining, bank: Path) -> None:
    full = {"in_size": 16, "out_size": 32, "rrdb_channels": 4, "num_rrdbs": 1, "style_channels": 8, "num_mlps": 2}
    full |= {"channel_cap": 8}
    sizes = StyleGan2Sizes((8, 8, 8, 8), 8, 8, 2)
    path = config.out.parent / "bank.safetensors"
    weights_io.save(StyleGan2(sizes).state_dict(), path, {})
    chosen = replace(config, architecture="glean", network=full, bank=path, steps=1)
    before = build(chosen).state_dict()["decoder.0.upsample_conv.weight"].clone()
    assert train(chosen).finished
    state = weights_io.read(config.out / WEIGHTS)
    assert state.keys() == Glean(GleanConfig(**full)).state_dict().keys()
    assert before.shape == state["decoder.0.upsample_conv.weight"].shape
    assert torch.equal(state["generator.conv1.conv.weight_orig"], weights_io.read(path)["conv1.conv.weight_orig"])


def test_settings_that_do_not_fit_are_refused(config: GleanTraining, bank: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be trained without its bank"):
        build(replace(config, architecture="glean", network={"in_size": 16, "out_size": 32}))
    with pytest.raises(TrainingError, match="architecture must be glean-light or glean, not 'edsr'"):
        build(replace(config, architecture="edsr"))
    with pytest.raises(TrainingError, match=r"\[network\] does not describe a glean-light"):
        build(replace(config, network={**LIGHT, "depth": 3}))
    with pytest.raises(weights_io.WeightsError, match="shape"):
        train(replace(config, network={**LIGHT, "channels": [8, 8, 8, 8]}, bank=bank, steps=1))


def test_the_rate_rises_is_held_and_let_down(config: GleanTraining) -> None:
    rates = [rate_at(step, replace(config, steps=100, warm_up=10, cooldown=0.5)) for step in range(101)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:51] == [config.rate] * 42
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[100] == pytest.approx(config.rate / 100)


def test_a_run_begins_from_what_fits_of_another_scale(config: GleanTraining, tmp_path: Path) -> None:
    train(replace(config, steps=3))
    wider = dict(LIGHT) | {"out_size": 64, "channels": [8, 8, 8, 4, 4], "decoder_width": [6, 5]}
    second = replace(config, network=wider, out=tmp_path / "wider", steps=0, warm=config.out / "latest.safetensors")
    train(second)
    first = weights_io.read(config.out / "latest.safetensors")
    taken = torch.load(second.out / "checkpoint.pt", weights_only=True)["network"]
    for key in ("encoder.0.body.0.rdb1.conv1.weight", "fusion.weight", "decoder.0.upsample_conv.weight"):
        torch.testing.assert_close(taken[key], first[key])
    other = tmp_path / "other.safetensors"
    weights_io.save({"something": torch.zeros(3)}, other, {})
    with pytest.raises(TrainingError, match="no tensor that fits"):
        train(replace(second, out=tmp_path / "third", warm=other))
