"""How strongly borders between tiles show in a blended picture. Knows geometry and pixels, no networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tiles import Axis, TileGrid


def seam_strength(image: NDArray[Any], grid: TileGrid, scale: int) -> float:
    """Steps at the grid's borders over steps elsewhere; about 1 where no grid shows, well above 1 where one does.

    image: (scale·height, scale·width, 3), of a scene without structure of its own (one colour, a smooth gradient). A
    border is straight and as long as the picture, texture is not: so the picture is averaged along each axis first, and
    of the resulting profile the step between neighbouring windows one input pixel wide is taken, less the mean step
    beside it, which takes away slopes. The result is the root mean square of that at ends and middles of ramps (at the
    cuts, where there is no ramp) over the same elsewhere; of both axes, the mean square.
    """
    if image.shape[:2] != (grid.height * scale, grid.width * scale):
        raise ValueError(f"the picture is {image.shape[:2]}, not {scale} times {(grid.height, grid.width)}")
    pixels = image.astype(np.float64)
    ratios = [_ratio(pixels.mean(axis=along), lines(axis, scale), scale) for along, axis in ((0, grid.x), (1, grid.y))]
    return float(np.sqrt(np.mean(np.square(ratios))))


def lines(axis: Axis, scale: int) -> list[int]:
    """Output coordinates at which a border would show."""
    ramps = [cell for cell in axis.cells if cell.ramp]
    if not ramps:
        return [cell.lo * scale for cell in axis.cells[1:]]
    return sorted({at for c in ramps for at in (c.lo * scale, c.hi * scale, (c.lo + c.hi) * scale // 2)})


def _ratio(profile: NDArray[np.float64], at: list[int], window: int) -> float:
    """profile (L, 3); positions count borders: b lies between samples b - 1 and b."""
    sums = np.concatenate([np.zeros((1, 3)), np.cumsum(profile, axis=0)])
    positions = np.arange(2 * window, len(profile) - 2 * window + 1)

    def step(b: NDArray[np.intp]) -> NDArray[np.float64]:
        out: NDArray[np.float64] = (sums[b + window] - 2 * sums[b] + sums[b - window]) / window
        return out

    excess = step(positions) - (step(positions - window) + step(positions + window)) / 2
    energy = np.square(excess).mean(axis=1)
    border = np.isin(positions, at)
    return float(np.sqrt(energy[border].mean() / energy[~border].mean()))
