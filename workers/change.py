"""Which tiles have changed since they were last enhanced: pure decisions over blocks' differences. Keeps nothing.

Two reasons to enhance a tile anew. Something in it moved: a block lies farther from what was enhanced than the noise
floor explains. Or the picture as a whole would lie too far from one of which every tile is enhanced: an error budget,
spent apart on what moves and on what stands still, buys off the worst tiles first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.noise_floor import Floor
from workers.tile_difference import Difference, Weights

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """Bounds in 8-bit levels, or their squares, of the input. Each gives way to the noise floor where that is higher.

    `drift` alone does not.
    """

    square: float = 100.0  # of a block of 8 x 8: mean square
    mean: float = 8.0  # of a quarter of a block: mean
    colour: float = 60.0  # of a block: mean square of both colour differences
    tile: float = 10.0  # of a tile: mean square
    drift: float = 1.6  # of a tile: mean, whatever the noise; what drifts slowly is caught by it
    budget: float = 3.4  # mean square that kept tiles may add to what stands still: 42.8 dB, so that 42 are kept
    budget_moving: float = 2.8  # ... and to what moves
    aim: float = 4.1  # 42 dB: where noise makes more than this of it, the noise is said to bound
    over_square: float = 6.0  # times what noise explains
    over_mean: float = 36.0
    over_tile: float = 2.0
    over_budget: float = 1.15
    near: float = 0.75  # share of the bounds beside and after what moved
    stays: int = 3  # frames for which it is so afterwards
    settle: int = 12  # frames after which a tile in which something moved is enhanced once more: the codec's rest


def explained(floor: Floor, level: Floats, allowance: Floats) -> tuple[Floats, Floats, Floats]:
    """(n, b) each: the squares that noise explains, of luma, of quarters' means and of colour.

    allowance: (n,) mean square that a key frame added to all of the picture since the tile was enhanced.
    """
    luma, means, colour = floor.at(level)
    more = allowance[:, None]
    half = more * np.float32(0.5)
    return luma + more, means + half, colour + half


def moved(apart: Difference, noise: tuple[Floats, Floats, Floats], settings: ChangeSettings) -> Floats:
    """(n,) how far each tile's worst block lies beyond its bound: over 1, something in it moved."""
    luma, means, colour = noise
    blocks = np.maximum(
        apart.square / np.maximum(settings.square, settings.over_square * luma),
        apart.mean**2 / np.maximum(settings.mean**2, settings.over_mean * means),
    )
    blocks = np.maximum(blocks, apart.colour / np.maximum(settings.colour, settings.over_square * colour))
    return np.asarray(blocks.max(axis=1), np.float32)


def strayed(
    apart: Difference, weights: Weights, noise: tuple[Floats, Floats, Floats], settings: ChangeSettings
) -> Mask:
    """(n,) tiles that have left what was enhanced as a whole, by light that drifts or by many small changes."""
    luma, _, colour = noise
    bound = np.maximum(settings.tile, settings.over_tile * (luma + colour).mean(axis=1))
    drift = np.abs(apart.average.mean(axis=1)) > settings.drift * weights.roots
    return np.asarray(drift | (apart.total.mean(axis=1) > bound * weights.blocks.mean(axis=1)), np.bool_)


def beside(tiles: Mask, columns: int) -> Mask:
    """(n,) the tiles and their eight neighbours. columns: of the grid."""
    grid = np.pad(tiles.reshape(-1, columns), 1)
    rows = grid[:-2] | grid[1:-1] | grid[2:]
    return (rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]).reshape(-1)


def over_budget(
    apart: Difference, weights: Weights, moving: Floats, noise: Floats, done: Mask, settings: ChangeSettings
) -> Mask:
    """(n,) tiles beyond `done` that must be enhanced so that the frame's error stays within the budget.

    What moves and what stands still have to be within it each. noise: (n, b) squares that noise explains, colour
    included; where it is so high that tiles cannot be kept within the budget, the budget is in proportion to the noise.
    """
    found = np.zeros(len(done), bool)
    for part, budget in ((moving, settings.budget_moving), (1 - moving, settings.budget)):
        allowed = np.maximum(np.float32(budget), settings.over_budget * noise) * weights.blocks
        cost = (apart.total * part).sum(axis=1)
        found |= _dearest(np.where(done, 0, cost), float((allowed * part).sum()))
    return found & ~done


def _dearest(cost: Floats, budget: float) -> Mask:
    """The fewest tiles without which the others cost no more than the budget."""
    order = np.argsort(cost, kind="stable")
    found = np.zeros(len(cost), bool)
    found[order[np.cumsum(cost[order], dtype=np.float64) > budget]] = True
    return found


def due(frame: int, count: int, every: int) -> Mask:
    """(n,) tiles whose turn it is to be enhanced whatever they show: each once in `every` frames, evenly spread.

    Neighbours in number come far apart in time, so that no row of tiles is seen to change at once.
    """
    found = np.zeros(count, bool)
    if every > 0:
        spread = (np.arange(count) * 0.6180339887498949 % 1 * every).astype(np.intp)
        found[spread == frame % every] = True
    return found
