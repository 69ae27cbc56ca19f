"""The noise floor of a clip, by luma level: what still places change by from one frame to the next.

Knows blocks' differences only. Robust within a frame (a quantile over blocks, so that what moves does not count) and
over time (the median of the last frames).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.tile_difference import Difference

Floats = NDArray[np.float32]
# (3, BINS + 1): square, square of the quarters' mean, colour; NaN where too few blocks tell; last, of all levels
Reading = NDArray[np.float64]

BIN = 32  # levels
BINS = 256 // BIN
LEAST_BLOCKS = 24  # of a bin
QUANTILE = 0.4  # over a bin's blocks: more than half of them may move
# What that quantile of white noise falls short of the mean by (64, 4 x 16 and 2 x 16 samples a block), drawn from it.
# For the quarters it is the largest of four squared means against the mean of one.
BIAS = np.array([1.07, 0.62, 1.09])[:, None]
MEMORY = 32  # frames
SETTLED = 3
OVER_ALL = 4.0  # times the whole picture's: a level that only a moving thing has tells of that thing, not of noise


@dataclass(frozen=True, slots=True)
class Floor:
    """Expected mean squares of the difference of two frames where nothing moves: twice the noise's variance."""

    by_level: Floats  # (3, BINS)
    overall: float = 0.0  # of luma, over all levels

    def at(self, level: Floats) -> tuple[Floats, Floats, Floats]:
        """For blocks of a mean luma (any shape): of luma, of the means of its quarters, of colour."""
        bins = np.minimum(level * np.float32(1 / BIN), BINS - 1).astype(np.intp)
        luma, means, colour = (row[bins] for row in self.by_level)
        return luma, means, colour


SILENT = Floor(np.zeros((3, BINS), np.float32))


def read_noise(difference: Difference, level: Floats) -> Reading:
    """Of one frame against the one before. level: (n, b) of the blocks.

    A block's mean is taken off: lamps flicker, and that is no noise.
    """
    square = np.maximum(difference.square - difference.average**2, 0)
    values = np.stack([square.ravel(), difference.mean.ravel() ** 2, difference.colour.ravel()])
    reading = np.full((3, BINS + 1), np.nan)
    reading[:, BINS] = _quantile(values)
    bins = np.minimum(level.ravel() * np.float32(1 / BIN), BINS - 1).astype(np.uint8)
    for index in np.flatnonzero(np.bincount(bins, minlength=BINS) >= LEAST_BLOCKS):
        reading[:, index] = _quantile(values[:, bins == index])
    return np.asarray(reading * BIAS, np.float64)


def _quantile(values: Floats) -> Floats:
    place = int(QUANTILE * (values.shape[1] - 1))
    return np.asarray(np.partition(values, place, axis=1)[:, place], np.float32)


class NoiseFloor:
    """The median of the last frames' readings; levels of which there is none have their neighbours' between them."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque(maxlen=MEMORY)
        self._floor = SILENT

    @property
    def floor(self) -> Floor:
        return self._floor

    @property
    def settled(self) -> bool:
        """Enough frames were read to tell what is unusual."""
        return len(self._readings) >= SETTLED

    @property
    def sigma(self) -> float:
        """Standard deviation of luma's noise, 8-bit levels."""
        return math.sqrt(self._floor.overall / 2)

    def add(self, reading: Reading) -> None:
        self._readings.append(reading)
        stack = np.stack(self._readings)
        known = np.flatnonzero(~np.isnan(stack[:, 0, :BINS]).all(axis=0))
        overall = np.median(stack[:, :, BINS], axis=0)
        if not len(known):
            self._floor = Floor(np.repeat(overall[:, None], BINS, axis=1).astype(np.float32), float(overall[0]))
            return
        middle = np.minimum(np.nanmedian(stack[:, :, known], axis=0), OVER_ALL * overall[:, None])
        by_level = [np.interp(np.arange(BINS), known, row) for row in middle]
        self._floor = Floor(np.array(by_level, np.float32), float(overall[0]))
