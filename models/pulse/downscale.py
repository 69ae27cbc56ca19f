"""PULSE's downscale operator D: antialiased bicubic by a whole factor. Differentiable; knows no banks or losses.

Not MATLAB's `imresize` (models/degradation/matlab.py): the taps are centred alike, but borders are reflected without
the edge sample, and an odd factor pads one sample fewer before than after.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

A = -0.5  # of the cubic convolution kernel (Keys, 1981)


def bicubic_taps(factor: int) -> Tensor:
    """(4·factor,) float32 taps, sum 1: the cubic kernel stretched by `factor`, sampled at the centres of pixels."""
    if factor < 1:
        raise ValueError(f"the factor of a downscale must be a whole number from 1 on, not {factor}")
    x = ((torch.arange(4 * factor, dtype=torch.float64) - 2 * factor + 0.5) / factor).abs()
    near = (A + 2) * x**3 - (A + 3) * x**2 + 1
    far = A * x**3 - 5 * A * x**2 + 8 * A * x - 4 * A
    taps = torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
    return (taps / taps.sum()).float()


def downscale(images: Tensor, factor: int) -> Tensor:
    """images (N, C, H, W) -> (N, C, H/factor, W/factor), same dtype and range (overshoot aside); not clamped.

    Vertical first, then horizontal. Raises ValueError where the factor does not divide both sides, or leaves fewer than
    two pixels of one (there is nothing to reflect).
    """
    _, c, height, width = images.shape
    if height % factor or width % factor or min(height, width) < 2 * factor:
        raise ValueError(
            f"a picture of {width}x{height} cannot be downscaled by {factor}: whole results of 2 pixels on"
        )
    taps = bicubic_taps(factor).to(images).expand(c, 1, -1)  # (C, 1, 4·factor)
    before = 3 * factor // 2
    after = 3 * factor - before
    x = F.pad(images, (0, 0, before, after), mode="reflect")
    x = F.conv2d(x, taps[..., None], stride=(factor, 1), groups=c)
    x = F.pad(x, (before, after, 0, 0), mode="reflect")
    return F.conv2d(x, taps[:, :, None], stride=(1, factor), groups=c)
