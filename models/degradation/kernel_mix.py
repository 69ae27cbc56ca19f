"""A family of blur kernels to draw from: which shapes, how often, how wide. Knows nothing of profiles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.degradation.kernels import Kernel, generalised_gaussian, pad, plateau, sinc

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class KernelMix:
    """Sizes and widths are in pixels of the picture that is blurred. Shares need not sum to 1: they are normalised."""

    sizes: tuple[int, ...]  # odd, equally likely
    sigma: Range  # of either axis
    gaussian: Range = (0.5, 0.5)  # shares of the isotropic and the anisotropic form; likewise below
    generalised: Range = (0.0, 0.0)
    plateau: Range = (0.0, 0.0)
    beta_generalised: Range = (0.5, 4.0)  # must contain 1; drawn below and above 1 equally often
    beta_plateau: Range = (1.0, 2.0)


def draw_kernel(rng: np.random.Generator, mix: KernelMix) -> Kernel:
    """A kernel of the mix, padded to its largest size. Anisotropic axes are independent, the angle is any."""
    shares = np.array([*mix.gaussian, *mix.generalised, *mix.plateau])
    kind = int(rng.choice(6, p=shares / shares.sum()))
    size = draw_size(rng, mix.sizes)
    sigma_x = float(rng.uniform(*mix.sigma))
    sigma_y, angle = sigma_x, 0.0
    if kind % 2:
        sigma_y, angle = float(rng.uniform(*mix.sigma)), float(rng.uniform(-math.pi, math.pi))
    if kind < 2:
        kernel = generalised_gaussian(size, sigma_x, sigma_y, angle, 1.0)
    elif kind < 4:
        kernel = generalised_gaussian(size, sigma_x, sigma_y, angle, _draw_beta(rng, mix.beta_generalised))
    else:
        kernel = plateau(size, sigma_x, sigma_y, angle, _draw_beta(rng, mix.beta_plateau))
    return pad(kernel, max(mix.sizes))


def draw_sinc(rng: np.random.Generator, sizes: tuple[int, ...], lowest: float, lowest_large: float) -> Kernel:
    """A sinc padded to the largest size, its cut-off drawn up to pi.

    lowest: the lower end of the cut-off for kernels smaller than 13; lowest_large: for the others.
    """
    size = draw_size(rng, sizes)
    return pad(sinc(size, float(rng.uniform(lowest if size < 13 else lowest_large, math.pi))), max(sizes))


def draw_size(rng: np.random.Generator, sizes: tuple[int, ...]) -> int:
    return sizes[int(rng.integers(len(sizes)))]


def _draw_beta(rng: np.random.Generator, limits: Range) -> float:
    low, high = limits
    return float(rng.uniform(low, 1) if rng.random() < 0.5 else rng.uniform(1, high))
