"""What an enlargement adds to its input: how far it, degraded again, is from it, and detail beyond Lanczos'.

Two figures for each cell of a tile, in 8-bit levels. Knows no networks, queues or files.

*Error*: root mean square, over R, G and B, of D(output) - input; D as in `models/consistency.py`.
*Detail*: root of E(output) - E(Lanczos-3 enlargement of the input), 0 where that is negative. E is the mean square of
what remains of luma when each s x s block, which stands for one input pixel, has lost its mean: the energy of all Haar
wavelets finer than an input pixel. Ramps and edges have some of it too; therefore Lanczos' is subtracted.

Both are taken on every ROWS-th row of input pixels: enough for a cell, and a quarter of the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from models import lanczos
from models.cells import cells
from models.consistency import REACH, kernel

LUMA = (0.299, 0.587, 0.114)  # BT.601, of R, G, B
ROWS = 4  # every so many rows of input pixels are measured
LEVELS = 255.0


def measure(x: Tensor, y: Tensor, scale: int, margin: int) -> Tensor:
    """(N, cells(h), cells(w), 2) float32: error and detail of each cell, in 8-bit levels.

    x: (N, 3, h, w), y: (N, 3, s·h, s·w) its enlargement, float32 in [0, 1]. The outermost `margin` input pixels are
    left out (less than half a cell, REACH at least): the network saw padding there. Nothing is left of a side of less
    than 5: then all is not-a-number. Every tile is summed up on its own and in the same order, whatever the batch.
    """
    n, _, height, width = x.shape
    if y.shape != (n, 3, scale * height, scale * width):
        raise ValueError(f"an enlargement by {scale} of {tuple(x.shape)} cannot be {tuple(y.shape)}")
    down, across = cells(height), cells(width)
    top, left = (
        max(REACH, min(margin, (length // count - 1) // 2)) for length, count in ((height, down), (width, across))
    )
    rows = range(top, height - top, ROWS)
    if not rows or width <= 2 * left:
        return torch.full((n, down, across, 2), torch.nan, device=x.device)
    error = _error(x, y, scale, rows, left)
    energy = _energy_beyond_lanczos(x, y, scale, rows, left)
    sums = torch.zeros((2, n, down, width), device=x.device)
    counts = [0] * down
    for k, row in enumerate(rows):
        cell = row * down // height
        sums[0, :, cell, left : width - left].add_(error[:, k])
        sums[1, :, cell, left : width - left].add_(energy[:, k])
        counts[cell] += 1
    parts = sums.view(2, n, down, across, width // across).unbind(4)
    total = parts[0].clone()
    for part in parts[1:]:
        total.add_(part)
    shares = torch.tensor(_areas(counts, width, across, left), device=x.device)
    return total.div_(shares).clamp_(min=0).sqrt_().mul_(LEVELS).permute(1, 2, 3, 0)


def _error(x: Tensor, y: Tensor, scale: int, rows: range, left: int) -> Tensor:
    """(N, rows, w - 2·left): mean square over the channels of D(y) - x. D reaches no further than the margin."""
    n, c, height, width = x.shape
    lines = y.view(n, c, height, scale, scale * width)
    weights = kernel(scale)
    shift = range(-REACH, REACH + 1)
    inner = range(left, width - left)
    tall = _weighted(
        [
            (lines[:, :, rows.start + o : rows.stop + o : ROWS, p], weights[o + REACH][p])
            for o in shift
            for p in range(scale)
        ]
    )
    columns = tall.view(n, c, len(rows), width, scale).movedim(4, 0).contiguous()
    low = _weighted(
        [
            (columns[p, ..., inner.start + o : inner.stop + o], weights[o + REACH][p])
            for o in shift
            for p in range(scale)
        ]
    )
    low.sub_(x[:, :, rows.start : rows.stop : ROWS, left : width - left]).square_()
    return low[:, 0].add_(low[:, 1]).add_(low[:, 2]).div_(c)


def _energy_beyond_lanczos(x: Tensor, y: Tensor, scale: int, rows: range, left: int) -> Tensor:
    """(N, rows, w - 2·left): the variance of luma within each s x s block of y, less that of Lanczos' enlargement."""
    n, _, height, width = x.shape
    inner = width - 2 * left
    low = _luma(x)
    here = low[:, rows.start : rows.stop : ROWS, left : width - left].contiguous()
    lines = y.view(n, 3, height, scale, scale * width)[:, :, rows.start : rows.stop : ROWS]
    high = _luma(lines[..., left * scale : (width - left) * scale])  # (N, rows, s, s·inner)
    # Less the input's pixel all values are small, so that the difference of squares below keeps its digits.
    high.sub_(here.repeat_interleave(scale, 2)[:, :, None])
    mean, square = (t.view(*here.shape, scale).unbind(3) for t in _sums(high.unbind(2)))
    found = _variance(mean, square, scale * scale)

    reach, shift = lanczos.RADIUS, range(2 * lanczos.RADIUS + 1)
    padded = F.pad(low[:, None], (reach,) * 4, mode="replicate")[:, 0]
    taps = [lanczos.taps(scale, phase) for phase in range(scale)]
    wide = torch.stack(
        [_weighted([(padded[:, :, left + k : left + k + inner], line[k]) for k in shift]) for line in taps]
    )
    tall = [
        _weighted([(wide[:, :, rows.start + k : rows.stop + k : ROWS], line[k]) for k in shift]) for line in taps
    ]  # each (s, N, rows, inner)
    mean, square = (t.unbind(0) for t in _sums([t.clamp_(0, 1).sub_(here) for t in tall]))
    return found.sub_(_variance(mean, square, scale * scale))


def _luma(rgb: Tensor) -> Tensor:
    return _weighted([(rgb[:, channel], weight) for channel, weight in enumerate(LUMA)])


def _weighted(terms: list[tuple[Tensor, float]]) -> Tensor:
    """Sum of weighted tensors, term by term: no kernel that would choose its order by size."""
    terms = [(t, weight) for t, weight in terms if weight]
    total = terms[0][0] * terms[0][1]
    for t, weight in terms[1:]:
        total.add_(t, alpha=weight)
    return total


def _sums(samples: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Of equal-shaped tensors, and of their squares, element by element."""
    total, square = samples[0].clone(), samples[0] * samples[0]
    for sample in samples[1:]:
        total.add_(sample)
        square.addcmul_(sample, sample)
    return total, square


def _variance(totals: Sequence[Tensor], squares: Sequence[Tensor], count: int) -> Tensor:
    """Of `count` samples, of which sums and sums of squares are given in parts."""
    mean, square = totals[0].clone(), squares[0].clone()
    for total, more in zip(totals[1:], squares[1:], strict=True):
        mean.add_(total)
        square.add_(more)
    return square.div_(count).sub_(mean.div_(count).square_())


def _areas(rows: list[int], width: int, across: int, left: int) -> list[list[float]]:
    """Measured pixels of each cell."""
    edge = width // across
    columns = [min(width - left, (c + 1) * edge) - max(left, c * edge) for c in range(across)]
    return [[float(r * c) for c in columns] for r in rows]
