"""The exponential moving average of a network's weights: what is measured and shipped. Knows no networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def start(network: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in network.state_dict().items()}


@torch.no_grad()
def follow(average: dict[str, Tensor], network: nn.Module, keep: float) -> None:
    """average = keep · average + (1 - keep) · weights, in place; what is no floating-point number is copied."""
    for key, value in network.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - keep)
        else:
            average[key].copy_(value)
