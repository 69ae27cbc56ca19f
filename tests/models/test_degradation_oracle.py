"""Degradation operators against the reference projects' own numbers (BasicSR); skipped where these are absent."""

import json
import zlib
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.degradation.matlab import imresize

PUBLIC = Path(__file__).resolve().parents[3] / "shared" / "oracle" / "public"

pytestmark = pytest.mark.skipif(not (PUBLIC / "micro.npz").exists(), reason="the oracle vectors are not here")


@cache
def vectors() -> dict[str, NDArray[np.float64]]:
    with np.load(PUBLIC / "micro.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def uniform(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    salt = json.loads((PUBLIC / "micro.json").read_text())["salt"]
    rng = np.random.Generator(np.random.PCG64(zlib.crc32((salt + name).encode())))
    return rng.random(shape).astype(np.float32)


def assert_close(found: NDArray[np.float64] | NDArray[np.float32], name: str, tolerance: float) -> None:
    wanted = vectors()[name]
    assert found.shape == wanted.shape
    error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    assert error <= tolerance, f"{name}: {error:.2e} of its largest value"


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("imresize_d2", Fraction(1, 2)),
        ("imresize_d4", Fraction(1, 4)),
        ("imresize_d8", Fraction(1, 8)),
        ("imresize_d16", Fraction(1, 16)),
        ("imresize_u2", Fraction(2)),
        ("imresize_d3o4", Fraction(3, 4)),
    ],
)
def test_imresize_gives_the_reference_numbers(name: str, scale: Fraction) -> None:
    assert_close(imresize(uniform("imresize_img", (64, 96, 3)), scale), name, 1e-5)
