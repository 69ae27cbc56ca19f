"""A flat thing with lettering on it, plate or sign, while it is drawn. Knows nothing of where it will hang."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.drawn.lettering import Hand, line

Bytes = NDArray[np.uint8]
Colour = tuple[int, int, int]

BLACK: Colour = (12, 12, 14)
WHITE: Colour = (240, 240, 236)


@dataclass(slots=True)
class Card:
    pixels: Bytes  # (H, W, 3) RGB
    shape: Bytes  # (H, W) alpha

    @classmethod
    def blank(cls, height: int, width: int, colour: Colour) -> Card:
        pixels = np.empty((height, width, 3), np.uint8)
        pixels[:] = colour
        return cls(pixels, np.full((height, width), 255, np.uint8))

    @property
    def size(self) -> tuple[int, int]:
        return self.shape.shape[0], self.shape.shape[1]

    def paint(self, mask: Bytes, colour: Colour, top: int = 0, left: int = 0) -> None:
        """Blend a colour over the card where the mask (h, w) is, its corner at (top, left); what sticks out is lost."""
        height, width = self.size
        y0, x0 = max(0, top), max(0, left)
        y1, x1 = min(height, top + mask.shape[0]), min(width, left + mask.shape[1])
        if y0 >= y1 or x0 >= x1:
            return
        here = self.pixels[y0:y1, x0:x1]
        here[:] = blend(here, np.array(colour, np.int32), mask[y0 - top : y1 - top, x0 - left : x1 - left])

    def write(
        self, text: str, hand: Hand, colour: Colour, box: tuple[float, float, float, float], *, bevel: float = 0.0
    ) -> Bytes:
        """Text as large as fits the box (top, left, bottom, right as shares), in its middle. Returns the mask used.

        bevel: strength of a light edge to the upper left and a dark one to the lower right, as embossing gives.
        """
        height, width = self.size
        top, left, bottom, right = (round(v) for v in np.array(box) * (height, width, height, width))
        mask = line(text, max(5, bottom - top), hand)
        if mask.shape[1] > right - left:  # narrower, and only then lower
            squeeze = (right - left) / mask.shape[1]
            tall = mask.shape[0] if squeeze > 0.75 else max(4, round(mask.shape[0] * squeeze / 0.75))
            mask = np.asarray(cv2.resize(mask, (max(1, right - left), tall), interpolation=cv2.INTER_AREA), np.uint8)
        y, x = (top + bottom - mask.shape[0]) // 2, (left + right - mask.shape[1]) // 2
        if bevel > 0:
            faint = np.asarray(mask * bevel, np.uint8)
            away = max(1, height // 50)
            self.paint(faint, (255, 255, 255), y - away, x - away)
            self.paint(faint, (0, 0, 0), y + away, x + away)
        self.paint(mask, colour, y, x)
        return mask

    def border(self, colour: Colour, thick: int, inset: int, radius: int) -> None:
        mask = np.zeros(self.size, np.uint8)
        height, width = self.size
        _round_box(mask, inset, inset, width - 1 - inset, height - 1 - inset, radius)
        inner = np.zeros_like(mask)
        far = inset + thick
        _round_box(inner, far, far, width - 1 - far, height - 1 - far, max(0, radius - thick))
        self.paint(mask - np.minimum(inner, mask), colour)

    def round_off(self, radius: int) -> None:
        mask = np.zeros(self.size, np.uint8)
        _round_box(mask, 0, 0, self.size[1] - 1, self.size[0] - 1, radius)
        self.shape = np.minimum(self.shape, mask)


def blend(below: NDArray[np.uint8], above: NDArray[np.uint8] | NDArray[np.int32], alpha: Bytes) -> Bytes:
    """(H, W, 3) below, and (H, W, 3) or one colour above by alpha (H, W): whole numbers, 255 covers wholly."""
    share = alpha.astype(np.int32)[..., None]
    share += share >> 7  # to 256, so that a shift divides
    under = below.astype(np.int32)
    mixed = above.astype(np.int32) - under
    mixed *= share
    mixed >>= 8
    mixed += under
    return mixed.astype(np.uint8)


def _round_box(mask: Bytes, x0: int, y0: int, x1: int, y1: int, radius: int) -> None:
    if x1 <= x0 or y1 <= y0:
        return
    r = min(radius, (x1 - x0) // 2, (y1 - y0) // 2)
    cv2.rectangle(mask, (x0 + r, y0), (x1 - r, y1), 255, -1)
    cv2.rectangle(mask, (x0, y0 + r), (x1, y1 - r), 255, -1)
    for x, y in ((x0 + r, y0 + r), (x1 - r, y0 + r), (x0 + r, y1 - r), (x1 - r, y1 - r)):
        cv2.circle(mask, (x, y), r, 255, -1, cv2.LINE_AA)
