"""Resizing to any size with OpenCV's filters, as random degradations do over and over. Knows nothing of profiles."""

from __future__ import annotations

import cv2
import numpy as np

from models.degradation.blur import Picture

# bilinear and bicubic (a = -0.75) are not anti-aliased: shrinking with them aliases, which is wanted here.
FILTERS = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def rescale(picture: Picture, height: int, width: int, method: str) -> Picture:
    """(H, W, 3) -> (height, width, 3), centre-aligned, not clamped. ValueError: unknown method, size below 1."""
    if method not in FILTERS:
        raise ValueError(f"unknown method {method!r}: use one of {', '.join(FILTERS)}")
    if height < 1 or width < 1:
        raise ValueError(f"a picture cannot be resized to {width}x{height}: use at least 1x1")
    return np.asarray(cv2.resize(picture, (width, height), interpolation=FILTERS[method]), dtype=np.float32)


def rescale_by(picture: Picture, factor: float, method: str) -> Picture:
    """To the nearest size in whole pixels, at least 1x1."""
    height, width, _ = picture.shape
    return rescale(picture, max(1, round(height * factor)), max(1, round(width * factor)), method)


def draw_filter(rng: np.random.Generator) -> str:
    """One of `FILTERS`, all equally likely."""
    return tuple(FILTERS)[int(rng.integers(len(FILTERS)))]
