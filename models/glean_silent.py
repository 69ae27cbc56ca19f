"""A slim GLEAN without its bank: its function while the bank's features count for nothing, at the cost of less.

So the rest can be trained before there is a bank worth the name, and the bank be joined later without a jump; weights
that ship before that are served at three quarters of the cost; and so it is measured what the bank brings. Knows
nothing of training.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.glean import PixelShuffleUp
from models.glean_light import FoldedGleanLight, GleanLight, check_input, fold


@torch.no_grad()
def mute(network: GleanLight) -> None:
    """Let the decoder give no weight to the bank's features, whatever it gave them before."""
    ups, (first, _, _) = _parts(network)
    for width, conv in zip(network.config.widths, [*(up.upsample_conv for up in ups[1:]), first], strict=True):
        conv.weight[:, width:] = 0


@torch.no_grad()
def silence(network: GleanLight) -> None:
    """Mute the bank's features, and begin from the bicubic enlargement alone."""
    mute(network)
    _, (_, _, last) = _parts(network)
    if network.config.residual:
        last.weight.zero_()
        assert last.bias is not None
        last.bias.zero_()


def is_silent(network: GleanLight) -> bool:
    """Whether the decoder gives no weight at all to the bank's features."""
    ups, (first, _, _) = _parts(network)
    joined = zip(network.config.widths, [*(up.upsample_conv for up in ups[1:]), first], strict=True)
    return all(not conv.weight[:, width:].any() for width, conv in joined)


class SilentGleanLight(nn.Module):
    """The function of a GleanLight that `is_silent`, without its bank; for inference. A copy."""

    def __init__(self, network: GleanLight) -> None:
        super().__init__()
        self.config = network.config
        self.encoder, self.decoder = copy.deepcopy(network.encoder), copy.deepcopy(network.decoder)
        ups, (first, _, _) = _parts(self)
        for width, conv in zip(self.config.widths, [*(up.upsample_conv for up in ups[1:]), first], strict=True):
            conv.weight = nn.Parameter(conv.weight[:, :width].contiguous())
            conv.in_channels = width
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        check_input(x, self.config)
        return enhance(self, x)


def fold_for_service(network: GleanLight) -> FoldedGleanLight | SilentGleanLight:
    """The same function as cheaply as it can be had."""
    return SilentGleanLight(network) if is_silent(network) else fold(network)


def enhance(network: GleanLight | SilentGleanLight, x: Tensor) -> Tensor:
    """x (N, 3, h, w) in [-1, 1], any size -> (N, 3, s·h, s·w): as the network gives with silent features."""
    ups, (first, activation, last) = _parts(network)
    h: Tensor = network.encoder(x)
    for up in ups:
        h = up.shuffle(_narrow(up.upsample_conv, h))
    h = last(activation(_narrow(first, h)))
    if not network.config.residual:
        return h
    return h + F.interpolate(x, scale_factor=float(network.config.scale), mode="bicubic", align_corners=False)


def _parts(
    network: GleanLight | SilentGleanLight,
) -> tuple[list[PixelShuffleUp], tuple[nn.Conv2d, nn.Module, nn.Conv2d]]:
    """Enlarging blocks, and the layers after them. All but the very first see their own channels, then the bank's."""
    *ups, end = network.decoder
    first, activation, last = cast(nn.Sequential, end)
    return cast(list[PixelShuffleUp], ups), (cast(nn.Conv2d, first), activation, cast(nn.Conv2d, last))


def _narrow(conv: nn.Conv2d, h: Tensor) -> Tensor:
    if conv.in_channels == h.shape[1]:
        out: Tensor = conv(h)
        return out
    return F.conv2d(h, conv.weight[:, : h.shape[1]], conv.bias, padding=1)
