"""PSNR and SSIM of pictures, in RGB and on luma. Plain torch in float64; knows nothing of models or files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WINDOW = 11  # edge of SSIM's Gaussian window, pixels
SIGMA = 1.5
K1, K2 = 0.01, 0.03


@dataclass(frozen=True, slots=True)
class Scores:
    """dB, and SSIM's 0..1. PSNR of equal pictures is infinite."""

    psnr: float
    psnr_y: float
    ssim: float
    ssim_y: float


def compare(image: NDArray[Any], target: NDArray[Any], *, border: int = 0) -> Scores:
    """All four scores of two (H, W, 3) uint8 or uint16 RGB pictures, `border` pixels left out at each edge."""
    if image.shape != target.shape or image.dtype != target.dtype:
        raise ValueError(f"cannot compare {image.shape} {image.dtype} with {target.shape} {target.dtype}")
    peak = float(np.iinfo(image.dtype).max)
    inner = slice(border, -border or None)
    a, b = (_planes(picture[inner, inner], peak) for picture in (image, target))
    ya, yb = luma(a), luma(b)
    return Scores(psnr(a, b), psnr(ya, yb), ssim(a, b), ssim(ya, yb))


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of tensors in [0, 1]."""
    error = float(torch.mean((a.double() - b.double()) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(a: Tensor, b: Tensor) -> float:
    """Mean structural similarity of (C, H, W) in [0, 1], channels averaged, only whole windows.

    Wang et al., TIP 2004: Gaussian window of 11 pixels, sigma 1.5, K1 0.01, K2 0.03. Raises ValueError below 11 pixels.
    """
    _, height, width = a.shape
    if min(height, width) < WINDOW:
        raise ValueError(f"SSIM needs {WINDOW} pixels each way, not {width}x{height}")
    a, b = a.double(), b.double()
    ma, mb = _window_mean(a), _window_mean(b)
    va, vb, cov = _window_mean(a * a) - ma * ma, _window_mean(b * b) - mb * mb, _window_mean(a * b) - ma * mb
    c1, c2 = K1**2, K2**2
    score = ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return float(score.mean())


def luma(rgb: Tensor) -> Tensor:
    """(3, H, W) RGB in [0, 1] -> (1, H, W): studio-range BT.601 luma /255, as the literature's PSNR on Y uses."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64) / 255
    return (rgb.double() * weights.view(3, 1, 1)).sum(0, keepdim=True) + 16 / 255


def _window_mean(t: Tensor) -> Tensor:
    """Gaussian mean of every whole window of (C, H, W). Shifted sums: float64 convolution is six times slower."""
    raw = [math.exp(-((i - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for i in range(WINDOW)]
    line = [weight / sum(raw) for weight in raw]
    for axis in (1, 2):
        length = t.shape[axis] - WINDOW + 1
        total = t.narrow(axis, 0, length) * line[0]
        for offset in range(1, WINDOW):
            total.add_(t.narrow(axis, offset, length), alpha=line[offset])
        t = total
    return t


def _planes(image: NDArray[Any], peak: float) -> Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1).astype(np.float64)) / peak
