"""A slim GLEAN without its bank: its function while the bank's features count for nothing, at the cost of less.

So the rest can be trained before there is a bank worth the name, and the bank be joined later without a jump; and so
it is measured what the bank brings. Knows nothing of training.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.glean import PixelShuffleUp
from models.glean_light import GleanLight


@torch.no_grad()
def silence(network: GleanLight) -> None:
    """Let the decoder give no weight to the bank's features, and begin from the bicubic enlargement alone."""
    ups, (first, _, last) = _parts(network)
    for width, conv in zip(network.config.widths, [*(up.upsample_conv for up in ups[1:]), first], strict=True):
        conv.weight[:, width:] = 0
    if network.config.residual:
        last.weight.zero_()
        assert last.bias is not None
        last.bias.zero_()


def enhance(network: GleanLight, x: Tensor) -> Tensor:
    """x (N, 3, h, w) in [-1, 1], any size -> (N, 3, s·h, s·w): as the network gives with silent features."""
    ups, (first, activation, last) = _parts(network)
    h: Tensor = network.encoder(x)
    for up in ups:
        h = up.shuffle(_narrow(up.upsample_conv, h))
    h = last(activation(_narrow(first, h)))
    if not network.config.residual:
        return h
    return h + F.interpolate(x, scale_factor=float(network.config.scale), mode="bicubic", align_corners=False)


def _parts(network: GleanLight) -> tuple[list[PixelShuffleUp], tuple[nn.Conv2d, nn.Module, nn.Conv2d]]:
    """Enlarging blocks, and the layers after them. All but the very first see their own channels, then the bank's."""
    *ups, end = network.decoder
    first, activation, last = cast(nn.Sequential, end)
    return cast(list[PixelShuffleUp], ups), (cast(nn.Conv2d, first), activation, cast(nn.Conv2d, last))


def _narrow(conv: nn.Conv2d, h: Tensor) -> Tensor:
    return F.conv2d(h, conv.weight[:, : h.shape[1]], conv.bias, padding=1)
