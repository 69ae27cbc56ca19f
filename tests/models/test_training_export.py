"""Weights as float16 for shipping: nearly the same network, the same facts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gleaner import app
from models import registry, weights_io
from models.catalog import Catalog
from models.importing import import_model
from models.training import export
from models.weights_io import WeightsError
from tests.models.model_maker import LIGHT, light


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    path = tmp_path / "best.safetensors"
    facts = export.glean_facts("glean-light", asdict(LIGHT), {"CC0 1.0": 3}, {}, "faithful")
    export.write(light().state_dict(), path, facts, {"steps": "7"})
    return path


def test_halved_weights_are_half_as_large_and_nearly_the_same_network(trained: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.safetensors"
    result = CliRunner().invoke(app, ["train", "halve", str(trained), str(small)])
    assert (result.exit_code, weights_io.sha256(small) in result.stdout) == (0, True)
    assert weights_io.metadata(small) == weights_io.metadata(trained) | {"model": "small"}
    before, after = weights_io.read(trained), weights_io.read(small)
    for key, tensor in before.items():
        assert after[key].dtype == tensor.dtype
        bound = (tensor.abs() * 2**-11).clamp(min=2**-25)
        assert bool(((after[key] - tensor).abs() <= bound).all()), key
    head = 2 * len(str(weights_io.metadata(trained))) + 200 * len(before)
    assert small.stat().st_size < trained.stat().st_size / 2 + head
    catalog = Catalog(tmp_path / "models")
    tile = np.random.default_rng(0).integers(40, 210, (2, 16, 16, 3), np.uint8)
    pixels = []
    for name, file in (("full", trained), ("half", small)):
        import_model(file, name, catalog)
        pixels.append(registry.load(name, 4, "cpu", catalog=catalog).enhance(tile).pixels.astype(int))
    assert pixels[0].std() > 5
    assert np.abs(pixels[0] - pixels[1]).max() <= 1


def test_what_float16_cannot_hold_is_refused(tmp_path: Path) -> None:
    weights_io.save({"a": torch.tensor([1e5])}, tmp_path / "large.safetensors", {})
    with pytest.raises(WeightsError, match=r"large\.safetensors: a has values that float16 cannot hold"):
        export.halve(tmp_path / "large.safetensors", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
