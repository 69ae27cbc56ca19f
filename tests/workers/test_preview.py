"""A dry run's pictures: PNGs of the result's size, exactly grey where the source is."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.workers.test_report import CLIP, OUTPUT
from workers.preview import _Pictures, _write_png, as_shown


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("grey", [False, True])
def test_pictures_keep_their_pixels(dtype: str, grey: bool, tmp_path: Path) -> None:
    top = int(np.iinfo(dtype).max)
    image = np.random.default_rng(1).integers(0, top, (32, 48, 3)).astype(dtype)
    pictures = _Pictures(replace(OUTPUT, width=48, height=32))
    pictures.write(image, 0, grey=grey)
    expected = np.rint(image.mean(axis=2, keepdims=True)).astype(dtype).repeat(3, axis=2) if grey else image.copy()
    image[...] = 0  # the canvas goes on
    _write_png(tmp_path / "0-after.png", pictures.taken[0])
    read = cv2.imread(str(tmp_path / "0-after.png"), cv2.IMREAD_UNCHANGED)
    assert read.dtype == dtype
    assert np.array_equal(read[..., ::-1], expected)
    assert [path.name for path in tmp_path.iterdir()] == ["0-after.png"]


def test_pictures_have_the_results_size() -> None:
    pictures = _Pictures(replace(OUTPUT, width=40, height=20))
    pictures.write(np.full((32, 64, 3), 99, np.uint8), 0)
    assert pictures.taken[0].shape == (20, 40, 3)
    assert (pictures.taken[0] == 99).all()


def test_pictures_are_turned_and_stretched_as_players_do() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, 30:] = 200  # bright at the right
    turned = as_shown(image, replace(CLIP, rotation=90))
    assert turned.shape == (40, 20, 3)
    assert turned[:10].min() == 200, "turned counter-clockwise, the right side is up"
    assert as_shown(image, replace(CLIP, sample_aspect_ratio=Fraction(3, 2))).shape == (20, 60, 3)
