"""Which tiles of a frame must be enhanced: those whose pixels differ from what was last enhanced in their place.

Exact: a tile is reused only where every input pixel, halo included, is the same, so the output is the same bit for bit.
(Codecs leave still regions untouched, so a fixed camera gives many such tiles.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tiles import TileGrid


class ExactReuse:
    """Remembers, per tile, the input pixels that were last enhanced."""

    look: None = None  # nothing is measured

    def __init__(self, grid: TileGrid) -> None:
        self._grid = grid
        self._last: NDArray[Any] | None = None
        self._stale = np.ones(grid.count, bool)

    def changed(self, image: NDArray[Any]) -> NDArray[np.intp]:
        """Numbers of the tiles to enhance, ascending; the image counts as their last enhanced input from now on.

        image: (height, width, 3), as the grid says.
        """
        image = self._grid.pad(image)
        t = self._grid.tile
        if self._last is None:
            self._last = image.copy()
            self._stale[:] = False
            return np.arange(self._grid.count)
        changed = []
        for index in range(self._grid.count):
            left, top = self._grid.origin(index)
            here = (slice(top, top + t), slice(left, left + t))
            if self._stale[index] or not np.array_equal(self._last[here], image[here]):
                changed.append(index)
        self._stale[:] = False
        # Tiles overlap: all of them are compared before anything is remembered.
        np.copyto(self._last, image)
        return np.array(changed, np.intp)

    def tiles(self, image: NDArray[Any], indices: NDArray[np.intp]) -> NDArray[Any]:
        """(len(indices), tile, tile, 3): as the frame has them."""
        return self._grid.cut(image, indices)

    def forget(self, indices: NDArray[np.intp]) -> None:
        """These tiles were not enhanced after all: enhance them in the next frame whatever it shows."""
        self._stale[indices] = True
