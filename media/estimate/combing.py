"""Fields of two times left in one frame: the comb at moving edges. Looks at pixels only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]  # (H, W), 8-bit levels as float32
Mask = NDArray[np.bool_]

LEAST = 8.0  # levels that a row must lie off its neighbours
OVER_NOISE = 3.0  # ... and times the noise


def combing_of(runs: Sequence[Sequence[Luma]], noise: float = 0.0) -> float:
    """Share of the pixels that are combed, 0..1, in the frame that has most: what stands still has no comb.

    runs: of frames that follow one another, all of one size. A pixel is combed where it and the three rows below lie
    off the mean of their neighbours by turns to one side and to the other, and differ from the frame before or after:
    fine level lines that stand still do not count. As many as are found with rows and columns changed round are taken
    off, for noise and texture.
    """
    floor = max(LEAST, OVER_NOISE * noise)
    found = [0.0]
    for run in runs:
        for index, frame in enumerate(run):
            neighbour = run[index - 1] if index else run[1] if len(run) > 1 else None
            moving = None if neighbour is None else np.abs(frame - neighbour) > floor
            sideways = None if moving is None else moving.T
            found.append(_share(frame, moving, floor) - _share(frame.T, sideways, floor))
    return max(found)


def _share(frame: Luma, moving: Mask | None, floor: float) -> float:
    if frame.shape[0] < 6:
        return 0.0
    turned = frame[1:-1] - (frame[:-2] + frame[2:]) / 2
    turned[1::2] *= -1  # a comb is now of one sign
    combed = _four(turned > floor) | _four(turned < -floor)
    if moving is not None:  # rows of one field stay as they were
        combed &= moving[1:-4] | moving[2:-3]
    return float(combed.mean())


def _four(mask: Mask) -> Mask:
    return np.asarray(mask[:-3] & mask[1:-2] & mask[2:-1] & mask[3:], dtype=np.bool_)
