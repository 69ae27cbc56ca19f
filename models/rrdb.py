"""RRDB features: residual-in-residual dense blocks, as ESRGAN and GLEAN's encoder use them.

Source: Wang et al., "ESRGAN" (2018). Parameter names are those of mmagic. Knows nothing of images or scales.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROWTH = 32  # channels each dense convolution adds
RESIDUAL = 0.2  # weight of every residual
SLOPE = 0.2


class DenseBlock(nn.Module):
    """(N, F, h, w) -> same; each convolution sees the input and all results before it."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(channels + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(channels + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(channels + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(channels + 4 * growth, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, F.leaky_relu(conv(seen), SLOPE)), dim=1)
        out: Tensor = self.conv5(seen)  # no activation
        return out * RESIDUAL + x


class Rrdb(nn.Module):
    """Three dense blocks in series with a residual around them; (N, F, h, w) -> same."""

    def __init__(self, channels: int, growth: int = GROWTH) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(channels, growth)
        self.rdb2 = DenseBlock(channels, growth)
        self.rdb3 = DenseBlock(channels, growth)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.rdb3(self.rdb2(self.rdb1(x)))
        return out * RESIDUAL + x


class RrdbFeatures(nn.Module):
    """(N, images, h, w) -> (N, F, h, w): a convolution, then `blocks` RRDBs and a convolution as a residual.

    growth: channels each dense convolution adds; 32 in ESRGAN and GLEAN.
    """

    def __init__(self, image_channels: int, channels: int, blocks: int, growth: int = GROWTH) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(image_channels, channels, 3, padding=1)
        self.body = nn.Sequential(*(Rrdb(channels, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        shallow: Tensor = self.conv_first(x)
        deep: Tensor = self.conv_body(self.body(shallow))
        return shallow + deep
