"""A camera's high-resolution canvas: enhanced tiles blended into one picture, tile by tile.

Keeps the latest enhanced pixels of every tile, so that only the cells which a new tile touches are blended again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from workers.tiles import Cell, TileGrid, ramp_weights


class Canvas:
    """The enhanced picture of a clip or camera at the moment of the last update."""

    def __init__(self, grid: TileGrid, scale: int, dtype: DTypeLike) -> None:
        self._grid, self._scale = grid, scale
        side = grid.tile * scale
        self._tiles: NDArray[Any] = np.zeros((grid.count, side, side, 3), dtype)
        self._image: NDArray[Any] = np.zeros((grid.height * scale, grid.width * scale, 3), dtype)
        self._ramp = ramp_weights(grid.ramp * scale)

    @property
    def image(self) -> NDArray[Any]:
        """(scale*height, scale*width, 3). The canvas itself, not a copy: the next update changes it."""
        return self._image

    def update(self, indices: NDArray[np.intp], tiles: NDArray[Any]) -> None:
        """Put enhanced tiles into the picture.

        indices: (n,) numbers of the tiles; tiles: (n, scale*tile, scale*tile, 3) of the canvas's dtype.
        """
        if tiles.shape != (len(indices), *self._tiles.shape[1:]) or tiles.dtype != self._tiles.dtype:
            raise ValueError(
                f"tiles are {tiles.dtype}{list(tiles.shape)}, the canvas takes {self._tiles.dtype}"
                f"{[len(indices), *self._tiles.shape[1:]]}"
            )
        self._tiles[indices] = tiles
        columns = len(self._grid.x.starts)
        dirty = np.isin(np.arange(self._grid.count), indices).reshape(-1, columns)
        for y in self._grid.y.cells:
            rows: NDArray[np.bool_] = np.any(dirty[y.tile : y.tile + 1 + y.ramp], axis=0)
            for x in self._grid.x.cells:
                if rows[x.tile : x.tile + 1 + x.ramp].any():
                    self._compose(y, x, columns)

    def _compose(self, y: Cell, x: Cell, columns: int) -> None:
        """Write one cell of the picture: copied from one tile, or blended from two or four."""
        first = y.tile * columns + x.tile
        out = self._image[y.lo * self._scale : y.hi * self._scale, x.lo * self._scale : x.hi * self._scale]
        if not (y.ramp or x.ramp):
            out[...] = self._piece(first, y, x)
            return
        blended = self._across(first, y, x)
        if y.ramp:
            weight = self._ramp[:, None, None]
            blended = blended + (self._across(first + columns, y, x) - blended) * weight
        if out.dtype.kind == "u":
            blended = np.rint(blended)  # between two values of the range, so it cannot leave it
        out[...] = blended

    def _across(self, tile: int, y: Cell, x: Cell) -> NDArray[np.float32]:
        left = self._piece(tile, y, x).astype(np.float32)
        if not x.ramp:
            return left
        return left + (self._piece(tile + 1, y, x) - left) * self._ramp[None, :, None]

    def _piece(self, tile: int, y: Cell, x: Cell) -> NDArray[Any]:
        left, top = self._grid.origin(tile)
        s = self._scale
        return self._tiles[tile, (y.lo - top) * s : (y.hi - top) * s, (x.lo - left) * s : (x.hi - left) * s]
