"""ESPCN, the network of Shi et al., "Real-Time Single Image and Video Super-Resolution" (CVPR 2016), in RGB.

It works at low resolution and shuffles channels into pixels at the end. Knows nothing of weights files or devices.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

RADIUS = 4  # low-resolution pixels an output depends on, each way: 2 + 1 + 1


class Espcn(nn.Module):
    """(N, C, h, w) in [0, 1] -> (N, C, r·h, r·w), not clamped. channels: 3 for RGB, 1 for luma alone, as published.

    conv 5x5-64 tanh, conv 3x3-32 tanh, conv 3x3-Cr², pixel shuffle; zero padding, so the outermost `RADIUS` input
    pixels of a tile give output that is not to be trusted. There is no skip connection: levels and colours are learned.
    """

    def __init__(self, scale: int, channels: int = 3) -> None:
        super().__init__()
        if scale < 2:
            raise ValueError(f"ESPCN enlarges by 2 or more, not by {scale}")
        self.scale = scale
        self.first = nn.Conv2d(channels, 64, 5, padding=2)
        self.second = nn.Conv2d(64, 32, 3, padding=1)
        self.last = nn.Conv2d(32, channels * scale * scale, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x))
        x = torch.tanh(self.second(x))
        out: Tensor = self.shuffle(self.last(x))
        return out
