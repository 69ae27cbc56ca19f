"""The literature's protocol for clean enlargement: luma alone, MATLAB's bicubic, borders cut. Knows no networks.

As the programs published with SRCNN and its followers have it: the picture's Y of 8 bits is cut to a multiple of the
scale and shrunk by `imresize`; the small one is not rounded. The enlarged one is, and as many pixels as the scale says
are left out at every edge. So Set5 x3 enlarged by bicubic reads 30.39 dB.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from models.degradation.matlab import imresize
from models.metrics import psnr, ssim

Bytes = NDArray[np.uint8]
Plane = NDArray[np.float32]  # (H, W) in [0, 1]
Enlarge = Callable[[Plane], Plane]  # (h, w) -> (s·h, s·w)

_KR, _KG, _KB = 65.481, 128.553, 24.966  # BT.601 in studio range, per 1.0 of each colour


def luma(picture: Bytes) -> Bytes:
    """(H, W, 3) uint8 RGB -> (H, W) uint8, 16 to 235, as MATLAB's rgb2ycbcr rounds it."""
    red, green, blue = (picture[..., channel].astype(np.float64) / 255 for channel in range(3))
    return np.floor(16 + _KR * red + _KG * green + _KB * blue + 0.5).astype(np.uint8)


def pair(y: Bytes, scale: int) -> tuple[Plane, Bytes]:
    """The small plane (h, w), which may leave [0, 1] a little at edges, and its truth (s·h, s·w).

    Raises ValueError for a plane smaller than `scale`.
    """
    height, width = (side - side % scale for side in y.shape)
    target = y[:height, :width]
    return resized((target / 255).astype(np.float32), Fraction(1, scale)), target


def resized(plane: Plane, scale: Fraction) -> Plane:
    """MATLAB's bicubic imresize of one plane, not clamped."""
    return imresize(plane[..., None], scale)[..., 0]


def bicubic(scale: int) -> Enlarge:
    return lambda low: resized(low, Fraction(scale))


def scores(enlarged: Plane, target: Bytes, scale: int) -> tuple[float, float]:
    """PSNR (dB) and SSIM of an enlarged plane, rounded to 8 bits, `scale` pixels left out at every edge.

    Raises ValueError where the sizes differ.
    """
    if enlarged.shape != target.shape:
        raise ValueError(f"cannot compare {enlarged.shape} with {target.shape}")
    rounded = np.floor(np.clip(enlarged.astype(np.float64), 0, 1) * 255 + 0.5)
    inner = slice(scale, -scale)
    ours, truth = (torch.from_numpy(plane[None, inner, inner] / 255.0) for plane in (rounded, target))
    return psnr(ours, truth), ssim(ours, truth)
