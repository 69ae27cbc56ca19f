"""By how much tiles lie shifted against others, to a fraction of a pixel: least squares on gradients. Pure numbers.

Lucas and Kanade's step (IJCAI 1981) for a whole tile. A shift is told only where it explains more than noise would.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RIM = 3  # pixels of a tile's edge that are left out: gradients would reach into the next tile
SOFT = 1.0  # pixels of blur before gradients are taken, so that steps of a pixel are seen
SURE = 16.0  # times the noise's variance that a shift must explain, of which two are by chance
LEAST = 0.02  # pixels


def shifts(kept: Floats, now: Floats, variance: Floats) -> Floats:
    """(n, 2) x and y by which `now` lies shifted against `kept`: now(p) is kept(p - shift). 0 where it cannot be told.

    kept, now: (n, side, side) luma, levels; variance: (n,) of the difference's noise.
    """
    n, side, _ = kept.shape
    first, second = (_soft(tiles.reshape(-1, side)).reshape(n, side, side) for tiles in (kept, now))
    inner = slice(RIM, side - RIM)
    across = (first[:, inner, RIM + 1 : side - RIM + 1] - first[:, inner, RIM - 1 : side - RIM - 1]) / 2
    down = (first[:, RIM + 1 : side - RIM + 1, inner] - first[:, RIM - 1 : side - RIM - 1, inner]) / 2
    apart = (second - first)[:, inner, inner]
    # now = kept - shift . gradient, so the shift that explains most is -A^-1 b.
    xx, xy, yy = (
        np.einsum("nij,nij->n", one, other) for one, other in ((across, across), (across, down), (down, down))
    )
    bx, by = (np.einsum("nij,nij->n", slope, apart) for slope in (across, down))
    determinant = xx * yy - xy * xy
    # A tile of parallel edges tells one direction only; then nothing is told.
    sound = determinant > 0.01 * (xx + yy) ** 2 / 4 + 1e-6
    safe = np.where(sound, determinant, 1)
    x, y = -(yy * bx - xy * by) / safe, -(xx * by - xy * bx) / safe
    explained = -(x * bx + y * by)
    found = sound & (explained > SURE * np.maximum(variance, 0.05)) & (np.hypot(x, y) > LEAST)
    return np.where(found[:, None], np.stack([x, y], axis=1), 0).astype(np.float32)


def shifted(tile: NDArray[np.float32], shift: Floats) -> Floats:
    """A tile (h, w) or (h, w, C) moved by (x, y) pixels; what comes in at its edge repeats the edge."""
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    size = (tile.shape[1], tile.shape[0])
    moved = cv2.warpAffine(tile, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _soft(tall: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(tall, (0, 0), SOFT), np.float32)
