"""Lanczos-3 enlargement by a whole number: the evidential rendition, which invents nothing. Knows no devices."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RADIUS = 3  # input pixels an output depends on, each way


class Lanczos(nn.Module):
    """(N, 3, h, w) in [0, 1] -> (N, 3, s·h, s·w) float32 in [0, 1], pixel centres aligned as in OpenCV and Pillow.

    Edges are repeated. Every output is the same sum in the same order wherever its pixel lies, so a tile's inner pixels
    equal the whole image's bit for bit; a convolution would choose its algorithm by size. Scale 1 returns the input.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        if scale < 1:
            raise ValueError(f"Lanczos enlarges by a whole number from 1, not by {scale}")
        self.scale = scale
        self.taps = [taps(scale, phase) for phase in range(scale)]

    def forward(self, x: Tensor) -> Tensor:
        if self.scale == 1:
            return x
        x = self._along(F.pad(x.float(), (RADIUS, RADIUS, 0, 0), mode="replicate"), 3)
        x = self._along(F.pad(x, (0, 0, RADIUS, RADIUS), mode="replicate"), 2)
        return x.clamp_(0, 1)

    def _along(self, x: Tensor, axis: int) -> Tensor:
        """Enlarge one axis of an input that carries `RADIUS` extra pixels at both its ends."""
        length = x.shape[axis] - 2 * RADIUS
        phases = []
        for weights in self.taps:
            total = x.narrow(axis, 0, length) * weights[0]
            for offset, weight in enumerate(weights[1:], start=1):
                if weight != 0:
                    total.add_(x.narrow(axis, offset, length) * weight)
            phases.append(total)
        return torch.stack(phases, dim=axis + 1).flatten(axis, axis + 1)


def taps(scale: int, phase: int) -> list[float]:
    """Weights of the 2·RADIUS + 1 pixels around an input pixel for the `phase`-th output pixel in it; they sum to 1.

    Output pixel `phase` of input pixel 0 has its centre at (phase + 0.5) / scale - 0.5.
    """
    centre = (phase + 0.5) / scale - 0.5
    raw = [_window(offset - centre) for offset in range(-RADIUS, RADIUS + 1)]
    total = sum(raw)
    return [weight / total for weight in raw]


def _window(x: float) -> float:
    """Lanczos-3: sinc(x) · sinc(x / 3) within 3."""
    if abs(x) >= RADIUS:
        return 0.0
    if x == 0:
        return 1.0
    angle = math.pi * x
    return RADIUS * math.sin(angle) * math.sin(angle / RADIUS) / angle**2
