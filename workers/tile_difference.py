"""How far the tiles of two frames lie apart, in blocks of 8 pixels. Pure numbers: decides nothing, keeps nothing.

All tiles are laid under one another as one tall picture, so that a handful of OpenCV calls measures every one of them.
Differences are in 8-bit levels: of luma, and of the two colour differences at half the size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.tiles import TileGrid, influence

BLOCK = 8  # pixels
FINE = 4  # pixels of the smaller blocks whose means are looked at
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TilePlanes:
    """The tiles of one frame, one under the other. side: a tile's edge, made up to whole blocks."""

    luma: NDArray[Any]  # (n * side, side)
    colour: tuple[NDArray[Any], NDArray[Any]]  # (n * side / 2, side / 2) each: red and blue less luma
    side: int

    @property
    def count(self) -> int:
        return len(self.luma) // self.side

    def take(self, other: TilePlanes, tiles: NDArray[np.bool_]) -> None:
        """Copy the tiles (n,) that are marked from another frame's."""
        for mine, theirs in zip((self.luma, *self.colour), (other.luma, *other.colour), strict=True):
            mine.reshape(self.count, -1)[tiles] = theirs.reshape(self.count, -1)[tiles]

    def copy(self) -> TilePlanes:
        return TilePlanes(self.luma.copy(), (self.colour[0].copy(), self.colour[1].copy()), self.side)


@dataclass(frozen=True, slots=True)
class Difference:
    """Between two frames' tiles: (n, b) float32 each, b blocks a tile, row by row."""

    square: Floats  # mean square of luma's
    mean: Floats  # the largest, by amount, of the means of the block's four quarters: luma
    average: Floats  # mean of luma's, with its sign
    colour: Floats  # mean square of both colour differences', added up

    @property
    def total(self) -> Floats:
        """Mean square over the three channels, nearly."""
        return self.square + self.colour


@dataclass(frozen=True, slots=True)
class Weights:
    """How much pixels of the tiles count for: laid out as TilePlanes, as factors of a difference (roots)."""

    luma: Floats
    colour: Floats
    blocks: Floats  # (n, b) mean of their squares in each block
    roots: Floats  # (n,) mean of them in each tile


