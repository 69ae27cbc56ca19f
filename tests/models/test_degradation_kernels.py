"""Kernels of super-resolution training: sums, symmetry, widths, rings; and the sharpening of targets."""

import math

import numpy as np
import pytest

from models.degradation.kernels import filter2d, gaussian, generalised_gaussian, pad, plateau, sinc, unsharp

SHAPES = {
    "gaussian": gaussian(21, 2.5, 0.8, 0.7),
    "peaked": generalised_gaussian(21, 2.0, 1.0, 0.7, 0.6),
    "flat": generalised_gaussian(21, 2.0, 1.0, 0.7, 3.0),
    "plateau": plateau(21, 2.0, 1.0, 0.7, 2.0),
    "sinc": sinc(21, 2.0),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_kernel_sums_to_one_and_is_symmetric_about_its_centre(name: str) -> None:
    kernel = SHAPES[name]
    assert kernel.shape == (21, 21)
    assert math.isclose(kernel.sum(), 1, abs_tol=1e-12)
    assert np.allclose(kernel, kernel[::-1, ::-1], atol=1e-15)


def test_a_gaussian_has_the_width_asked_for_along_its_angle() -> None:
    angle = 0.7
    ys, xs = np.mgrid[-20:21, -20:21]
    along = xs * math.cos(angle) + ys * math.sin(angle)
    across = -xs * math.sin(angle) + ys * math.cos(angle)
    kernel = gaussian(41, 3.0, 1.5, angle)
    assert math.isclose((kernel * along**2).sum(), 9, rel_tol=1e-3)
    assert math.isclose((kernel * across**2).sum(), 2.25, rel_tol=1e-3)


def test_beta_flattens_the_top() -> None:
    def drop(beta: float) -> float:
        kernel = generalised_gaussian(21, 4.0, 4.0, 0.0, beta)
        return float(kernel[10, 12] / kernel[10, 10])

    assert drop(0.5) < drop(1.0) < drop(4.0)
    assert math.isclose(drop(1.0), math.exp(-0.125), rel_tol=1e-9)


def test_a_plateau_is_half_as_high_one_sigma_out() -> None:
    kernel = plateau(21, 4.0, 2.0, 0.0, 1.7)
    assert math.isclose(kernel[10, 14], kernel[10, 10] / 2)
    assert math.isclose(kernel[12, 10], kernel[10, 10] / 2)


def test_a_sinc_passes_slow_waves_and_stops_fast_ones() -> None:
    x = np.arange(128, dtype=np.float32)

    def gain(frequency: float) -> float:
        wave = np.repeat(np.repeat(np.cos(frequency * x)[None, :, None], 64, axis=0), 3, axis=2)
        return float(np.abs(filter2d(wave, sinc(21, math.pi / 2)))[20:40, 20:100].max())

    assert gain(0.3) > 0.9
    assert gain(2.6) < 0.1


def test_a_sinc_leaves_rings_at_an_edge() -> None:
    step = np.zeros((48, 48, 3), np.float32)
    step[:, 24:] = 1
    rung = filter2d(step, sinc(21, math.pi / 3))
    assert rung.min() < -0.02
    assert rung.max() > 1.02


def test_padding_a_kernel_changes_nothing_in_the_picture() -> None:
    picture = np.random.default_rng(2).random((40, 44, 3), dtype=np.float32)
    kernel = gaussian(9, 2.0, 1.0, 0.3)
    assert np.allclose(filter2d(picture, kernel), filter2d(picture, pad(kernel, 21)), atol=1e-6)


def test_filtering_does_not_turn_the_kernel_and_mirrors_without_the_edge() -> None:
    shift = np.zeros((3, 3))
    shift[1, 2] = 1  # takes the right neighbour
    picture = np.arange(5, dtype=np.float32)[None, :, None].repeat(4, axis=0).repeat(3, axis=2)
    assert filter2d(picture, shift)[0, :, 0].tolist() == [1, 2, 3, 4, 3]


def test_unsharp_leaves_faint_texture_alone_and_steepens_edges() -> None:
    faint = np.full((64, 64, 3), 0.5, np.float32)
    faint[::2] += 0.02
    assert np.array_equal(unsharp(faint), faint)
    step = np.full((64, 64, 3), 0.3, np.float32)
    step[:, 32:] = 0.7
    sharp = unsharp(step)
    assert sharp[32, 33, 0] > 0.75
    assert sharp[32, 30, 0] < 0.25
    assert np.allclose(sharp[:, -3:], 0.7, atol=0.02)


def test_kernels_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        gaussian(20, 1, 1, 0)
    with pytest.raises(ValueError, match="positive"):
        plateau(21, 0, 1, 0, 1)
    with pytest.raises(ValueError, match="cut-off"):
        sinc(21, 4)
    with pytest.raises(ValueError, match="padded"):
        pad(gaussian(21, 1, 1, 0), 7)
