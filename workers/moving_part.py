"""Which part of a frame moves: what changed since the frame before, noise aside, and what is near. Decides nothing."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.tile_difference import TileCutter

SOFT = 1.5  # pixels of blur, which takes off most of the noise
CHANGED = 4.0  # levels
OF_NOISE = 1.0  # times the noise's standard deviation, where that is more: what remains of two frames' is a quarter
AROUND = 4  # pixels, each way


class MovingPart:
    """Keeps the frame before, blurred."""

    def __init__(self, cutter: TileCutter) -> None:
        self._cutter = cutter
        self._before: NDArray[Any] | None = None

    def shares(self, image: NDArray[Any], noise: float) -> NDArray[np.float32]:
        """(n, b): of each tile's blocks the share that moves. image: as the grid says; noise: 8-bit levels."""
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        now = np.asarray(cv2.GaussianBlur(luma, (0, 0), SOFT))
        before = now if self._before is None else self._before
        self._before = now
        bound = max(CHANGED, OF_NOISE * noise) * (257 if image.dtype == np.uint16 else 1)
        mask = (cv2.absdiff(now, before) > bound).astype(np.uint8)
        near = np.asarray(cv2.dilate(mask, np.ones((2 * AROUND + 1,) * 2, np.uint8)))
        return self._cutter.block_means(near)
