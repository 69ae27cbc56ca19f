"""How far the edges of an enlargement are from the truth's, as a loss: gradients that are too weak or out of place.

The pixel loss alone draws edges soft where noise and codec leave their place in doubt; seen as gradients that costs
much, as pixels little. Source: Xue et al., "Gradient Magnitude Similarity Deviation" (2014), section II. Knows nothing
of networks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
STEADY = 170 / 255**2  # the paper's c, for luma in [0, 1]
TINY = 1e-8  # keeps the root's slope finite on flat places


def structure_loss(ours: Tensor, truth: Tensor) -> Tensor:
    """Mean of 1 - GMS plus the deviation of GMS over each picture (what the paper calls GMSD); a scalar, 0 is best.

    ours, truth: (N, 3, H, W) in [0, 1], compared as the paper does: luma, averaged down by two, Prewitt's gradients.
    """
    similar = gradient_similarity(ours, truth).flatten(1)
    return (1 - similar).mean() + similar.std(dim=1).mean()


def gradient_similarity(ours: Tensor, truth: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] -> GMS, (N, 1, H//2 - 2, W//2 - 2) in (0, 1]."""
    a, b = _gradients(ours), _gradients(truth)
    found: Tensor = (2 * a * b + STEADY) / (a * a + b * b + STEADY)
    return found


def _gradients(x: Tensor) -> Tensor:
    luma = F.avg_pool2d((x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True), 2)
    across = x.new_tensor([[1.0, 0.0, -1.0]] * 3) / 3
    slopes = F.conv2d(luma, torch.stack([across, across.T])[:, None])
    return (slopes.square().sum(1, keepdim=True) + TINY).sqrt()
