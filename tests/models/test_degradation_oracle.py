"""Degradation operators against the reference projects' own numbers (BasicSR); skipped where these are absent."""

import json
import math
import zlib
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.degradation.jpeg_model import jpeg_model
from models.degradation.kernels import filter2d, gaussian, generalised_gaussian, pad, plateau, sinc, unsharp
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


THETA = 0.7
KERNELS = {
    "kernel_iso_21_s2": gaussian(21, 2, 2, 0),
    "kernel_aniso_21": gaussian(21, 2.5, 0.8, THETA),
    "kernel_gen_iso_15_b0.7": generalised_gaussian(15, 1.5, 1.5, 0, 0.7),
    "kernel_gen_aniso_15_b2.5": generalised_gaussian(15, 2, 1, THETA, 2.5),
    "kernel_plateau_iso_13_b1.5": plateau(13, 1.8, 1.8, 0, 1.5),
    "kernel_plateau_aniso_13_b2": plateau(13, 2.2, 0.9, THETA, 2),
    "kernel_sinc_21_pi2": sinc(21, math.pi / 2),
    "kernel_sinc_7_pad21": pad(sinc(7, math.pi / 3), 21),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_those_of_the_reference(name: str) -> None:
    assert_close(KERNELS[name], name, 2e-5)


def test_filtering_gives_the_reference_numbers() -> None:
    picture = uniform("usm_img", (1, 3, 64, 72))[0].transpose(1, 2, 0)
    assert_close(filter2d(picture, KERNELS["kernel_aniso_21"]).transpose(2, 0, 1)[None], "filter2D_aniso21", 2e-5)


def test_unsharp_masking_gives_the_reference_numbers() -> None:
    picture = uniform("usm_img", (1, 3, 64, 72))[0].transpose(1, 2, 0)
    assert_close(unsharp(picture).transpose(2, 0, 1)[None], "usm_sharp", 2e-5)


@pytest.mark.parametrize("quality", [30, 50, 75, 95])
def test_the_jpeg_model_gives_the_reference_numbers(quality: int) -> None:
    picture = uniform("jpeg_img", (1, 3, 24, 40))[0].transpose(1, 2, 0)
    assert_close(jpeg_model(picture, quality).transpose(2, 0, 1)[None], f"jpeg_q{quality}", 1e-3)
