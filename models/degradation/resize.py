"""Making a picture smaller by a whole number, with filters that scalers really use. Knows nothing of profiles."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from models.degradation.blur import Picture

# All are centre-aligned, so that pairs stay registered.
METHODS = ("area", "bicubic", "bilinear")  # bicubic: a = -0.5, anti-aliased as in MATLAB's imresize; bilinear aliases


def shrink(picture: Picture, scale: int, method: str) -> Picture:
    """(H, W, 3) -> (H/scale, W/scale, 3), not clamped. ValueError: unknown method, size not divisible."""
    height, width, _ = picture.shape
    if height % scale or width % scale:
        raise ValueError(f"a picture of {width}x{height} cannot be shrunk by {scale}: crop it to a multiple first")
    size = (width // scale, height // scale)
    if method == "area":
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    if method == "bilinear":
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    if method == "bicubic":
        tensor = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
        small = F.interpolate(tensor, size=size[::-1], mode="bicubic", align_corners=False, antialias=True)
        return np.ascontiguousarray(small[0].numpy().transpose(1, 2, 0))
    raise ValueError(f"unknown method {method!r}: use one of {', '.join(METHODS)}")
