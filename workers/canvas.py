"""A camera's high-resolution canvas: enhanced tiles blended into one picture, tile by tile.

Keeps the outer pixels of every tile, so that only the cells which a new tile touches are blended again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from media.colour_changes import Box
from workers.tiles import Axis, Cell, TileGrid, ramp_weights


class Canvas:
    """The enhanced picture of a clip or camera at the moment of the last update."""

    def __init__(self, grid: TileGrid, scale: int, dtype: DTypeLike) -> None:
        self._grid, self._scale = grid, scale
        side = grid.tile * scale
        # Of kept tiles only what is blended with a neighbour is ever wanted: the rest of this is never touched.
        self._tiles: NDArray[Any] = np.zeros((grid.count, side, side, 3), dtype)
        self._image: NDArray[Any] = np.zeros((grid.height * scale, grid.width * scale, 3), dtype)
        self._ramp = ramp_weights(grid.ramp * scale)
        self._rows, self._columns = (_kept(axis, grid.tile, scale) for axis in (grid.y, grid.x))

    @property
    def image(self) -> NDArray[Any]:
        """(scale*height, scale*width, 3). The canvas itself, not a copy: the next update changes it."""
        return self._image

    def update(self, indices: NDArray[np.intp], tiles: NDArray[Any]) -> list[Box]:
        """Put enhanced tiles into the picture; returns where it was written to, in its pixels.

        indices: (n,) numbers of the tiles; tiles: (n, scale*tile, scale*tile, 3) of the canvas's dtype, not kept.
        """
        if tiles.shape != (len(indices), *self._tiles.shape[1:]) or tiles.dtype != self._tiles.dtype:
            raise ValueError(
                f"tiles are {tiles.dtype}{list(tiles.shape)}, the canvas takes {self._tiles.dtype}"
                f"{[len(indices), *self._tiles.shape[1:]]}"
            )
        new = dict(zip(indices.tolist(), tiles, strict=True))
        for index, tile in new.items():
            self._keep(index, tile)
        columns = len(self._grid.x.starts)
        dirty = np.isin(np.arange(self._grid.count), indices).reshape(-1, columns)
        written = []
        for y in self._grid.y.cells:
            rows: NDArray[np.bool_] = np.any(dirty[y.tile : y.tile + 1 + y.ramp], axis=0)
            for x in self._grid.x.cells:
                if rows[x.tile : x.tile + 1 + x.ramp].any():
                    written.append(self._compose(y, x, columns, new))
        return written

    def _keep(self, index: int, tile: NDArray[Any]) -> None:
        """Remember the outer pixels of a tile."""
        kept, (near, far), (left, right) = self._tiles[index], self._rows, self._columns
        kept[:near], kept[far:] = tile[:near], tile[far:]
        kept[near:far, :left], kept[near:far, right:] = tile[near:far, :left], tile[near:far, right:]

    def _compose(self, y: Cell, x: Cell, columns: int, new: Mapping[int, NDArray[Any]]) -> Box:
        """Write one cell of the picture: copied from one tile, or blended from two or four."""
        first = y.tile * columns + x.tile
        s = self._scale
        box = Box(x.lo * s, y.lo * s, x.hi * s, y.hi * s)
        out = self._image[box.top : box.bottom, box.left : box.right]
        if not (y.ramp or x.ramp):  # of one tile only, so that is among the new ones
            out[...] = self._piece(new[first], first, y, x)
            return box
        blended = self._across(first, y, x)
        if y.ramp:
            weight = self._ramp[:, None, None]
            blended = blended + (self._across(first + columns, y, x) - blended) * weight
        if out.dtype.kind == "u":
            blended = np.rint(blended)  # between two values of the range, so it cannot leave it
        out[...] = blended
        return box

    def _across(self, tile: int, y: Cell, x: Cell) -> NDArray[np.float32]:
        left = self._piece(self._tiles[tile], tile, y, x).astype(np.float32)
        if not x.ramp:
            return left
        return left + (self._piece(self._tiles[tile + 1], tile + 1, y, x) - left) * self._ramp[None, :, None]

    def _piece(self, pixels: NDArray[Any], tile: int, y: Cell, x: Cell) -> NDArray[Any]:
        """What a tile of these pixels has in a cell."""
        left, top = self._grid.origin(tile)
        s = self._scale
        return pixels[(y.lo - top) * s : (y.hi - top) * s, (x.lo - left) * s : (x.hi - left) * s]


def _kept(axis: Axis, tile: int, scale: int) -> tuple[int, int]:
    """(near, far): what is blended with a neighbour lies, in any tile, before `near` or from `far` on."""
    near, far = 0, tile
    for cell in axis.cells:
        if cell.ramp:
            near = max(near, cell.hi - axis.starts[cell.tile + 1])
            far = min(far, cell.lo - axis.starts[cell.tile])
    return min(near, far) * scale, far * scale
