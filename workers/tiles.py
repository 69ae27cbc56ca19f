"""The tile grid of a frame: where tiles lie, and which tile owns which pixels. Pure geometry, no pixels kept.

A network takes tiles of exactly t x t pixels and its outermost `halo` rows and columns are not to be trusted (they saw
padding instead of picture). So tiles overlap by at least two halos and a ramp; each axis of the frame falls into cells
that belong to one tile (core) or are blended between two neighbours (ramp), and the weights of a pixel sum to one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.facts import RAMP


@dataclass(frozen=True, slots=True)
class Cell:
    """A run lo..hi (low-resolution pixels) of one axis: of tile `tile`, or blended from it into `tile + 1`."""

    lo: int
    hi: int
    tile: int
    ramp: bool


@dataclass(frozen=True, slots=True)
class Axis:
    """Tiles along one side of the frame."""

    length: int
    starts: tuple[int, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class TileGrid:
    """Tiles of a frame of `width` x `height` pixels, numbered row by row."""

    width: int
    height: int
    tile: int
    halo: int  # outermost pixels of a tile that are not shown; from so far what is shown of it is influenced
    ramp: int  # low-resolution pixels over which neighbours are blended
    x: Axis
    y: Axis

    @property
    def count(self) -> int:
        return len(self.x.starts) * len(self.y.starts)

    def origin(self, index: int) -> tuple[int, int]:
        """(left, top) of a tile."""
        row, column = divmod(index, len(self.x.starts))
        return self.x.starts[column], self.y.starts[row]

    def cut(self, image: NDArray[Any], indices: NDArray[np.intp]) -> NDArray[Any]:
        """Tiles of an image.

        image: (height, width, C). Returns (len(indices), tile, tile, C), same dtype. A frame smaller than a tile is
        continued by its edge pixels.
        """
        image = self.pad(image)
        t = self.tile
        out = np.empty((len(indices), t, t, image.shape[2]), image.dtype)
        for n, index in enumerate(indices):
            left, top = self.origin(int(index))
            out[n] = image[top : top + t, left : left + t]
        return out

    def pad(self, image: NDArray[Any]) -> NDArray[Any]:
        """The image, continued by its edge pixels where it is smaller than a tile."""
        if image.shape[:2] != (self.height, self.width):
            raise ValueError(f"image is {image.shape[1]}x{image.shape[0]}, the grid is for {self.width}x{self.height}")
        below, right = max(0, self.tile - self.height), max(0, self.tile - self.width)
        return np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge") if below or right else image


def make_grid(width: int, height: int, tile: int, halo: int, ramp: int = RAMP) -> TileGrid:
    """The grid for frames of a size and tiles of a model.

    Tiles are spread evenly, the last ending at the frame's edge; no pixel is taken from more than two tiles of an axis.
    ramp: low-resolution pixels over which neighbours are blended, wide for networks that see a whole tile at once and
    so differ between neighbours; 0 cuts hard.
    """
    if width < 1 or height < 1:
        raise ValueError(f"frame of {width}x{height} pixels has no area")
    if halo < 0 or ramp < 0:
        raise ValueError(f"halo and ramp must not be negative, not {halo} and {ramp}")
    # Two tiles on, the next ramp begins: it must not begin before this one ends, however evenly tiles are spread.
    if tile < (least := max(2 * halo + 3 * ramp, 2 * halo + 1)):
        raise ValueError(
            f"tile of {tile} pixels is too small for a halo of {halo} and a ramp of {ramp}: {least} wanted"
        )
    return TileGrid(width, height, tile, halo, ramp, _axis(width, tile, halo, ramp), _axis(height, tile, halo, ramp))


def ramp_weights(length: int) -> NDArray[np.float32]:
    """Weights of the second of two blended tiles over a ramp: a raised cosine, (length,) float32 in (0, 1)."""
    position = (np.arange(length, dtype=np.float64) + 0.5) / length
    weights: NDArray[np.float32] = (0.5 - 0.5 * np.cos(math.pi * position)).astype(np.float32)
    return weights


def influence(axis: Axis, tile: int, halo: int, ramp: int) -> NDArray[np.float32]:
    """(tiles of the axis, tile): the greatest weight that any pixel has in the picture which this one influences.

    A network carries a change `halo` pixels far; what lies farther from what is shown of a tile changes nothing.
    """
    weights = np.zeros((len(axis.starts), tile), np.float32)
    second = ramp_weights(ramp)
    for cell in axis.cells:
        lo, hi = cell.lo - axis.starts[cell.tile], cell.hi - axis.starts[cell.tile]
        weights[cell.tile, lo:hi] = 1 - second if cell.ramp else 1
        if cell.ramp:
            start = axis.starts[cell.tile + 1]
            weights[cell.tile + 1, cell.lo - start : cell.hi - start] = second
    padded = np.pad(weights, ((0, 0), (halo, halo)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * halo + 1, axis=1)
    return np.asarray(windows.max(axis=2), np.float32)


def _axis(length: int, tile: int, halo: int, ramp: int) -> Axis:
    if length <= tile:
        return Axis(length, (0,), (Cell(0, length, 0, ramp=False),))
    overlap = 2 * halo + ramp
    count = math.ceil((length - overlap) / (tile - overlap))
    starts = tuple(round(i * (length - tile) / (count - 1)) for i in range(count))
    cells: list[Cell] = []
    lo = 0
    for i in range(count - 1):
        # The ramp lies in the middle of the overlap, as far as can be from both tiles' halos.
        begin = (starts[i] + tile + starts[i + 1] - ramp) // 2
        cells += [Cell(lo, begin, i, ramp=False), Cell(begin, begin + ramp, i, ramp=True)]
        lo = begin + ramp
    cells.append(Cell(lo, length, count - 1, ramp=False))
    return Axis(length, starts, tuple(cell for cell in cells if cell.lo < cell.hi))
