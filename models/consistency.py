"""Consistency: an enlargement changed, as little as can be, until it shrinks to its input. Knows no networks.

The criterion is PULSE's (Menon et al., CVPR 2020): D(output) = input, with D the bicubic reduction with anti-aliasing.
The means is back-projection (Irani & Peleg, 1991): y <- y + U(x - D(y)). U is D's pseudo-inverse, Dᵀ(D Dᵀ)⁻¹: one step
then does more than ten with plain bicubic enlargement as U, and of all consistent pictures it finds the one nearest to
the network's. Values cut off at black and white undo a little of it, hence the further steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

REACH = 2  # input pixels, each way, beyond its own block that D sees of an enlargement
INVERSE_REACH = 8  # input pixels, each way, that (D Dᵀ)⁻¹ is cut off at: what is beyond weighs 1e-4
STEPS = 3  # of back-projection: the first is exact but for what is cut off at black and white

_GRID = 4096  # frequencies at which D Dᵀ is inverted


def project(y: Tensor, x: Tensor, scale: int, steps: int = STEPS) -> Tensor:
    """The enlargement `y`, changed so that `degrade` of it is `x`; in place, and returned.

    y: (N, C, s·h, s·w), x: (N, C, h, w), float32, about [0, 1]; y comes back within [0, 1]. Each tile and channel is
    taken on its own by the same sums in the same order, so a result depends neither on the batch nor on its neighbours.
    Scale 1: y becomes x.
    """
    _check(y, scale, x)
    if scale == 1:
        return y.copy_(x).clamp_(0, 1)
    for _ in range(steps):
        rest = _unblur(x - degrade(y, scale), scale)
        y.add_(_spread(rest, scale)).clamp_(0, 1)
    return y


def degrade(y: Tensor, scale: int) -> Tensor:
    """D: (N, C, s·h, s·w) -> (N, C, h, w) float32, the bicubic reduction with anti-aliasing of PULSE and MATLAB.

    The cubic with a = -0.5 (Keys, 1981), widened by the scale, centre-aligned, edges mirrored with the edge pixel
    repeated; h and w at least 2. Not clamped: it may overshoot at edges.
    """
    _check(y, scale)
    if scale == 1:
        return y.float()
    n, c, high, wide = y.shape
    rows = y.float().view(n, c, high // scale, scale, wide).unbind(3)
    tall = shrink_phases(rows, scale, 2)
    columns = tall.view(n, c, high // scale, wide // scale, scale).movedim(4, 0).contiguous()
    return shrink_phases(columns.unbind(0), scale, 3)


def shrink_phases(phases: Sequence[Tensor], scale: int, axis: int) -> Tensor:
    """D along one axis. phases: every `scale`-th sample of it, from the first, the second … on; all of one shape.

    Sums of shifted arrays: a convolution would choose its algorithm by size, and with it the last bit.
    """
    length = phases[0].shape[axis]
    total = torch.zeros_like(phases[0], memory_format=torch.contiguous_format)
    part = torch.empty_like(total)
    for offset in range(-REACH, REACH + 1):
        kept = length - abs(offset)
        to, start = max(0, -offset), max(0, offset)
        edge = 0 if offset < 0 else kept  # the pixels whose taps lie beyond the edge, and those mirrored there
        for phase, weight in enumerate(kernel(scale)[offset + REACH]):
            if not weight:
                continue
            out = part.narrow(axis, to, kept)
            torch.mul(phases[phase].narrow(axis, start, kept), weight, out=out)
            total.narrow(axis, to, kept).add_(out)
            if offset:
                mirrored = phases[scale - 1 - phase].narrow(axis, edge, abs(offset)).flip(axis)
                total.narrow(axis, edge, abs(offset)).add_(mirrored * weight)
    return total


@cache
def kernel(scale: int) -> tuple[tuple[float, ...], ...]:
    """D's weights: (2·REACH + 1) x scale, of the samples of the blocks around an input pixel; they sum to 1."""
    centre = (scale - 1) / 2
    raw = [[_cubic((scale * o + p - centre) / scale) for p in range(scale)] for o in range(-REACH, REACH + 1)]
    total = math.fsum(map(math.fsum, raw))
    return tuple(tuple(value / total for value in row) for row in raw)


@cache
def inverse_kernel(scale: int) -> tuple[float, ...]:
    """(D Dᵀ)⁻¹ along one axis, as 2·INVERSE_REACH + 1 symmetric weights.

    D Dᵀ is a convolution of input pixels; its inverse is found at _GRID frequencies, in float64.
    """
    line = torch.tensor(kernel(scale), dtype=torch.float64).flatten()
    products = [
        float((line[shift * scale :] * line[: len(line) - shift * scale]).sum()) for shift in range(2 * REACH + 1)
    ]
    theta = 2 * math.pi * torch.arange(_GRID, dtype=torch.float64) / _GRID
    response = products[0] + 2 * sum(p * torch.cos(k * theta) for k, p in enumerate(products) if k)
    waves = [(torch.cos(k * theta) / response).mean() for k in range(INVERSE_REACH + 1)]
    half = [float(wave) for wave in waves]
    return (*half[:0:-1], *half)


def _unblur(r: Tensor, scale: int) -> Tensor:
    """(D Dᵀ)⁻¹ of a tile, edges mirrored."""
    weights = inverse_kernel(scale)
    for axis in (2, 3):
        padded = r.index_select(axis, _mirrored(r.shape[axis], r.device))
        length, total = r.shape[axis], torch.zeros_like(r)
        for start, weight in enumerate(weights):
            total.add_(padded.narrow(axis, start, length) * weight)
        r = total
    return r


def _spread(r: Tensor, scale: int) -> Tensor:
    """Dᵀ: (N, C, h, w) -> (N, C, s·h, s·w)."""
    return _spread_axis(_spread_axis(r, scale, 3), scale, 2)


def _spread_axis(r: Tensor, scale: int, axis: int) -> Tensor:
    length = r.shape[axis]
    padded = r.index_select(axis, _mirrored(length, r.device, REACH))
    phases = []
    for phase in range(scale):
        total = torch.zeros_like(r)
        for offset in range(-REACH, REACH + 1):
            if weight := kernel(scale)[offset + REACH][phase]:
                total.add_(padded.narrow(axis, REACH - offset, length) * weight)
        phases.append(total)
    return torch.stack(phases, dim=axis + 1).flatten(axis, axis + 1)


def _mirrored(length: int, device: torch.device, reach: int = INVERSE_REACH) -> Tensor:
    """Indices of a line continued by `reach` at both ends, mirrored with the end repeated, as often as need be."""
    places = torch.arange(-reach, length + reach, device=device).remainder(2 * length)
    return torch.minimum(places, 2 * length - 1 - places)


def _cubic(x: float) -> float:
    """Keys' cubic with a = -0.5."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def _check(y: Tensor, scale: int, x: Tensor | None = None) -> None:
    if y.ndim != 4 or scale < 1 or y.shape[2] % scale or y.shape[3] % scale or min(y.shape[2:]) < 2 * scale:
        raise ValueError(
            f"an enlargement by {scale} must be (N, C, {scale}·h, {scale}·w) with h and w from 2, not {tuple(y.shape)}"
        )
    n, c, high, wide = y.shape
    if x is not None and x.shape != (n, c, high // scale, wide // scale):
        raise ValueError(f"{tuple(y.shape)} is no enlargement by {scale} of {tuple(x.shape)}")
