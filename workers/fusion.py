"""Averages of what still tiles showed in many frames: noise falls with the root of their number. Only frames that came.

Each tile has a running mean and a count. A frame is added where, moved back by what the tile drifted, it differs from
the mean by no more than noise explains; where it differs by more, something moved, and the tile begins anew with the
frame alone. Knows no network; what is worth enhancing again is decided in `fused_reuse.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.alignment import shifted, shifts
from workers.noise_floor import Floor
from workers.tile_difference import BLOCK, FINE

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """Bounds in 8-bit levels or their squares, as those of `workers.change.ChangeSettings`, and stricter."""

    most: int = 32  # observations that count; then the oldest fade
    square: float = 20.0  # mean square over the three channels, of a block of 8 x 8
    mean: float = 4.0  # of a quarter of a block
    tile: float = 1.0  # of a tile
    over_square: float = 3.0
    over_mean: float = 25.0
    furthest: float = 1.0  # pixels of drift


class Fusion:
    """The means of all tiles. Tiles are windows of `side` pixels, a whole number of blocks."""

    def __init__(self, count: int, side: int, settings: FusionSettings | None = None) -> None:
        self._settings, self._side = settings or FusionSettings(), side
        self._mean = np.zeros((count, side, side, 3), np.float32)  # 8-bit levels
        self.count = np.zeros(count, np.int64)  # observations in each mean
        self.shift = np.zeros((count, 2), np.float32)  # of the frame against the mean, pixels

    def observe(self, tiles: Floats, floor: Floor, restart: Mask) -> Mask:
        """Take a frame's tiles (n, side, side, 3), 8-bit levels. restart: (n,) tiles to begin anew whatever they show.

        Returns (n,) those that went on; the others begin anew.
        """
        settings = self._settings
        known = (self.count > 0) & ~restart
        going = np.zeros(len(known), bool)
        if known.any():
            kept, now = _luma(self._mean), _luma(tiles)
            parts = np.float32(0.5) * (1 + 1 / np.maximum(self.count, 1)).astype(np.float32)
            self.shift = shifts(kept, now, floor.overall * parts)
            back = tiles.copy() if self.shift.any() else tiles
            for index in np.flatnonzero(self.shift.any(axis=1) & known):
                back[index] = shifted(tiles[index], -self.shift[index])
            near = np.hypot(self.shift[:, 0], self.shift[:, 1]) <= settings.furthest
            going = known & near & self._same(back, kept, floor, parts)
            self.count = np.where(going, np.minimum(self.count + 1, settings.most), 1)
            share = (1 / self.count).astype(np.float32)[:, None, None, None]
            moved = ~going[:, None, None, None]
            self._mean += np.where(moved, tiles - self._mean, (back - self._mean) * share)
        else:
            self._mean[...] = tiles
            self.count[:] = 1
        self.shift[~going] = 0
        return going

    def tiles(self, indices: NDArray[np.intp]) -> Floats:
        """(m, side, side, 3) means of tiles, moved to where they lie in the last frame."""
        out = self._mean[indices]
        for place, index in enumerate(indices):
            if self.shift[index].any():
                out[place] = shifted(self._mean[index], self.shift[index])
        return out

    def _same(self, back: Floats, kept: Floats, floor: Floor, parts: Floats) -> Mask:
        """(n,) tiles that differ from their mean by no more than noise explains."""
        settings, n, side = self._settings, len(back), self._side
        apart = (back - self._mean).reshape(n * side, side, 3)
        luma, means, colour = (noise * parts[:, None] for noise in floor.at(_blocks(kept.reshape(-1, side), n)))
        squares = np.asarray(cv2.multiply(apart, apart), np.float32).mean(axis=2)
        bound = np.maximum(settings.square, settings.over_square * (luma + colour))
        tall = np.asarray(cv2.cvtColor(apart, cv2.COLOR_RGB2GRAY), np.float32)
        quarters = np.abs(_area(tall, FINE))
        largest = np.asarray(cv2.dilate(quarters, np.ones((2, 2), np.uint8), anchor=(0, 0)), np.float32)[::2, ::2]
        far = np.maximum(
            _blocks(squares, n) / bound,
            largest.reshape(n, -1) ** 2 / np.maximum(settings.mean**2, settings.over_mean * means),
        )
        drift = np.abs(_area(tall, side).reshape(n))
        return np.asarray((far.max(axis=1) <= 1) & (drift <= settings.tile), np.bool_)


def _luma(tiles: Floats) -> Floats:
    n, side = tiles.shape[:2]
    return np.asarray(cv2.cvtColor(tiles.reshape(-1, side, 3), cv2.COLOR_RGB2GRAY), np.float32).reshape(n, side, side)


def _blocks(tall: NDArray[Any], count: int) -> Floats:
    return _area(tall, BLOCK).reshape(count, -1)


def _area(tall: NDArray[Any], block: int) -> Floats:
    size = (tall.shape[1] // block, tall.shape[0] // block)
    return np.asarray(cv2.resize(tall, size, interpolation=cv2.INTER_AREA), np.float32)
