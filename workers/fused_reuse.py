"""Reuse with fusion: still tiles are enhanced from the mean of many frames, and again when that has become better.

Wraps any way of reuse. Keeps the means, the noise floor they are judged by, and what each tile that is shown was made
of.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.fusion import Fusion
from workers.noise_floor import NoiseFloor, read_noise
from workers.reuse import Look, Reuse
from workers.tile_difference import TileCutter, TilePlanes, difference, levels
from workers.tiles import TileGrid

APART = 12  # frames, at least, between two whose difference tells of noise: codecs leave it as it is for a while
PAYS = 2  # times the observations that a tile was enhanced from: from then on it is enhanced again


class FusedReuse:
    """The same interface as the others; `tiles` gives what is to be enhanced, which need not be the frame's pixels."""

    def __init__(self, grid: TileGrid, inner: Reuse) -> None:
        self._grid, self._inner = grid, inner
        self._cutter = TileCutter(grid)
        self._fusion = Fusion(grid.count, self._cutter.side)
        self._noise = NoiseFloor()
        self._references: deque[TilePlanes] = deque(maxlen=2)  # frames that were APART frames apart; first the older
        self._frame = 0
        self._made_of = np.zeros(grid.count, np.int64)  # observations in what is shown of each tile
        self._stale = np.zeros(grid.count, bool)

    @property
    def look(self) -> Look | None:
        look = self._inner.look or Look(None, self._noise.sigma, 0.0)
        fused = self._made_of > 1
        return replace(look, fused=int(fused.sum()), observations=float(self._made_of.mean()))

    def changed(self, image: NDArray[Any]) -> NDArray[np.intp]:
        """Numbers of the tiles to enhance, ascending. image: (height, width, 3) uint8 or uint16, as the grid says."""
        found = np.zeros(self._grid.count, bool)
        found[self._inner.changed(image)] = True
        now = self._cutter.planes(image)
        if self._references:
            self._noise.add(read_noise(difference(now, self._references[0]), levels(now)))
        if self._frame % APART == 0:
            self._references.append(now)
        self._frame += 1
        inner = self._inner.look
        event = inner is not None and inner.whole
        if event:  # frames before it tell nothing of the noise after it
            self._references.clear()
            self._references.append(now)
        going = self._fusion.observe(self._cutter.windows(image), self._noise.floor, np.full(len(found), event))
        count = self._fusion.count
        # What began anew must not be shown as it was; what became better is enhanced when that pays.
        found |= self._stale | (~going & (self._made_of > 1)) | (going & (count >= PAYS * self._made_of))
        self._stale[:] = False
        self._made_of[found] = count[found]
        return np.flatnonzero(found)

    def tiles(self, image: NDArray[Any], indices: NDArray[np.intp]) -> NDArray[Any]:
        """(len(indices), tile, tile, 3) of the image's dtype: the frame's own, or the mean where there is one.

        To be called for the frame that `changed` was called for last.
        """
        tiles = self._grid.cut(image, indices)
        several = np.flatnonzero(self._fusion.count[indices] > 1)
        means = self._cutter.tiles_of(self._fusion.tiles(indices[several]), indices[several])
        scale, top = (257, 65535) if image.dtype == np.uint16 else (1, 255)
        tiles[several] = np.clip(np.rint(means * scale), 0, top).astype(image.dtype)
        return tiles

    def forget(self, indices: NDArray[np.intp]) -> None:
        """These tiles were not enhanced after all: enhance them in the next frame whatever it shows."""
        self._inner.forget(indices)
        self._stale[indices] = True
        self._made_of[indices] = 1
