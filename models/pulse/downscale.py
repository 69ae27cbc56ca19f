"""PULSE's downscale operator D: antialiased bicubic by a whole factor. Differentiable; knows no banks or losses.

Not MATLAB's `imresize` (models/degradation/matlab.py): the taps are centred alike, but borders are reflected without
the edge sample, and an odd factor pads one sample fewer before than after. D is linear and separable, so it is one
matrix from either side: on a GPU that is the same in every run, which the gradient of a reflecting pad is not.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

A = -0.5  # of the cubic convolution kernel (Keys, 1981)


def bicubic_taps(factor: int) -> NDArray[np.float64]:
    """(4·factor,) taps, sum 1: the cubic kernel stretched by `factor`, sampled at the centres of pixels."""
    if factor < 1:
        raise ValueError(f"the factor of a downscale must be a whole number from 1 on, not {factor}")
    x = np.abs(np.arange(4 * factor) - 2 * factor + 0.5) / factor
    near = (A + 2) * x**3 - (A + 3) * x**2 + 1
    far = A * x**3 - 5 * A * x**2 + 8 * A * x - 4 * A
    taps = np.where(x <= 1, near, np.where(x < 2, far, 0.0))
    return np.asarray(taps / taps.sum())


def downscale_matrix(size: int, factor: int) -> NDArray[np.float64]:
    """(size/factor, size): the weights of the samples of a line in each sample of the smaller one.

    Raises ValueError where the factor does not divide the size, or leaves fewer than two samples (reflecting by 1.5
    factors needs two).
    """
    taps = bicubic_taps(factor)
    if size % factor or size < 2 * factor:
        raise ValueError(f"{size} pixels cannot be downscaled by {factor}: that must give two whole pixels or more")
    places = np.abs(np.arange(size + 3 * factor) - 3 * factor // 2)  # of the padded line's samples in the line
    places = np.where(places < size, places, 2 * (size - 1) - places)
    matrix = np.zeros((size // factor, size))
    for row, line in enumerate(matrix):
        np.add.at(line, places[row * factor : row * factor + len(taps)], taps)
    return matrix


def downscale(images: Tensor, factor: int) -> Tensor:
    """images (N, C, H, W) -> (N, C, H/factor, W/factor), same dtype and range (overshoot aside); not clamped.

    Vertical first, then horizontal. Raises ValueError as `downscale_matrix`.
    """
    _, _, height, width = images.shape
    vertical = torch.from_numpy(downscale_matrix(height, factor)).to(images)
    horizontal = torch.from_numpy(downscale_matrix(width, factor)).to(images)
    return vertical @ images @ horizontal.T
