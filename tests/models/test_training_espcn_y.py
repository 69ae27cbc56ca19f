"""ESPCN of luma against the literature: the protocol, the planes, a run that goes on exactly."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gleaner import app
from models import registry, weights_io
from models.catalog import Catalog
from models.espcn import RADIUS, Espcn
from models.evaluation.literature import bicubic, luma, pair, scores
from models.importing import import_model
from models.training import checkpoint
from models.training.checkpoint import CheckpointError
from models.training.espcn_y import LumaTraining, enlarge_by, inside, train
from models.training.luma import batch, open_planes

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "training" / "runs" / "espcn-x3-y.toml"


def drawing(seed: int, height: int = 150, width: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), rng.integers(40, 200, 3), np.uint8)
    for _ in range(60):
        centre, axes = rng.integers(0, width, 2).tolist(), rng.integers(2, 20, 2).tolist()
        cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, rng.integers(0, 255, 3).tolist(), -1)
    return image


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    entries = []
    for index, split in enumerate(("train", "train", "dev", "benchmark")):
        cv2.imwrite(str(folder / f"{index}.png"), drawing(index))
        entry = {"file": f"{index}.png", "split": split, "kind": "still", "licence": "MIT", "redistributable": "yes"}
        entries.append(entry)
    (folder / "manifest.json").write_text(json.dumps({"files": entries}))
    return folder


@pytest.fixture
def config(media: Path, tmp_path: Path) -> LumaTraining:
    return LumaTraining(media, tmp_path / "run", 3, steps=12, batch=2, crop=20, start_pairs=8, evaluate_every=6)


def test_luma_has_the_studio_range_and_the_protocol_scores_only_the_inside() -> None:
    ends = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.uint8)
    assert luma(ends).tolist() == [[16, 235, 81]]
    low, target = pair(luma(drawing(0, 100, 61)), 3)
    assert (low.shape, target.shape) == ((33, 20), (99, 60))
    rim = target / np.float32(255)
    rim[:3] = 0
    assert scores(rim, target, 3) == (float("inf"), pytest.approx(1))
    wrong = target.astype(np.float32) + 1
    assert scores(wrong / 255, target, 3)[0] == pytest.approx(48.13, abs=0.01)
    with pytest.raises(ValueError, match="cannot compare"):
        scores(low, target, 3)


def test_crops_are_registered_with_their_truth(media: Path, tmp_path: Path) -> None:
    planes = open_planes(media, tmp_path, 3)
    assert len(planes) == 2  # of the training split alone, and too small to be kept at smaller sizes
    low, high = batch(planes, np.random.default_rng(0), 4, 24)
    assert (low.shape, high.shape) == ((4, 1, 24, 24), (4, 1, 48, 48))
    for small, large in zip(low, high, strict=True):
        rim = 3 * RADIUS
        ours = bicubic(3)(small[0].numpy())[rim:-rim, rim:-rim]
        error = float(np.square(ours - large[0].numpy()).mean())
        assert error < 0.3 * float(large.var())
        assert all(float(np.square(np.rot90(ours, k) - large[0].numpy()).mean()) > error for k in (1, 2, 3))


def test_the_inside_is_what_the_network_gives_there() -> None:
    torch.manual_seed(0)
    network, low = Espcn(3, channels=1), torch.rand(2, 1, 14, 12)
    whole = network(low)[..., 3 * RADIUS : -3 * RADIUS, 3 * RADIUS : -3 * RADIUS]
    torch.testing.assert_close(inside(network, low), whole)


def test_a_run_stopped_anywhere_goes_on_exactly_and_learns(config: LumaTraining, tmp_path: Path) -> None:
    whole = train(config)
    assert whole.finished
    parts = replace(config, out=tmp_path / "parts")
    counted = iter(range(100))
    stopped = train(parts, lambda: next(counted) == 4)
    assert (stopped.step, stopped.finished) == (5, False)
    resumed = train(parts)
    assert (resumed.step, resumed.finished, resumed.best) == (12, True, whole.best)
    a, b = (torch.load(c.out / checkpoint.NAME, weights_only=True) for c in (config, parts))
    for key in ("network", "average"):
        assert all(torch.equal(a[key][name], b[key][name]) for name in a[key])
    with pytest.raises(CheckpointError, match="batch was 2, is 3"):
        train(replace(config, batch=3))


def test_the_command_trains_by_a_file_and_its_weights_are_a_model_of_luma(media: Path, tmp_path: Path) -> None:
    few = SHIPPED.read_text().replace("steps = 24000", "steps = 2\nstart_pairs = 8").replace("batch = 16", "batch = 1")
    (tmp_path / "few.toml").write_text(few)
    out = tmp_path / "run"
    told = CliRunner().invoke(
        app, ["train", "espcn", "--config", str(tmp_path / "few.toml"), "--data", str(media), "--out", str(out)]
    )
    assert told.exit_code == 0, told.output
    assert "step 2, finished" in told.output
    network = Espcn(3, channels=1)
    network.load_state_dict(weights_io.read(out / "best.safetensors"))
    assert enlarge_by(network)(np.zeros((9, 11), np.float32)).shape == (27, 33)
    catalog = Catalog(tmp_path / "models")
    import_model(out / "best.safetensors", "mine", catalog)
    enlarged = registry.load("mine", 3, "cpu", catalog=catalog).enhance(np.full((1, 128, 128, 3), 128, np.uint8))
    assert (catalog.facts("mine").architecture, enlarged.pixels.shape) == ("espcn-y", (1, 384, 384, 3))
