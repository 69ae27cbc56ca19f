"""Blur kernels and unsharp masking, as optics and camera firmware do them. Knows nothing of profiles or seeds."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]  # (H, W, 3) RGB in [0, 1], gamma-encoded


def gaussian_kernel(sigma_x: float, sigma_y: float, angle: float) -> NDArray[np.float32]:
    """A normalised Gaussian of two widths (pixels), its x axis turned by `angle` radians. Odd edge, 3 sigma."""
    radius = max(1, math.ceil(3 * max(sigma_x, sigma_y)))
    ys, xs = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float64)
    u = xs * math.cos(angle) + ys * math.sin(angle)
    v = -xs * math.sin(angle) + ys * math.cos(angle)
    kernel = np.exp(-0.5 * ((u / max(sigma_x, 1e-3)) ** 2 + (v / max(sigma_y, 1e-3)) ** 2))
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def motion_kernel(length: float, angle: float) -> NDArray[np.float32]:
    """A straight streak of `length` pixels at `angle` radians, anti-aliased and centred, sum 1."""
    radius = max(1, math.ceil(length / 2) + 1)
    ys, xs = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float64)
    along = xs * math.cos(angle) + ys * math.sin(angle)
    across = -xs * math.sin(angle) + ys * math.cos(angle)
    kernel = np.clip(length / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def blur(picture: Picture, kernel: NDArray[np.float32]) -> Picture:
    """Filter every channel alike; edges are reflected."""
    return np.asarray(cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT_101), dtype=np.float32)


def sharpen(picture: Picture, sigma: float, amount: float) -> Picture:
    """Unsharp mask with the halo it leaves, clamped to [0, 1]: what camera firmware calls sharpness."""
    soft = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.clip(picture + amount * (picture - soft), 0, 1).astype(np.float32)
