"""Training on small pictures drawn here: learns, stops, goes on exactly."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models import weights_io
from models.degradation.resize import shrink
from models.degradation.surveillance import to_bytes, to_float
from models.espcn import Espcn
from models.training import checkpoint
from models.training.checkpoint import CheckpointError
from models.training.data import DataError, items
from models.training.drawings import drawn_pair, flat_colours
from models.training.espcn import TrainConfig, train
from models.training.levels import true_levels
from models.training.pace import let_down


def drawing(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((160, 160, 3), rng.integers(40, 200, 3), np.uint8)
    for _ in range(30):
        centre, axes = rng.integers(0, 160, 2).tolist(), rng.integers(3, 30, 2).tolist()
        cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, rng.integers(0, 255, 3).tolist(), -1)
    return image


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    listed = [("a", "train", "CC0 1.0", "yes"), ("b", "train", "CC BY-SA 4.0", "yes"), ("c", "dev", "MIT", "yes")]
    listed += [("d", "train", "MIT", "unclear"), ("e", "benchmark", "MIT", "yes")]
    entries = []
    for index, (name, split, licence, may) in enumerate(listed):
        cv2.imwrite(str(folder / f"{name}.png"), drawing(index))
        entry = {"file": f"{name}.png", "split": split, "kind": "still", "licence": licence, "redistributable": may}
        entries.append(entry)
    (folder / "manifest.json").write_text(json.dumps({"files": entries}))
    return folder


@pytest.fixture
def config(media: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    cache = tmp_path_factory.getbasetemp() / "packs"
    return TrainConfig(
        2, media, tmp_path / "run", cache, steps=12, batch=2, mosaics=1, start_pairs=16, evaluate_every=6
    )


def test_only_what_may_be_passed_on_is_trained_on(media: Path) -> None:
    assert [item.path.stem for item in items(media, "train")] == ["a", "b"]
    assert [item.path.stem for item in items(media, "train", share_alike=False)] == ["a"]
    assert [item.path.stem for item in items(media, "dev")] == ["c"]


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no manifest\.json"):
        items(tmp_path, "train")


def test_a_run_stopped_anywhere_goes_on_exactly(config: TrainConfig, tmp_path: Path) -> None:
    whole = train(config)
    assert whole.finished
    parts = replace(config, out=tmp_path / "parts")
    counted = iter(range(100))
    stopped = train(parts, lambda: next(counted) == 4)
    assert (stopped.step, stopped.finished) == (5, False)
    resumed = train(parts)
    assert (resumed.step, resumed.finished, resumed.best_psnr) == (12, True, whole.best_psnr)
    a, b = (torch.load(c.out / checkpoint.NAME, weights_only=True) for c in (config, parts))
    for key in ("network", "average"):
        assert all(torch.equal(a[key][name], b[key][name]) for name in a[key])


def test_the_best_weights_load_and_say_what_they_are(config: TrainConfig) -> None:
    result = train(replace(config, steps=6))
    assert result.weights is not None
    weights_io.load_into(Espcn(2), result.weights)
    assert weights_io.metadata(result.weights)["model"] == "espcn-x2"
    row = json.loads((config.out / "log.jsonl").read_text().splitlines()[0])
    assert row["psnr"].keys() == {"bicubic", "surveillance"}


def test_a_folder_of_another_run_is_refused(config: TrainConfig) -> None:
    train(replace(config, steps=1))
    with pytest.raises(CheckpointError, match="batch was 2, is 3"):
        train(replace(config, steps=1, batch=3))


def test_levels_of_a_network_that_is_off_are_put_right(config: TrainConfig) -> None:
    train(replace(config, steps=1))
    net = Espcn(2)
    net.load_state_dict(torch.load(config.out / checkpoint.NAME, weights_only=True)["network"])
    low = torch.from_numpy(np.stack([drawing(seed)[:48, :48] for seed in range(8)])).permute(0, 3, 1, 2) / 255
    report = true_levels(net, low, np.random.default_rng(0))
    assert report.after < 0.1 * report.before


def test_drawings_are_registered_and_flat_colours_reach_both_ends() -> None:
    low, high = drawn_pair(np.random.default_rng(4), 2)
    small = to_bytes(shrink(to_float(high), 2, "area"))
    assert np.abs(small.astype(int) - low[4:-4, 4:-4]).mean() < 4
    flat = flat_colours(np.random.default_rng(0))
    assert (flat.min(), flat.max()) == (0, 1)
    assert torch.equal(flat[:16, 0], flat[:16, 2])


def test_the_rate_is_held_and_then_let_down() -> None:
    rates = [let_down(step, 100, 0.5) for step in range(101)]
    assert rates[:51] == [1] * 51
    assert rates == sorted(rates, reverse=True)
    assert rates[100] == pytest.approx(0.01)
