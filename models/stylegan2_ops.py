"""The layers StyleGAN2 is made of: equalised linear, FIR resampling, modulated convolution, noise, to-RGB.

Written from the formulas of Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020).
Parameter names are those of mmagic's checkpoints. Knows nothing of whole networks, files or other layouts.
"""

from __future__ import annotations

import math
from enum import StrEnum

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of every leaky ReLU
GAIN = math.sqrt(2.0)  # after every leaky ReLU of mapping and synthesis, so that variance is kept
DEMODULATION_EPSILON = 1e-8


class PixelNormForm(StrEnum):
    """How the latent is normalised: implementations put the epsilon in different places."""

    MMAGIC = "mmagic"  # x / (|x| / sqrt(C) + 1e-6)
    ORIGINAL = "original"  # x · rsqrt(mean(x²) + 1e-8), of rosinality and NVlabs


def pixel_norm(x: Tensor, form: PixelNormForm) -> Tensor:
    """x (N, C) scaled to a root mean square of 1 over C, same shape and dtype."""
    if form is PixelNormForm.MMAGIC:
        length: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return x / (length / math.sqrt(x.shape[1]) + 1e-6)
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


def fir_kernel() -> Tensor:
    """(4, 4) float32: outer([1, 3, 3, 1]) / 16. Its sum is 4, which makes up for the zeros put in by upsampling."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / 16.0


def upfirdn(x: Tensor, kernel: Tensor, *, up: int = 1, down: int = 1, pad: tuple[int, int, int, int]) -> Tensor:
    """Put zeros between samples, pad, convolve every channel with one kernel, keep every `down`-th sample.

    x (N, C, H, W), kernel (kh, kw) -> (N, C, H', W') with H' = (H·up + top + bottom - kh) // down + 1.
    up: each sample is followed by up - 1 zeros. pad: left, right, top, bottom, in samples after `up`; negative crops.
    A true convolution: the kernel is flipped.
    """
    n, c, h, w = x.shape
    if up > 1:
        spread = x.new_zeros(n, c, h, up, w, up)
        spread[:, :, :, 0, :, 0] = x
        x = spread.view(n, c, h * up, w * up)
    left, right, top, bottom = pad
    even = left == right >= 0 and top == bottom >= 0  # then the convolution pads, and no copy is made
    if not even:
        x = F.pad(x, pad)
    weight = kernel.flip(0, 1).to(x.dtype).expand(c, 1, *kernel.shape)
    return F.conv2d(x, weight, stride=down, padding=(top, left) if even else 0, groups=c)


def upsample(x: Tensor, kernel: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, 2H, 2W); kernel (4, 4) with sum 4."""
    return upfirdn(x, kernel, up=2, pad=(2, 1, 2, 1))


class Fir(nn.Module):
    """Only a place for a `kernel` buffer, which checkpoints carry: (4, 4), sum 4."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", fir_kernel())


class EqualWeight(nn.Module):
    """Only a place for `weight_orig` (out, in) of an equalised linear layer, unit normal at the start."""

    def __init__(self, inputs: int, outputs: int, learning_rate: float) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.randn(outputs, inputs) / learning_rate)


class EqualLinear(nn.Module):
    """Linear layer whose weights are scaled when used ("equalised learning rate"); (N, in) -> (N, out).

    learning_rate scales weights and biases alike; `activate` adds leaky ReLU and its gain.
    """

    def __init__(
        self, inputs: int, outputs: int, *, bias: float = 0.0, learning_rate: float = 1.0, activate: bool = False
    ) -> None:
        super().__init__()
        self.scale = learning_rate / math.sqrt(inputs)
        self.learning_rate = learning_rate
        self.activate = activate
        self.linear = EqualWeight(inputs, outputs, learning_rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.linear.weight_orig * self.scale, self.bias * self.learning_rate)
        return F.leaky_relu(x, SLOPE) * GAIN if self.activate else x


class PixelNorm(nn.Module):
    """`pixel_norm` as the first layer of a mapping network."""

    def __init__(self, form: PixelNormForm) -> None:
        super().__init__()
        self.form = form

    def forward(self, x: Tensor) -> Tensor:
        return pixel_norm(x, self.form)


class ModulatedConv(nn.Module):
    """Convolution whose weights are scaled per sample by a style, then renormalised.

    x (N, C_in, H, W), style (N, D) -> (N, C_out, k·H, k·W) with k = 2 if `upsample`. No bias.
    The style scales the activations and the norm scales the result, so that all samples share one kernel; this equals
    weights made per sample up to rounding, which a test checks. Source: "weight demodulation", section 2.2 there.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        style_dim: int,
        *,
        demodulate: bool = True,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.demodulate = demodulate
        self.scale = 1.0 / math.sqrt(inputs * kernel * kernel)
        self.padding = kernel // 2
        self.weight_orig = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel))
        self.style_modulation = EqualLinear(style_dim, inputs, bias=1.0)
        self.blur = Fir() if upsample else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scales: Tensor = self.style_modulation(style)  # (N, C_in)
        weight = self.weight_orig[0] * self.scale  # (C_out, C_in, k, k)
        x = x * scales[:, :, None, None]
        if self.blur is None:
            x = F.conv2d(x, weight, padding=self.padding)
        else:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # r -> 2r + 1
            x = upfirdn(x, self.blur.kernel, pad=(1, 1, 1, 1))  # -> 2r
        if self.demodulate:
            energy = scales.square() @ weight.square().sum(dim=(2, 3)).t()  # (N, C_out)
            x = x * torch.rsqrt(energy + DEMODULATION_EPSILON)[:, :, None, None]
        return x


class NoiseInjector(nn.Module):
    """Only a place for the strength of the noise, `weight` (1,)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class Activation(nn.Module):
    """Leaky ReLU of x plus a bias per channel, times its gain; x (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias[:, None, None], SLOPE) * GAIN


class StyleConv(nn.Module):
    """3x3 modulated convolution, noise, bias, activation; (N, C_in, r, r) -> (N, C_out, r or 2r, ...).

    clamp: the result is kept within ± this, after the gain (NVlabs networks trained in half precision).
    """

    def __init__(
        self, inputs: int, outputs: int, style_dim: int, *, upsample: bool = False, clamp: float | None = None
    ) -> None:
        super().__init__()
        self.clamp = clamp
        self.conv = ModulatedConv(inputs, outputs, 3, style_dim, upsample=upsample)
        self.noise_injector = NoiseInjector()
        self.activate = Activation(outputs)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        """noise (1 or N, 1, r_out, r_out), or None for no noise."""
        x = self.conv(x, style)
        if noise is not None:
            x = x + self.noise_injector.weight * noise
        x = self.activate(x)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class ToRgb(nn.Module):
    """Picture of a feature: modulated 1x1 convolution, plus the smaller picture so far, enlarged twice.

    x (N, C, r, r), skip (N, 3, r/2, r/2) or None -> (N, 3, r, r), unclamped unless `clamp` is given.
    """

    def __init__(self, inputs: int, style_dim: int, *, upsample: bool, clamp: float | None = None) -> None:
        super().__init__()
        self.clamp = clamp
        self.conv = ModulatedConv(inputs, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = Fir() if upsample else None

    def forward(self, x: Tensor, style: Tensor, skip: Tensor | None = None) -> Tensor:
        x = self.conv(x, style) + self.bias
        if self.clamp is not None:
            x = x.clamp(-self.clamp, self.clamp)
        if skip is None:
            return x
        if self.upsample is None:
            raise ValueError("this to-RGB layer is the first one and takes no smaller picture")
        return x + upsample(skip, self.upsample.kernel)
