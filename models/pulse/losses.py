"""The losses of the search: pixels to be explained, and layers that should agree. Pure functions of tensors.

Source: Menon et al., "PULSE" (CVPR 2020), and the numbers of its published program.
"""

from __future__ import annotations

import torch
from torch import Tensor

GEOCROSS_SCALE = 512.0 / 8.0  # the reference's constants: its latents have 512 values; kept for any other number
NORM_EPSILON = 1e-9
L1_SCALE = 10.0


def squared_error(found: Tensor, wanted: Tensor) -> Tensor:
    """(N,) mean squared difference of each picture; found and wanted (N, C, h, w)."""
    return (found - wanted).square().mean(dim=(1, 2, 3))


def l2(found: Tensor, wanted: Tensor, eps: float) -> Tensor:
    """Mean squared differences, none below `eps`, summed over pictures: pixels that are explained pull no more."""
    return squared_error(found, wanted).clamp(min=eps).sum()


def l1(found: Tensor, wanted: Tensor, eps: float) -> Tensor:
    """10 times the mean absolute differences, none below `eps` before the 10, summed over pictures."""
    return L1_SCALE * (found - wanted).abs().mean(dim=(1, 2, 3)).clamp(min=eps).sum()


def geocross(latents: Tensor) -> Tensor:
    """Geodesic cross loss: mean squared angle between the latents of all pairs of layers, summed over pictures.

    latents (N, K, D) -> scalar; 0 where K is 1. Angles are 2·atan2(|x - y|, |x + y|), so scaled latents of one length
    are assumed, as on the sphere.
    """
    if latents.shape[1] == 1:
        return latents.new_zeros(())
    x, y = latents[:, :, None], latents[:, None, :]
    apart = ((x - y).square().sum(dim=-1) + NORM_EPSILON).sqrt()  # (N, K, K)
    along = ((x + y).square().sum(dim=-1) + NORM_EPSILON).sqrt()
    angles = 2 * torch.atan2(apart, along)
    return (angles.square() * GEOCROSS_SCALE).mean(dim=(1, 2)).sum()
