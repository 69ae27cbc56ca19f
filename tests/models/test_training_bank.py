"""Training of the bank on small pictures drawn here: goes on exactly, grows, and measures itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models import facts_json, weights_io
from models.catalog import Catalog
from models.importing import import_model
from models.library import METADATA
from models.registry import load_bank
from models.training import checkpoint, journal
from models.training.bank import WEIGHTS, BankConfig, BankResult, train
from models.training.checkpoint import CheckpointError


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    entries = []
    for index, licence in enumerate(("CC0 1.0", "CC BY-SA 4.0")):
        rng = np.random.default_rng(index)
        image = rng.integers(0, 256, (10, 10, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.resize(image, (80, 70), interpolation=cv2.INTER_CUBIC))
        entry = {"file": f"{index}.png", "split": "train", "kind": "still", "licence": licence}
        entries.append(entry | {"redistributable": "yes"})
    (folder / "manifest.json").write_text(json.dumps({"files": entries}))
    return folder


@pytest.fixture
def config(media: Path, tmp_path: Path) -> BankConfig:
    """Seven steps of four pictures, growing after the fourth; both regularisations come by."""
    return BankConfig(
        media,
        tmp_path / "run",
        channels=(8, 8, 6, 4),
        judge_channels=(8, 8, 6, 4),
        style=8,
        mapping=2,
        sizes=(16, 32),
        pictures=(16, 12),
        settle=1,
        batch=4,
        slope_every=2,
        path_every=3,
        strength=100,
        evaluate_every=8,
        measured=8,
    )


def test_a_run_stopped_anywhere_goes_on_exactly(config: BankConfig, tmp_path: Path) -> None:
    whole = train(config)
    assert (whole.pictures, whole.size, whole.finished) == (28, 32, True)
    parts = replace(config, out=tmp_path / "parts", workers=2)
    for stops in (2, 2, 100):  # within the first size, and within the second
        counted = iter(range(stops))
        train(parts, lambda c=counted: next(c, None) is None)  # type: ignore[misc]
    a, b = (torch.load(c.out / checkpoint.NAME, weights_only=True) for c in (config, parts))
    assert (b["step"], b["path_mean"], b["strength"]) == (7, a["path_mean"], a["strength"])
    for part in ("maker", "judge", "average"):
        assert all(torch.equal(a[part][key], b[part][key]) for key in a[part]), part
    told = [[row for row in journal.read(c.out) if row[1] not in ("hours",)] for c in (config, parts)]
    assert told[0] == told[1]


def test_what_it_writes_can_be_imported_and_explored(config: BankConfig, tmp_path: Path) -> None:
    train(replace(config, pictures=(8, 0)))
    catalog = Catalog(tmp_path / "models")
    facts = import_model(config.out / WEIGHTS, "textures", catalog).facts
    assert (facts.role, facts.tile) == ("bank", 16)
    assert "CC BY-SA 4.0: 1, CC0 1.0: 1" in facts.trained_on
    assert facts.licence.startswith("CC BY-SA 4.0")
    assert load_bank("textures", "cpu", catalog=catalog)(torch.zeros(1, 8)).shape == (1, 3, 16, 16)
    assert (config.out / "sheet-016-00000008.png").is_file()
    told = {name for _, name, _ in journal.read(config.out)}
    assert {"judge", "maker", "slope", "augmented", "path"} <= told
    assert {"distance", "distance_16", "distance_of_real"} <= told


def test_share_alike_pictures_can_be_left_out(config: BankConfig) -> None:
    train(replace(config, pictures=(8, 0), share_alike=False))
    facts = facts_json.parse(weights_io.metadata(config.out / WEIGHTS)[METADATA])
    assert "(CC0 1.0: 1)" in facts.trained_on
    assert "CC BY-SA" not in facts.licence


def test_a_folder_of_another_run_is_refused(config: BankConfig) -> None:
    train(replace(config, pictures=(4, 0)))
    with pytest.raises(CheckpointError, match="batch was 4, is 2"):
        train(replace(config, pictures=(4, 0), batch=2))


def test_a_run_may_grow_earlier_than_it_was_begun_but_never_shrink(config: BankConfig) -> None:
    begun = replace(config, sizes=(8, 16, 32), minutes=0)
    assert train(begun).size == 8
    sooner = replace(begun, pictures=(4, 0, 8), minutes=None)  # the size between is passed through
    assert train(sooner) == BankResult(12, 32, True)
    with pytest.raises(CheckpointError, match="has grown to 32 pixels"):
        train(replace(sooner, pictures=(100, 0, 0)))
