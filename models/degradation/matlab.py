"""MATLAB's bicubic `imresize`, on which most super-resolution papers report. Knows nothing of profiles or seeds."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from models.degradation.blur import Picture

SUPPORT = 4  # width of the cubic, in pixels of the larger spacing


def imresize(picture: Picture, scale: Fraction) -> Picture:
    """(H, W, C) -> (ceil(H·scale), ceil(W·scale), C) float32, not clamped: bicubic overshoots at edges.

    The cubic with a = -0.5 (Keys, 1981), widened by 1/scale when shrinking, centre-aligned, edges mirrored with the
    edge pixel repeated. The numbers are those of MATLAB for `single` or `double` input; for `uint8` input MATLAB rounds
    between the two passes as well, which this does not. ValueError: not three axes, an empty one, scale not positive.
    """
    if picture.ndim != 3 or 0 in picture.shape:
        raise ValueError(f"imresize takes a picture of (H, W, C), none of them 0, not {picture.shape}")
    height, width, channels = picture.shape
    rows, columns = weights(height, scale), weights(width, scale)
    tall = rows @ picture.reshape(height, width * channels).astype(np.float64)
    small = columns @ tall.reshape(len(rows), width, channels)
    return np.asarray(small, dtype=np.float32)


def weights(length: int, scale: Fraction) -> NDArray[np.float64]:
    """(ceil(length·scale), length): how much each sample of a line gives to each sample of the resized line.

    Every row sums to 1. ValueError: scale not positive.
    """
    if scale <= 0:
        raise ValueError(f"a picture cannot be resized by {scale}: use a positive factor")
    wanted = math.ceil(length * scale)
    stretch = max(1.0, float(1 / scale))  # of the filter; 1 when enlarging, which needs no anti-aliasing
    centres = (np.arange(wanted) + 0.5) / float(scale) - 0.5
    taps = math.ceil(SUPPORT * stretch) + 2
    first = np.floor(centres - SUPPORT * stretch / 2).astype(np.int64)
    places = first[:, None] + np.arange(taps)
    values = cubic((centres[:, None] - places) / stretch)
    values /= values.sum(axis=1, keepdims=True)
    phase = places % (2 * length)  # a mirrored line repeats after twice its length
    mirrored = np.where(phase < length, phase, 2 * length - 1 - phase)
    matrix = np.zeros((wanted, length))
    np.add.at(matrix, (np.arange(wanted)[:, None], mirrored), values)
    return matrix


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -0.5: 1 at 0, 0 at other whole numbers and beyond 2."""
    r = np.abs(x)
    near = 1.5 * r**3 - 2.5 * r**2 + 1
    far = -0.5 * r**3 + 2.5 * r**2 - 4 * r + 2
    return np.asarray(np.where(r <= 1, near, np.where(r <= 2, far, 0.0)))
