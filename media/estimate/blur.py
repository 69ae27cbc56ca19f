"""How soft a few pictures are: the Gaussian that would make their edges so. Looks at pixels only."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]  # (H, W), 8-bit levels as float32

NARROW, WIDE = 1.0, 2.0  # pixels: the two blurs whose effect on an edge is compared
STRONGEST = 0.06  # share of the pixels that count as edges, at most
LEAST = 3.0  # levels a pixel, and times the noise's own slope: weaker edges are not looked at
ISOLATED = 7  # pixels: an edge is the steepest place across so many
NEAR_SIDE, FAR_SIDE = 3, 6  # pixels from the edge: what lies between is to be flat, or it is a line and no step
UNEVEN = 0.5  # of the step's height: how far both sides together may be from flat
BORDER = 2 * ISOLATED
QUANTILE = 0.4  # of the edges' widths: the picture's sharp parts tell of the camera, the soft ones of the scene
LEAST_EDGES = 40


def blur_of(frames: Sequence[Luma], noise: float = 0.0) -> float | None:
    """Sigma in pixels of the Gaussian equivalent of the frames' edges; None where there are too few edges.

    Zhuo and Sim ("Defocus map estimation from a single image", Pattern Recognition 2011): where a step edge of width s
    is blurred by a and by b, its slopes have the ratio R = sqrt((s² + b²) / (s² + a²)). A perfectly sampled step
    reads about 0.3, the width of a pixel's own square. noise: levels, so that grain is not taken for edges.
    """
    found = [widths for frame in frames if (widths := _widths(frame, noise)).size]
    if not found or sum(map(len, found)) < LEAST_EDGES:
        return None
    return math.sqrt(max(0.0, float(np.quantile(np.concatenate(found), QUANTILE))))


def _widths(frame: Luma, noise: float) -> NDArray[np.float32]:
    """s² of each edge, which noise may take below 0."""
    if min(frame.shape) < 4 * ISOLATED:
        return np.empty(0, np.float32)
    slope = _slope(frame, NARROW)
    # The derivative of a Gaussian of sigma 1 makes of white noise of deviation 1 one of sqrt(1 / 8 pi) = 0.2 each way.
    floor = max(LEAST, 6 * 0.2 * noise, float(np.quantile(slope, 1 - STRONGEST)))
    ridge = _crest(frame, slope)
    ridge &= slope >= floor
    border = BORDER
    ridge[:border], ridge[-border:], ridge[:, :border], ridge[:, -border:] = False, False, False, False
    squared = (slope[ridge] / np.maximum(_slope(frame, WIDE)[ridge], 1e-3)) ** 2
    usable = squared[squared > 1.02]
    return np.asarray((WIDE**2 - usable * NARROW**2) / (usable - 1), dtype=np.float32)


def _soft(frame: Luma, sigma: float) -> Luma:
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), dtype=np.float32)


def _slope(frame: Luma, sigma: float) -> Luma:
    soft = _soft(frame, sigma)
    across, down = _differences(soft)
    return np.asarray(np.sqrt(across**2 + down**2), dtype=np.float32)


def _differences(soft: Luma) -> tuple[Luma, Luma]:
    kernel = np.array([[-0.5, 0, 0.5]], np.float32)
    across = cv2.filter2D(soft, cv2.CV_32F, kernel)
    down = cv2.filter2D(soft, cv2.CV_32F, np.ascontiguousarray(kernel.T))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _crest(frame: Luma, slope: Luma) -> NDArray[np.bool_]:
    """Where the slope is the largest across the edge and the edge is a step, near-upright or near-level."""
    soft = _soft(frame, NARROW)
    across, down = map(np.abs, _differences(soft))
    row = cv2.dilate(slope, np.ones((1, ISOLATED), np.uint8)) <= slope
    column = cv2.dilate(slope, np.ones((ISOLATED, 1), np.uint8)) <= slope
    upright = row & (across > 3 * down) & _step(soft, 1)
    level = column & (down > 3 * across) & _step(soft, 0)
    return np.asarray(upright | level, dtype=np.bool_)


def _step(soft: Luma, axis: int) -> NDArray[np.bool_]:
    """Where the picture goes from one level to another along the axis, flat on either side. Wrong near the border."""
    before, after = np.roll(soft, NEAR_SIDE, axis), np.roll(soft, -NEAR_SIDE, axis)
    rest = np.abs(np.roll(soft, FAR_SIDE, axis) - before) + np.abs(np.roll(soft, -FAR_SIDE, axis) - after)
    return np.asarray(rest <= UNEVEN * np.abs(after - before), dtype=np.bool_)
