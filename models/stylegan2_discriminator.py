"""StyleGAN2's discriminator: residual blocks, blurred halving, the batch's standard deviation as a channel.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020). State keys are those of
mmagic's StyleGANv2Discriminator. Knows nothing of losses, files or how its pictures came to be.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.stylegan2 import SMALLEST, check_size
from models.stylegan2_ops import Activation, EqualLinear, fir_kernel, upfirdn

GROUP = 4  # pictures whose standard deviation is taken together
EPSILON = 1e-8


class Blur(nn.Module):
    """The FIR [1, 3, 3, 1] before every halving, sum 1; `pad` on all four sides. Carries the buffer `kernel` (4, 4)."""

    kernel: Tensor

    def __init__(self, pad: int) -> None:
        super().__init__()
        self.pad = pad
        self.register_buffer("kernel", fir_kernel() / 4)

    def forward(self, x: Tensor) -> Tensor:
        return upfirdn(x, self.kernel, pad=(self.pad,) * 4)


class WeightHolder(nn.Module):
    """Only a place for `weight_orig` (out, in, k, k) of an equalised convolution, unit normal at the start."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))


class EqualConv(nn.Module):
    """Convolution without bias whose weights are divided by sqrt(fan in) when used ("equalised learning rate")."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, pad: int = 0) -> None:
        super().__init__()
        self.scale = 1.0 / math.sqrt(inputs * kernel * kernel)
        self.stride, self.pad = stride, pad
        self.conv = WeightHolder(inputs, outputs, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.conv.weight_orig * self.scale, stride=self.stride, padding=self.pad)


class ConvDown(nn.Sequential):
    """Blur if `halve`, convolution, bias and leaky ReLU if `activate`: (N, C, r, r) -> (N, C_out, r or r/2, ...)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, halve: bool = False, activate: bool = True) -> None:
        layers: list[nn.Module] = []
        if halve:  # the blur's padding is the convolution's as well
            layers += [Blur((kernel + 1) // 2), EqualConv(inputs, outputs, kernel, stride=2)]
        else:
            layers.append(EqualConv(inputs, outputs, kernel, pad=kernel // 2))
        if activate:
            layers.append(Activation(outputs))
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """(N, C, r, r) -> (N, C_out, r/2, r/2); both branches are added and divided by sqrt 2, which keeps the variance."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = ConvDown(inputs, inputs, 3)
        self.conv2 = ConvDown(inputs, outputs, 3, halve=True)
        self.skip = ConvDown(inputs, outputs, 1, halve=True, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)
        return out


def with_deviation(x: Tensor, group: int = GROUP) -> Tensor:
    """x (N, C, h, w) -> (N, C + 1, h, w): the last channel is the mean standard deviation of the picture's group.

    Pictures i, i + N/G, i + 2N/G, ... form a group of G, the largest divisor of N up to `group`. "Minibatch standard
    deviation" of Karras et al., "Progressive Growing of GANs" (2018): a generator that repeats itself is found out.
    """
    n, c, h, w = x.shape
    together = max(size for size in range(1, min(group, n) + 1) if n % size == 0)
    groups = x.reshape(together, n // together, c, h, w)
    deviation = (groups.var(dim=0, unbiased=False) + EPSILON).sqrt().mean(dim=(1, 2, 3))  # (N/G,)
    return torch.cat((x, deviation.repeat(together).view(n, 1, 1, 1).expand(n, 1, h, w)), dim=1)


class StyleGan2Discriminator(nn.Module):
    """(N, 3, size, size) RGB in [-1, 1] -> (N, 1) logits: above 0 where it takes the picture for a real one.

    channels: of the features at 4, 8, ..., size pixels, as `StyleGan2Sizes.channels`. Raises ValueError where their
    number gives no size from 8 to 1024.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.size = SMALLEST << (len(channels) - 1)
        check_size("the discriminator's input", self.size)
        if len(channels) < 2:
            raise ValueError("a discriminator needs the channels of two sizes at least, 4 and 8 pixels")
        falling = channels[::-1]
        self.convs = nn.Sequential(
            ConvDown(3, falling[0], 1),
            *(ResidualBlock(a, b) for a, b in pairwise(falling)),
        )
        last = channels[0]
        self.final_conv = nn.Sequential(*ConvDown(last + 1, last, 3))
        self.final_linear = nn.Sequential(
            EqualLinear(last * SMALLEST * SMALLEST, last, activate=True), EqualLinear(last, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.decide(self.look(x)[-1])

    def decide(self, last: Tensor) -> Tensor:
        """Logits (N, 1) from the last of what `look` gives, for those who want both."""
        logits: Tensor = self.final_linear(self.final_conv(with_deviation(last)).flatten(1))
        return logits

    def look(self, x: Tensor) -> list[Tensor]:
        """Features (N, C(r), r, r) of every size from `size` down to 4: what a perceptual loss compares."""
        wanted = (3, self.size, self.size)
        if x.ndim != 4 or x.shape[1:] != wanted:
            raise ValueError(f"pictures must be (N, {', '.join(map(str, wanted))}), not {tuple(x.shape)}")
        features: list[Tensor] = []
        for block in self.convs:
            x = block(x)
            features.append(x)
        return features
