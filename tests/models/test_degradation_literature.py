"""The degradations of the literature: reproducible, of the right size, doing what their tables say."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from models.degradation import classical, glean_blind, second_order
from models.degradation.classical import BLURRED, NOISY, Classical
from models.degradation.glean_blind import GleanBlind
from models.degradation.kernel_mix import KernelMix
from models.degradation.kernels import filter2d, gaussian, unsharp
from models.degradation.matlab import imresize
from models.degradation.rescale import rescale, rescale_by
from models.degradation.second_order import Round, SecondOrder
from models.degradation.surveillance import to_bytes, to_float

SEEDED = {
    "classical-noisy": lambda image, scale, seed: classical.degrade(image, scale, seed, parameters=NOISY),
    "glean-blind": glean_blind.degrade,
    "second-order": second_order.degrade,
}
SHARP_KERNELS = KernelMix(sizes=(7,), sigma=(0.1, 0.1))


def scene(height: int = 128, width: int = 160) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    image = np.stack([60 + x, 220 - y, 90 + (x + y) // 2], axis=-1)
    image[30:80, 40:100] = 30
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", SEEDED)
def test_equal_seeds_give_equal_bytes_and_others_do_not(name: str) -> None:
    degrade: Callable[..., np.ndarray] = SEEDED[name]
    image = scene()
    first, again, other = (degrade(image, 4, seed) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(image, scene())


@pytest.mark.parametrize("name", SEEDED)
def test_low_pictures_have_the_size_and_mostly_the_level_of_the_sharp_one(name: str) -> None:
    degrade: Callable[..., np.ndarray] = SEEDED[name]
    differences = []
    for seed in range(12):
        low = degrade(scene(131, 163), 4, seed)
        assert low.shape == (32, 40, 3)
        assert low.dtype == np.uint8
        differences.append(float(low.mean()) - float(scene().mean()))
    assert abs(np.mean(differences)) < 6


@pytest.mark.parametrize("name", SEEDED)
def test_pictures_smaller_than_the_kernel_are_degraded_too(name: str) -> None:
    assert SEEDED[name](scene(16, 24), 8, 3).shape == (2, 3, 3)


def test_classical_bicubic_is_matlabs_rounded_to_eight_bits() -> None:
    low = classical.degrade(scene(), 4, 0)
    assert np.array_equal(low, to_bytes(imresize(to_float(scene()), Fraction(1, 4))))


def test_classical_blur_is_a_gaussian_of_seven_pixels_then_every_third_pixel() -> None:
    low = classical.degrade(scene(), 3, 0, parameters=BLURRED)
    blurred = to_bytes(filter2d(to_float(scene()[:126, :159]), gaussian(7, 1.6, 1.6, 0)))
    assert np.array_equal(low, blurred[::3, ::3])


def test_classical_noise_has_thirty_levels() -> None:
    flat = np.full((256, 256, 3), 128, np.uint8)
    low = classical.degrade(flat, 2, 1, parameters=NOISY)
    assert abs(low.std() - 30) < 0.7


def test_an_unknown_shrinking_is_refused() -> None:
    with pytest.raises(ValueError, match="'nearest'"):
        classical.degrade(scene(), 2, 0, parameters=Classical(shrinking="nearest"))


def test_glean_without_blur_loss_or_noise_is_the_picture_shrunk_by_area() -> None:
    mild = GleanBlind(kernels=SHARP_KERNELS, factor=(1, 1), noise=(0, 0), jpeg_quality=(100, 100))
    low = glean_blind.degrade(scene(), 8, 0, parameters=mild)
    area = rescale(to_float(scene()), 16, 20, "area") * 255
    assert np.abs(low - area).max() < 3


def test_glean_destroys_what_is_finer_than_its_factor() -> None:
    fine = np.zeros((256, 256, 3), np.uint8)
    fine[:, ::16] = fine[:, 1::16] = 255
    coarse = GleanBlind(factor=(1 / 32, 1 / 32), noise=(0, 0), jpeg_quality=(50, 50))
    assert glean_blind.degrade(fine, 4, 1).shape == (64, 64, 3)
    kept = glean_blind.degrade(fine, 4, 1, parameters=replace(coarse, kernels=SHARP_KERNELS, factor=(1, 1)))
    lost = glean_blind.degrade(fine, 4, 1, parameters=coarse)
    assert kept.std() > 40
    assert lost.std() < 25


def quiet(order: Round) -> Round:
    return replace(order, blur=0, enlarge=0, shrink=0, gaussian=1, sigma=(0, 0), jpeg_quality=(100, 100))


def test_second_order_with_every_step_off_only_resizes() -> None:
    off = SecondOrder(first=quiet(Round()), second=quiet(Round()), final_sinc=0, sharpen=False)
    flat_edges = np.repeat(np.repeat(scene(32, 40), 4, axis=0), 4, axis=1)
    found = {seed: second_order.degrade(flat_edges, 4, seed, parameters=off) for seed in range(4)}
    for low in found.values():  # whichever filter is drawn, and JPEG's chroma at half size
        assert np.abs(low[2:-2, 2:-2].astype(int).mean() - scene(32, 40)[2:-2, 2:-2].mean()) < 1
        assert np.median(np.abs(low.astype(int) - scene(32, 40))) <= 2


def test_second_order_sharpens_first_if_asked() -> None:
    off = SecondOrder(first=quiet(Round()), second=quiet(Round()), final_sinc=0, sharpen=False)
    on = replace(off, sharpen=True)
    image = scene()
    sharp = to_bytes(unsharp(to_float(image)))
    for seed in range(3):
        difference = second_order.degrade(image, 2, seed, parameters=on).astype(int) - second_order.degrade(
            sharp, 2, seed, parameters=off
        )
        assert np.abs(difference).max() <= 2
    assert np.abs(sharp.astype(int) - image).max() > 5


def test_second_order_defaults_are_those_of_the_paper() -> None:
    first, second = second_order.DEFAULT.first, second_order.DEFAULT.second
    assert (first.blur, second.blur) == (1, 0.8)
    assert (first.kernels.sigma, second.kernels.sigma) == ((0.2, 3.0), (0.2, 1.5))
    assert (first.factor, second.factor) == ((0.15, 1.5), (0.3, 1.2))
    assert (second.enlarge, second.shrink) == (0.3, 0.4)
    assert (first.sigma, second.sigma) == ((1, 30), (1, 25))
    assert (first.poisson, second.poisson) == ((0.05, 3), (0.05, 2.5))
    assert sum((*first.kernels.gaussian, *first.kernels.generalised, *first.kernels.plateau)) == pytest.approx(1)


def test_rescaling_refuses_unknown_filters_and_empty_sizes() -> None:
    picture = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(ValueError, match="lanczos"):
        rescale(picture, 2, 2, "lanczos")
    with pytest.raises(ValueError, match="1x1"):
        rescale(picture, 0, 2, "area")
    assert rescale_by(picture, 0.01, "area").shape == (1, 1, 3)
