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


@dataclass(frozen=True, slots=True)
class KernelChoice:
    """One kernel as plain values; `make` computes it."""

    shape: str  # "gaussian", "generalised", "plateau" or "sinc"
    size: int
    padded: int  # the edge it is padded to
    sigma_x: float = 0.0
    sigma_y: float = 0.0
    angle: float = 0.0
    beta: float = 1.0
    omega: float = 0.0  # cut-off of a sinc, radians a pixel

    def make(self) -> Kernel:
        axes = (self.size, self.sigma_x, self.sigma_y, self.angle, self.beta)
        if self.shape == "sinc":
            return pad(sinc(self.size, self.omega), self.padded)
        return pad(plateau(*axes) if self.shape == "plateau" else generalised_gaussian(*axes), self.padded)


def choose_kernel(rng: np.random.Generator, mix: KernelMix) -> KernelChoice:
    """A kernel of the mix, padded to its largest size. Anisotropic axes are independent, the angle is any."""
    shares = np.array([*mix.gaussian, *mix.generalised, *mix.plateau])
    kind = int(rng.choice(6, p=shares / shares.sum()))
    size = draw_size(rng, mix.sizes)
    sigma_x = float(rng.uniform(*mix.sigma))
    sigma_y, angle = sigma_x, 0.0
    if kind % 2:
        sigma_y, angle = float(rng.uniform(*mix.sigma)), float(rng.uniform(-math.pi, math.pi))
    shape, betas = (("gaussian", None), ("generalised", mix.beta_generalised), ("plateau", mix.beta_plateau))[kind // 2]
    beta = 1.0 if betas is None else _draw_beta(rng, betas)
    return KernelChoice(shape, size, max(mix.sizes), sigma_x, sigma_y, angle, beta)


def choose_sinc(rng: np.random.Generator, sizes: tuple[int, ...], lowest: float, lowest_large: float) -> KernelChoice:
    """A sinc padded to the largest size, its cut-off drawn up to pi.

    lowest: the lower end of the cut-off for kernels smaller than 13; lowest_large: for the others.
    """
    size = draw_size(rng, sizes)
    omega = float(rng.uniform(lowest if size < 13 else lowest_large, math.pi))
    return KernelChoice("sinc", size, max(sizes), omega=omega)


def draw_kernel(rng: np.random.Generator, mix: KernelMix) -> Kernel:
    """As `choose_kernel`, computed."""
    return choose_kernel(rng, mix).make()


def draw_sinc(rng: np.random.Generator, sizes: tuple[int, ...], lowest: float, lowest_large: float) -> Kernel:
    """As `choose_sinc`, computed."""
    return choose_sinc(rng, sizes, lowest, lowest_large).make()


def draw_size(rng: np.random.Generator, sizes: tuple[int, ...]) -> int:
    return sizes[int(rng.integers(len(sizes)))]


def _draw_beta(rng: np.random.Generator, limits: Range) -> float:
    low, high = limits
    return float(rng.uniform(low, 1) if rng.random() < 0.5 else rng.uniform(1, high))
