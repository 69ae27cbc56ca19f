"""What a network costs: multiply-accumulates of one pass, and parameters. Knows no model by name and no clock.

Counted on torch's meta device: shapes only, no arithmetic, so the largest network takes a moment and no memory.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.stylegan2_ops import EqualLinear, ModulatedConv


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one pass with the given input. FLOPs, where someone asks for them, are twice the MACs."""

    macs: int  # of convolutions and linear layers that ran; FIR filters, norms and activations are not counted
    parameters: int
    effective: int  # parameters that the output depends on: without dead branches


def cost(network: nn.Module, shape: tuple[int, ...]) -> Cost:
    """Cost of `network` for one float32 input of `shape`; the network itself is left as it is.

    Layers that never run (a dead branch) count for nothing. A convolution called as a function counts only where it
    is StyleGAN2's modulated one, at the cost of the convolution alone.
    """
    twin = copy.deepcopy(network).to("meta").requires_grad_(True)
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += COUNTERS[type(module)](module, inputs[0], output)

    for module in twin.modules():
        if type(module) in COUNTERS:
            module.register_forward_hook(count)
    with torch.enable_grad():
        output = twin(torch.empty(shape, device="meta"))
        if output.requires_grad:
            output.sum().backward()
    parameters = list(twin.parameters())
    effective = sum(each.numel() for each in parameters if each.grad is not None)
    return Cost(total, sum(each.numel() for each in parameters), effective)


def _convolution(module: Any, _: Tensor, output: Tensor) -> int:
    return output.numel() * int(module.weight.numel() // module.out_channels)


def _transposed(module: Any, given: Tensor, _: Tensor) -> int:
    return given.numel() * int(module.weight.numel() // module.in_channels)


def _linear(module: Any, _: Tensor, output: Tensor) -> int:
    return output.numel() * int(module.in_features)


def _equal_linear(module: Any, _: Tensor, output: Tensor) -> int:
    return output.numel() * int(module.linear.weight_orig.shape[1])


def _modulated(module: Any, given: Tensor, output: Tensor) -> int:
    _, outputs, inputs, height, width = module.weight_orig.shape
    if module.blur is not None:  # transposed: every input sample meets the whole kernel
        return given.numel() * int(outputs * height * width)
    return output.numel() * int(inputs * height * width)


COUNTERS: dict[type[nn.Module], Callable[[Any, Tensor, Tensor], int]] = {
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed,
    nn.Linear: _linear,
    EqualLinear: _equal_linear,
    ModulatedConv: _modulated,
}
