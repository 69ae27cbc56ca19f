"""Traces of a codec's blocks in the pixels. Looks at pixels only; what the stream itself says is `quantiser`'s."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]  # (H, W), 8-bit levels as float32

GRID = 8  # pixels: the grid of JPEG, MPEG-2, and of the transforms that H.264 and H.265 use at low rates


def blockiness_of(frames: Sequence[Luma]) -> float:
    """Steps at the lines of the 8-pixel grid beyond those elsewhere, levels; 0: none to be seen.

    The step between two neighbours beyond the mean of those on either side, averaged along the lines of the grid that
    begins at the picture's corner, against the median of the 7 other grids, both ways. Deblocking filters, which H.264
    and H.265 have, hide most of it; blocks of an earlier encoding on another grid are not seen.
    """
    found = [max(0.0, (_excess(frame) + _excess(frame.T)) / 2) for frame in frames]
    return float(np.mean(found)) if found else 0.0


def _excess(frame: Luma) -> float:
    if frame.shape[1] < 4 * GRID:
        return 0.0
    step = np.abs(np.diff(frame, axis=1))
    beyond = step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2
    lines = np.array([beyond[:, phase::GRID].mean() for phase in range(GRID)])
    return float(lines[GRID - 2] - np.median(np.delete(lines, GRID - 2)))  # `beyond` begins at the second step
