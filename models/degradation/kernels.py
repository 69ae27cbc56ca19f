"""Blur kernels and sharpening as super-resolution training defines them. Knows nothing of profiles or seeds.

Kernels are (size, size) float64, size odd, sum 1; lengths in pixels, angles in radians. Filtering with them is
`filter2d`. Source of the shapes: Real-ESRGAN (Wang et al., ICCVW 2021) and, for the generalised Gaussian and the
plateau, Liu et al., "Estimating generalized Gaussian blur kernels", TIP 2020.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.degradation.blur import Picture, blur

Kernel = NDArray[np.float64]


def gaussian(size: int, sigma_x: float, sigma_y: float, angle: float) -> Kernel:
    """A Gaussian whose axis of width sigma_x is turned by `angle` from x towards y; isotropic where the two agree."""
    return generalised_gaussian(size, sigma_x, sigma_y, angle, 1.0)


def generalised_gaussian(size: int, sigma_x: float, sigma_y: float, angle: float, beta: float) -> Kernel:
    """exp(-q^beta / 2) of the squared Mahalanobis distance q: beta < 1 peaked with long tails, > 1 flat-topped."""
    return _normal(np.exp(-0.5 * _distance(size, sigma_x, sigma_y, angle) ** beta))


def plateau(size: int, sigma_x: float, sigma_y: float, angle: float, beta: float) -> Kernel:
    """1 / (1 + q^beta): a flat top with slow tails."""
    return _normal(1 / (1 + _distance(size, sigma_x, sigma_y, angle) ** beta))


def sinc(size: int, omega: float) -> Kernel:
    """A circular low-pass of cut-off `omega` (0..pi radians a pixel), truncated: leaves rings around edges.

    omega·J1(omega·r) / (2·pi·r), omega²/(4·pi) in the centre. ValueError: omega outside.
    """
    if not 0 < omega <= math.pi:
        raise ValueError(f"a cut-off of {omega} radians a pixel is not between 0 and pi")
    xs, ys = _grid(size)
    r = np.hypot(xs, ys)
    r[size // 2, size // 2] = 1  # any but 0; the centre is set below
    bessel = torch.special.bessel_j1(torch.from_numpy(omega * r)).numpy()
    kernel = omega * bessel / (2 * math.pi * r)
    kernel[size // 2, size // 2] = omega**2 / (4 * math.pi)
    return _normal(kernel)


def pad(kernel: Kernel, size: int) -> Kernel:
    """The kernel in the middle of zeros; filtering is unchanged. ValueError: it is larger than `size`."""
    if kernel.shape[0] > size or size % 2 == 0:
        raise ValueError(f"a kernel of edge {kernel.shape[0]} cannot be padded to {size}: use an odd, larger edge")
    return np.pad(kernel, (size - kernel.shape[0]) // 2)


def filter2d(picture: Picture, kernel: Kernel) -> Picture:
    """Cross-correlate every channel of (H, W, 3) with the kernel, unturned; edges mirrored, edge pixel not repeated."""
    return blur(picture, kernel.astype(np.float32))


def unsharp(picture: Picture, *, size: int = 51, amount: float = 0.5, threshold: float = 10 / 255) -> Picture:
    """(H, W, 3) in [0, 1] -> the same, sharpened only where it differs from its blur by more than `threshold`.

    The choice is itself blurred, so that it leaves no seams. The Gaussian's sigma follows from its edge as in OpenCV,
    8 for 51. Real-ESRGAN sharpens its training targets so.
    """
    soft = cv2.GaussianBlur(picture, (size, size), 0, borderType=cv2.BORDER_REFLECT_101)
    detail = picture - soft
    chosen = (np.abs(detail) > threshold).astype(np.float32)
    share = cv2.GaussianBlur(chosen, (size, size), 0, borderType=cv2.BORDER_REFLECT_101)
    sharp = np.clip(picture + amount * detail, 0, 1)
    return np.asarray(share * sharp + (1 - share) * picture, dtype=np.float32)


def _grid(size: int) -> tuple[Kernel, Kernel]:
    """x and y of every pixel from the centre. ValueError: size is even or not positive."""
    if size < 1 or size % 2 == 0:
        raise ValueError(f"a kernel cannot have an edge of {size}: use an odd number, so that it has a centre")
    ys, xs = np.mgrid[-(size // 2) : size // 2 + 1, -(size // 2) : size // 2 + 1].astype(np.float64)
    return xs, ys


def _distance(size: int, sigma_x: float, sigma_y: float, angle: float) -> Kernel:
    """Squared Mahalanobis distance from the centre. ValueError: a width that is not positive."""
    if min(sigma_x, sigma_y) <= 0:
        raise ValueError(f"a kernel cannot be {sigma_x} x {sigma_y} wide: both must be positive")
    xs, ys = _grid(size)
    along = xs * math.cos(angle) + ys * math.sin(angle)
    across = -xs * math.sin(angle) + ys * math.cos(angle)
    return np.asarray((along / sigma_x) ** 2 + (across / sigma_y) ** 2)


def _normal(kernel: Kernel) -> Kernel:
    return np.asarray(kernel / kernel.sum())
