"""A Gaussian fitted to a bank's latents, in which the search walks: unit normal variables stand for ordinary latents.

StyleGAN's w comes out of a leaky ReLU of slope 0.2; before it the values are near to normal (PULSE, section 3). The
ReLU is undone, each dimension's mean and deviation are measured, and the fit leads back through it. A leaky ReLU
commutes with positive factors, so StyleGAN2's gain of √2 needs nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.stylegan2 import StyleGan2
from models.stylegan2_ops import SLOPE

SAMPLES = 1_000_000  # the reference's; a deviation is then known to 0.07 %
CHUNK = 10_000  # samples mapped at once: 20 MB a layer of 512
SEED = 0


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Mean and deviation of each dimension of a bank's latents, before their last leaky ReLU."""

    mean: Tensor  # (D,) float32
    std: Tensor  # (D,) float32

    def latents(self, v: Tensor) -> Tensor:
        """v (N, K, D), unit normal -> latents of the bank, same shape."""
        return F.leaky_relu(v * self.std + self.mean, SLOPE)


@torch.no_grad()
def fit(bank: StyleGan2, samples: int = SAMPLES, seed: int = SEED) -> Gaussian:
    """Measured on `samples` random z, drawn on the CPU so that every device sees the same ones."""
    if samples < 2:
        raise ValueError(f"a Gaussian is fitted to two samples or more, not {samples}")
    like = bank.constant_input.input
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(bank.sizes.style_dim, dtype=torch.float64, device=like.device)
    squares = torch.zeros_like(total)
    for first in range(0, samples, CHUNK):
        z = torch.randn(min(CHUNK, samples - first), bank.sizes.latent_dim, generator=generator)
        before = F.leaky_relu(bank.map(z.to(like)), 1 / SLOPE).double()
        total += before.sum(dim=0)
        squares += before.square().sum(dim=0)
    mean = total / samples
    variance = ((squares - samples * mean.square()) / (samples - 1)).clamp(min=0)
    return Gaussian(mean.to(like.dtype), variance.sqrt().to(like.dtype))
