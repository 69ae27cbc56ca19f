"""Drawing kernels: from the shapes, sizes and widths that the mix names, and from no others."""

import math

import numpy as np
import pytest

from models.degradation.kernel_mix import KernelMix, draw_kernel, draw_sinc


def spread(kernel: np.ndarray) -> np.ndarray:
    """Eigenvalues of the second moments, small first."""
    radius = kernel.shape[0] // 2
    ys, xs = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    moments = [[(kernel * a * b).sum() for a in (xs, ys)] for b in (xs, ys)]
    return np.linalg.eigvalsh(np.array(moments))


def test_isotropic_and_anisotropic_gaussians_come_in_their_shares() -> None:
    rng, mix = np.random.default_rng(1), KernelMix(sizes=(31,), sigma=(1.0, 3.0), gaussian=(0.75, 0.25))
    small_large = np.array([spread(draw_kernel(rng, mix)) for _ in range(400)])
    round_ones = np.isclose(small_large[:, 0], small_large[:, 1], rtol=1e-6)
    assert 0.68 < round_ones.mean() < 0.82
    assert 0.9 < np.sqrt(small_large[:, 0].min()) < np.sqrt(small_large[:, 1].max()) < 3.05


@pytest.mark.parametrize("family", ["gaussian", "generalised", "plateau"])
def test_sizes_are_drawn_and_padded_to_the_largest(family: str) -> None:
    shares = {"gaussian": (0.0, 0.0), family: (0.5, 0.5)}
    mix = KernelMix(sizes=(7, 13, 21), sigma=(4.0, 5.0), beta_generalised=(0.5, 1.5), **shares)
    rng = np.random.default_rng(2)
    widths = set()
    for _ in range(60):
        kernel = draw_kernel(rng, mix)
        assert kernel.shape == (21, 21)
        assert math.isclose(kernel.sum(), 1, abs_tol=1e-9)
        widths.add(int(np.count_nonzero(kernel[10])))
    assert widths == {7, 13, 21}


def test_betas_fall_on_both_sides_of_one_equally_often() -> None:
    mix = KernelMix(sizes=(21,), sigma=(4.0, 4.0), gaussian=(0.0, 0.0), generalised=(1.0, 0.0))
    rng = np.random.default_rng(3)
    drops = np.array([kernel[10, 12] / kernel[10, 10] for kernel in (draw_kernel(rng, mix) for _ in range(300))])
    betas = np.log(-2 * np.log(drops)) / np.log(0.25)
    assert 0.42 < (betas < 1).mean() < 0.58
    assert betas.min() >= 0.5 - 1e-9
    assert 3 < betas.max() <= 4 + 1e-9


def test_sincs_keep_to_the_cut_off_of_their_size() -> None:
    rng = np.random.default_rng(4)
    for sizes, lowest in (((7, 9, 11), math.pi / 3), ((13, 21), math.pi / 5)):
        for _ in range(40):
            kernel = draw_sinc(rng, sizes, math.pi / 3, math.pi / 5)
            assert kernel.shape == (max(sizes), max(sizes))
            # Near the centre omega·J1(omega·r)/(2·pi·r) falls the faster the higher the cut-off.
            centre = max(sizes) // 2
            ratio = kernel[centre, centre + 1] / kernel[centre, centre]
            assert ratio < 1 - lowest**2 / 8 + lowest**4 / 192 + 1e-3  # 2·J1(omega)/omega at the lowest cut-off
