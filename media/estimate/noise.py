"""The noise of a few pictures, in 8-bit levels. Looks at pixels only; knows no camera and no codec."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]  # (H, W), 8-bit levels as float32

SIDE = 8  # pixels of a block
FLATTEST = 0.15  # share of the blocks, those with the least structure, that are looked at
LEAST_BLOCKS = 12
DARK, BRIGHT = 4.0, 251.0  # blocks nearer to black or white have lost a part of their noise to clipping
MOVED = 4.0  # times the variance in time of flat blocks: where the median block has more, it is no noise
SOFT = 2.0  # pixels: structure is looked for in a picture blurred by so much, so that noise does not choose its blocks

QUANTILE = 0.3  # of these blocks' variances: texture that is in some of them only is passed over
# What that quantile of white noise's variances falls short by, measured: blocks have few pixels.
_SPATIAL_BIAS, _TEMPORAL_BIAS = 1.24, 1.14

# The Laplacian of Immerkaer ("Fast noise variance estimation", CVIU 1996): blind to planes; of white noise of
# deviation 1 it gives 6.
_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6


def noise_of(runs: Sequence[Sequence[Luma]]) -> float:
    """Standard deviation of the noise on luma in flat places, levels; 0 where nothing is flat enough to tell.

    runs: of frames that follow one another, all of one size. The larger of two measures: a Laplacian within each frame,
    which sees fine grain and what a codec froze, and half the squared difference of neighbours in time, which sees soft
    grain too, unless most of the picture moves. Both are a low quantile over the flattest blocks, so that textured and
    moving ones do not matter. Frames by themselves read low where the grain is soft: the Laplacian misses what is wider
    than a pixel.
    """
    first = _measured(runs, 0.0)
    return _measured(runs, first) if first > 1 else first  # again, without the blocks whose noise black or white cut


def _measured(runs: Sequence[Sequence[Luma]], noise: float) -> float:
    spatial: list[float] = []
    temporal: list[float] = []
    for run in runs:
        for index, frame in enumerate(run):
            flat = flat_blocks(frame, noise)
            if flat is None:
                continue
            spatial.append(_low(_means(_laplacian(frame) ** 2)[flat]) * _SPATIAL_BIAS)
            if index:
                difference = frame - run[index - 1]
                changes = _means(difference**2) - _means(difference) ** 2  # lamps flicker: a block's mean is no noise
                if float(np.median(changes)) <= MOVED * max(_low(changes[flat]), 0.1):
                    temporal.append(_low(changes[flat]) / 2 * _TEMPORAL_BIAS)
    squares = [float(np.median(found)) for found in (spatial, temporal) if found]
    return math.sqrt(max([0.0, *squares]))


def flat_blocks(frame: Luma, noise: float) -> NDArray[np.bool_] | None:
    """(H // SIDE, W // SIDE): the blocks with the least structure that are neither black nor white; None: too few."""
    height, width = frame.shape
    if height < SIDE or width < SIDE:
        return None
    soft = cv2.GaussianBlur(frame, (0, 0), SOFT)
    slope = cv2.Sobel(soft, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(soft, cv2.CV_32F, 0, 1) ** 2
    steepness, level = _means(np.asarray(slope, np.float32)), _means(frame)
    usable = (level > DARK + 2 * noise) & (level < BRIGHT - 2 * noise)
    count = int(usable.sum())
    if count < LEAST_BLOCKS:
        return None
    wanted = max(LEAST_BLOCKS, round(count * FLATTEST))
    limit = np.partition(steepness[usable], wanted - 1)[wanted - 1]
    return np.asarray(usable & (steepness <= limit), dtype=np.bool_)


def _laplacian(frame: Luma) -> Luma:
    return np.asarray(cv2.filter2D(frame, cv2.CV_32F, _KERNEL, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _means(values: Luma) -> Luma:
    """Of each whole block."""
    rows, columns = values.shape[0] // SIDE, values.shape[1] // SIDE
    blocks = values[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def _low(variances: Luma) -> float:
    return float(np.quantile(variances, QUANTILE))
