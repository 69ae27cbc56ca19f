"""A style convolution whose style never changes, as plain convolutions. Knows one layer, no network.

Modulation, demodulation and the activation's gain go into the weights, the bias into the last linear step, the noise
into a constant map: a static graph, as runtimes without StyleGAN2's layers want it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.stylegan2_ops import DEMODULATION_EPSILON, GAIN, SLOPE, StyleConv


class FoldedConv(nn.Module):
    """(N, C_in, r, r) -> (N, C_out, r or 2r, ...): a StyleConv's function for one fixed style."""

    noise: Tensor | None
    fir: Tensor | None

    def __init__(
        self, weight: Tensor, bias: Tensor, noise: Tensor | None, fir: Tensor | None, clamp: float | None
    ) -> None:
        """weight (C_out, C_in, 3, 3); bias (C_out,); noise (1, 1, r_out, r_out); fir (kh, kw) where it upsamples."""
        super().__init__()
        outputs, inputs = weight.shape[:2]
        self.clamp = clamp
        self.conv: nn.Conv2d | nn.ConvTranspose2d
        if fir is None:
            self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
            self.conv.weight = nn.Parameter(weight.contiguous())
            self.conv.bias = nn.Parameter(bias)
        else:
            self.conv = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, bias=False)
            self.conv.weight = nn.Parameter(weight.transpose(0, 1).contiguous())
            fir = fir.flip(0, 1).expand(outputs, 1, *fir.shape).contiguous()
            self.after = nn.Parameter(bias)  # the filter comes between the convolution and the bias
        self.register_buffer("fir", fir)
        self.register_buffer("noise", noise)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.fir is not None:
            x = F.conv2d(x, self.fir, self.after, padding=1, groups=x.shape[1])
        x = F.leaky_relu(x if self.noise is None else x + self.noise, SLOPE)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


@torch.no_grad()
def fold_style_conv(layer: StyleConv, style: Tensor, noise: Tensor | None) -> FoldedConv:
    """The layer for one style (D,) and one noise map (1, 1, r, r) or None.

    Computed in float64, kept in the layer's type. The gain after a leaky ReLU may go before it, since it is positive.
    """
    conv = layer.conv
    like = conv.weight_orig
    scales = F.linear(
        style.double(),
        conv.style_modulation.linear.weight_orig.double() * conv.style_modulation.scale,
        conv.style_modulation.bias.double(),
    )  # (C_in,)
    weight = like[0].double() * conv.scale * scales[:, None, None]
    if conv.demodulate:
        weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + DEMODULATION_EPSILON)
    if noise is not None:
        noise = (noise.double() * layer.noise_injector.weight.double() * GAIN).to(like)
    return FoldedConv(
        (weight * GAIN).to(like),
        (layer.activate.bias.double() * GAIN).to(like),
        noise,
        None if conv.blur is None else conv.blur.kernel.to(like),
        layer.clamp,
    )
