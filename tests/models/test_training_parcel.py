"""A parcel holds the training pictures, small enough, and says what the folder said of them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.training.data import DataError, items, read_still
from models.training.parcel import make_parcel


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    entries = []
    for index, split in enumerate(("train", "train", "dev")):
        image = np.random.default_rng(index).integers(0, 256, (560, 540, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), image)
        entry = {
            "file": f"{index}.png",
            "split": split,
            "kind": "still",
            "redistributable": "yes",
            "scene": f"s{index}",
        }
        entries.append(entry | {"licence": ("CC0 1.0", "CC BY-SA 4.0", "MIT")[index]})
    (folder / "manifest.json").write_text(json.dumps({"files": entries}))
    return folder


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_all_of_it_where_there_is_room(media: Path, tmp_path: Path) -> None:
    assert make_parcel(media, tmp_path / "parcel", 50) == 1.0
    found = items(tmp_path / "parcel", "train")
    assert [item.licence for item in found] == ["CC0 1.0", "CC BY-SA 4.0"]
    assert read_still(found[0].path).shape == (560, 540, 3)
    (dev,) = items(tmp_path / "parcel", "dev")
    assert read_still(dev.path).shape == (512, 512, 3)
    entry = json.loads((tmp_path / "parcel" / "manifest.json").read_text())["files"][2]
    assert (entry["split"], entry["scene"]) == ("dev", "s2")


def test_smaller_pictures_where_there_is_little_and_no_traces_of_an_older_parcel(media: Path, tmp_path: Path) -> None:
    make_parcel(media, tmp_path / "parcel", 50)
    whole = size(tmp_path / "parcel")
    factor = make_parcel(media, tmp_path / "parcel", 0.8 * whole / 1e6, share_alike=False)
    assert factor == 1.0  # one picture fewer was enough
    assert not list((tmp_path / "parcel").glob("train-1*"))
    factor = make_parcel(media, tmp_path / "parcel", 0.7 * whole / 1e6)
    assert factor < 1
    assert size(tmp_path / "parcel") < 0.7 * whole + 2000
    found = items(tmp_path / "parcel", "train")
    assert read_still(found[0].path).shape[0] == round(560 * factor)


def test_what_cannot_fit_is_said(media: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"do not fit into 0\.01 MB"):
        make_parcel(media, tmp_path / "parcel", 0.01)
