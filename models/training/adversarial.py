"""What a generator and a discriminator are trained on, beyond any particular network. All take logits or gradients.

Sources: Goodfellow et al. (2014), the non-saturating loss; Mescheder et al. (2018), R1; Karras et al., StyleGAN2
(CVPR 2020), path length regularisation.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATH_DECAY = 0.01  # weight of the newest length in the running mean


def adam(network: nn.Module, rate: float, every: int) -> torch.optim.Adam:
    """Adam with beta (0, 0.99); rate and betas make up for the extra steps of a penalty every so many steps, 0: none.

    As in StyleGAN2 (appendix B, lazy regularisation).
    """
    share = every / (every + 1) if every else 1.0
    return torch.optim.Adam(network.parameters(), lr=rate * share, betas=(0.0, 0.99**share))


def step(optimiser: torch.optim.Adam, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def judge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Of the discriminator: logits of real pictures should rise, of made ones fall."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def maker_loss(fake: Tensor) -> Tensor:
    """Of the generator, non-saturating."""
    return F.softplus(-fake).mean()


def slope_penalty(logits: Tensor, pictures: Tensor) -> Tensor:
    """R1 without its weight: mean over pictures of the squared gradient of the logits; pictures require gradients."""
    (slope,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3)).mean()


def slope_weight(size: int, batch: int) -> float:
    """R1's weight from size and batch as StyleGAN2-ADA chooses it (Karras et al., 2020, appendix C)."""
    return 0.0002 * size**2 / batch


def path_lengths(pictures: Tensor, latents: Tensor, generator: torch.Generator) -> Tensor:
    """(N,): how far the picture moves for a step of the latents (N, K, D), along a random picture of unit variance."""
    height, width = pictures.shape[2:]
    noise = torch.randn(pictures.shape, generator=generator, device=pictures.device, dtype=pictures.dtype)
    aim = (pictures * noise / math.sqrt(height * width)).sum()
    (slope,) = torch.autograd.grad(aim, latents, create_graph=True)
    return slope.square().sum(dim=2).mean(dim=1).sqrt()


def path_penalty(lengths: Tensor, mean: float) -> tuple[Tensor, float]:
    """The penalty for lengths that differ from their running mean, and that mean moved on."""
    moved = mean + PATH_DECAY * (float(lengths.detach().mean()) - mean)
    return (lengths - moved).square().mean(), moved
