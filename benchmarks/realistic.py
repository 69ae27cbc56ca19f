"""Random weights of the size that trained ones have, for networks whose trained weights are not at hand.

With torch's initial values the output hardly depends on the input, and with unit normals it overflows; the scales here
keep every layer's output near one. What is measured with them is speed and rounding, never the look of a picture.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from models.glean import Glean
from models.glean_light import GleanLight

RRDB_GAIN = 1.2  # an RRDB of such weights multiplies its input by about this
PICTURE_STD = 0.4  # of the output, of a range of [-1, 1]

Network = TypeVar("Network", Glean, GleanLight)


@torch.no_grad()
def realistic(network: Network, seed: int = 0) -> Network:
    """The network, in place, with normal weights; its last convolution scaled so that pictures have `PICTURE_STD`."""
    random = torch.Generator().manual_seed(seed)
    blocks = network.config.num_rrdbs
    for name, parameter in network.named_parameters():
        value = torch.randn(parameter.shape, generator=random)
        parameter.copy_(_scaled(name, value, blocks))
    for name, buffer in network.named_buffers():
        if "injected_noise" in name:
            buffer.copy_(torch.randn(buffer.shape, generator=random))
    network.eval().requires_grad_(False)
    edge = network.config.in_size
    coarse = torch.rand(1, 3, 4, 4, generator=random) * 2 - 1
    x = nn.functional.interpolate(coarse, size=(edge, edge), mode="bicubic", align_corners=False)
    last = network.decoder[-1][-1]
    if isinstance(network, GleanLight):
        residual = nn.functional.interpolate(x, scale_factor=float(network.config.scale), mode="bicubic")
        change = network(x) - (residual if network.config.residual else 0)
    else:
        change = network(x)
    last.weight.mul_(PICTURE_STD / change.std())
    last.bias.mul_(PICTURE_STD / change.std())
    return network


def _scaled(name: str, value: Tensor, blocks: int) -> Tensor:
    """A unit normal tensor as the parameter `name`."""
    if name.endswith("style_modulation.bias"):
        return 1 + 0.1 * value
    if name.startswith("generator.style_mapping."):
        return value * (10 if name.endswith("bias") else 100)
    if name.endswith(("weight_orig", "constant_input.input")) or name == "latents":
        return value
    if "noise_injector" in name or name.endswith("bias"):
        return 0.1 * value
    value = value * (2 / value[0].numel()) ** 0.5
    return value * RRDB_GAIN**-blocks if name in ("encoder.0.1.weight", "encoder.1.weight") else value
