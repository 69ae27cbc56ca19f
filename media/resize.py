"""Resizing of images without a network: area averages for shrinking, Lanczos for enlarging."""

from __future__ import annotations

import cv2

from media.types import Image


def resize(image: Image, width: int, height: int) -> Image:
    """image: (H, W, 3) uint8 or uint16. Returns (height, width, 3), same dtype; the image itself where it fits."""
    old_height, old_width = image.shape[:2]
    shrunk = (min(width, old_width), min(height, old_height))
    if shrunk != (old_width, old_height):
        image = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
    if shrunk != (width, height):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LANCZOS4)
    return image