class TileCutter:
    """Cuts frames of a grid into planes."""

    def __init__(self, grid: TileGrid) -> None:
        self._grid = grid
        self.side = -(-grid.tile // BLOCK) * BLOCK
        self._least = (max(grid.height, self.side), max(grid.width, self.side))
        bottom, right = self._least[0] - self.side, self._least[1] - self.side
        places = [grid.origin(index) for index in range(grid.count)]
        self._corners = [(min(top, bottom), min(left, right)) for left, top in places]

    def planes(self, image: NDArray[Any]) -> TilePlanes:
        """image: (height, width, 3) uint8 or uint16 RGB, as the grid says."""
        image = self._padded(image)
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        half = cv2.cvtColor(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2YCrCb)
        red, blue = (self._cut(np.asarray(cv2.extractChannel(half, channel)), 2) for channel in (1, 2))
        return TilePlanes(self._cut(luma, 1), (red, blue), self.side)

    def weights(self) -> Weights:
        """Of differences of two frames' tiles by what they change in the picture, so that squares add up to its own.

        The mean square of two tiles' differences, each weighted, is no less than that of the two blended.
        """
        grid, side = self._grid, self.side
        down, across = (influence(axis, grid.tile, grid.halo, grid.ramp) for axis in (grid.y, grid.x))
        tall = np.zeros((grid.count, side, side), np.float32)
        for index, (y, x) in enumerate(self._corners):
            (left, top), (row, column) = grid.origin(index), divmod(index, len(grid.x.starts))
            inner = tall[index, top - y : top - y + grid.tile, left - x : left - x + grid.tile]
            inner[...] = np.outer(down[row], across[column])[: inner.shape[0], : inner.shape[1]]
        flat = tall.reshape(-1, side)
        roots = np.sqrt(flat)
        return Weights(
            roots,
            np.sqrt(_area(flat, 2)),
            _area(flat, BLOCK).reshape(grid.count, -1),
            roots.reshape(grid.count, -1).mean(axis=1),
        )

    def windows(self, image: NDArray[Any]) -> Floats:
        """(n, side, side, 3) 8-bit levels of the tiles, made up to whole blocks by what lies around them."""
        windows = self._cut(self._padded(image), 1).astype(np.float32).reshape(-1, self.side, self.side, image.shape[2])
        return windows / np.float32(257) if image.dtype == np.uint16 else windows

    def block_means(self, plane: NDArray[Any]) -> Floats:
        """(n, b) of a plane (height, width) of the frame."""
        tall = self._cut(self._padded(plane), 1).astype(np.float32)
        return _area(tall, BLOCK).reshape(len(self._corners), -1)

    def tiles_of(self, windows: Floats, indices: NDArray[np.intp]) -> Floats:
        """(m, tile, tile, C): the tiles `indices` (m,) out of their windows (m, side, side, C)."""
        t = self._grid.tile
        out = np.empty((len(indices), t, t, windows.shape[3]), windows.dtype)
        for place, index in enumerate(indices):
            (left, top), (y, x) = self._grid.origin(int(index)), self._corners[index]
            out[place] = windows[place, top - y : top - y + t, left - x : left - x + t]
        return out

    def _padded(self, image: NDArray[Any]) -> NDArray[Any]:
        if image.shape[:2] != (self._grid.height, self._grid.width):
            raise ValueError(
                f"image is {image.shape[1]}x{image.shape[0]}, the grid is for {self._grid.width}x{self._grid.height}"
            )
        below, right = self._least[0] - image.shape[0], self._least[1] - image.shape[1]
        return np.pad(image, ((0, below), (0, right), (0, 0))[: image.ndim], mode="edge") if below or right else image

    def _cut(self, plane: NDArray[Any], shrunk: int) -> NDArray[Any]:
        side = self.side // shrunk
        out = np.empty((len(self._corners), side, side, *plane.shape[2:]), plane.dtype)
        bottom, right = plane.shape[0] - side, plane.shape[1] - side
        for tile, (top, left) in zip(out, self._corners, strict=True):
            y, x = min(top // shrunk, bottom), min(left // shrunk, right)
            tile[...] = plane[y : y + side, x : x + side]
        return out.reshape(-1, side, *plane.shape[2:])


def difference(now: TilePlanes, then: TilePlanes, weights: Weights | None = None) -> Difference:
    """Of `now` against `then`, each pixel's times its weight."""
    n = now.count
    apart = _subtract(now.luma, then.luma, None if weights is None else weights.luma)
    quarters = _area(apart, FINE)
    colours = (
        _squares(_subtract(here, there, None if weights is None else weights.colour), BLOCK // 2)
        for here, there in zip(now.colour, then.colour, strict=True)
    )
    amount = np.abs(quarters)
    largest = np.maximum(
        np.maximum(amount[::2, ::2], amount[1::2, ::2]), np.maximum(amount[::2, 1::2], amount[1::2, 1::2])
    )
    return Difference(
        square=_squares(apart, BLOCK).reshape(n, -1),
        mean=largest.reshape(n, -1),
        average=_area(quarters, BLOCK // FINE).reshape(n, -1),
        colour=np.add(*colours).reshape(n, -1),
    )


def levels(planes: TilePlanes) -> Floats:
    """(n, b) mean luma of the blocks, 8-bit levels."""
    means = _area(planes.luma, BLOCK).astype(np.float32)
    return (means / np.float32(257) if planes.luma.dtype == np.uint16 else means).reshape(planes.count, -1)


def _subtract(here: NDArray[Any], there: NDArray[Any], weights: Floats | None) -> Floats:
    apart = np.asarray(cv2.subtract(here, there, dtype=cv2.CV_32F), np.float32)
    if here.dtype == np.uint16:
        apart /= np.float32(257)
    if weights is not None:
        cv2.multiply(apart, weights, dst=apart)
    return apart


def _squares(values: Floats, block: int) -> Floats:
    return _area(np.asarray(cv2.multiply(values, values), np.float32), block)


def _area(values: NDArray[Any], block: int) -> NDArray[Any]:
    size = (values.shape[1] // block, values.shape[0] // block)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))
