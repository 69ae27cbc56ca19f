"""What a worker has loaded follows the catalog, and is bounded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import weights_io
from models.catalog import MODELS, Catalog, UnknownModel
from workers.loaded import MOST, LoadedModels


def add(catalog: Catalog, name: str, shift: float = 0.0) -> None:
    state = weights_io.read(weights_io.FOLDER / "espcn-x2.safetensors")
    state["last.bias"] += shift
    catalog.add(name, state, replace(MODELS["espcn-x2"], dtypes=("float32",)))


def test_models_imported_later_are_there_removed_ones_not_and_replaced_ones_anew(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    loaded = LoadedModels("cpu", 1, Catalog(tmp_path))
    with pytest.raises(UnknownModel):
        loaded.get("mine", 2)
    add(catalog, "mine")
    first = loaded.get("mine", 2)
    assert loaded.get("mine", 2) is first
    catalog.remove("mine")
    with pytest.raises(UnknownModel):
        loaded.get("mine", 2)
    add(catalog, "mine", shift=0.25)
    tiles = np.full((1, 128, 128, 3), 100, np.uint8)
    second = loaded.get("mine", 2)
    brighter = second.enhance(tiles).pixels.astype(int) - first.enhance(tiles).pixels
    assert np.abs(brighter - 64).max() <= 1
    catalog.remove("mine")
    add(catalog, "mine")  # the very same again
    assert loaded.get("mine", 2).facts == first.facts


def test_only_the_ones_used_last_are_kept(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    names = [f"m{i}" for i in range(MOST + 1)]
    for name in names:
        add(catalog, name)
    loaded = LoadedModels("cpu", 1, catalog)
    first = [loaded.get(name, 2) for name in names[:MOST]]
    assert loaded.get(names[0], 2) is first[0]  # used last now
    loaded.get(names[MOST], 2)
    assert loaded.get(names[0], 2) is first[0]
    assert loaded.get(names[1], 2) is not first[1]
