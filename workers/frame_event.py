"""What happens to a whole frame at once: a cut, a light, a moved camera, infrared. Pure decisions over small pictures.

Looked at only where most of a frame changed. Says what is most likely; whatever it is called, all is enhanced anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH = 160  # pixels of the small pictures, about
WHOLE = 0.6  # share of the picture that must have changed
CHANGED = 4.0  # levels of a small picture's pixel
LEAST = 1.0  # levels: mean of the change below which nothing happened to the whole of it
COLOURED, COLOURLESS = 2.5, 1.0  # mean of the colour differences' amounts, levels
LEAST_SHIFT = 0.25  # pixels of the small picture
REGIONS = (8, 6)  # of a picture, across and down
TEXTURE = 4.0  # square levels: regions with less tell nothing of a shift
ALIGNED = 0.7  # share of a region's difference that is left at most when the pictures are laid over each other
SEEN = 0.5  # share of a region
LEAST_TEXTURED, MOST = 0.25, 0.7  # shares: of the regions that must have texture, and of those that must lie better
SAME, OTHER = 0.7, 0.3  # correlation without the light: from the first the scene is the same, below the second another

CUT, LIGHT, CAMERA, INFRARED, MUCH = "cut", "light", "camera moved", "infrared switched", "most of it changed"
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    luma: Floats  # (h, w) 8-bit levels
    colour: float  # mean amount of the colour differences, levels


def thumbnail(image: NDArray[Any]) -> Thumbnail:
    """image: (H, W, 3) uint8 or uint16 RGB."""
    by = max(1, round(image.shape[1] / WIDTH))
    size = (max(1, image.shape[1] // by), max(1, image.shape[0] // by))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    levels = small.astype(np.float32) / np.float32(257 if image.dtype == np.uint16 else 1)
    parts = cv2.cvtColor(levels, cv2.COLOR_RGB2YCrCb)
    half = np.float32(0.5)  # what OpenCV adds to the colour differences of float32
    return Thumbnail(np.ascontiguousarray(parts[..., 0], np.float32), float(np.abs(parts[..., 1:] - half).mean()))


def event_of(before: Thumbnail, now: Thumbnail) -> str | None:
    """What happened between two frames in a row; None where less than most of the picture changed."""
    if (before.colour > COLOURED and now.colour < COLOURLESS) or (before.colour < COLOURLESS and now.colour > COLOURED):
        return INFRARED
    apart = np.abs(now.luma - before.luma)
    if float(apart.mean()) < LEAST:
        return None
    if _shifted(before, now):
        return CAMERA
    if float((np.abs(_soft(now.luma - before.luma)) > CHANGED).mean()) < WHOLE:
        return None
    same = _correlation(_flat(_soft(before.luma)), _flat(_soft(now.luma)))
    return LIGHT if same > SAME else CUT if same < OTHER else MUCH


def _shifted(before: Thumbnail, now: Thumbnail) -> bool:
    """The pictures lie over each other far better after a shift, nearly everywhere: one large thing that moves is no
    camera's movement."""
    first, second = _flat(before.luma), _flat(now.luma)
    if min(first.shape) < 16:
        return False
    window = np.asarray(cv2.createHanningWindow(first.shape[::-1], cv2.CV_32F), np.float32)
    (x, y), _ = cv2.phaseCorrelate(first, second, window)
    if np.hypot(x, y) < LEAST_SHIFT or max(abs(x), abs(y)) > min(first.shape) / 3:
        return False
    matrix = np.array([[1, 0, x], [0, 1, y]])
    moved = cv2.warpAffine(first, matrix, first.shape[::-1])
    # 0 where the shift brought in nothing
    seen = np.asarray(cv2.warpAffine(np.ones_like(first), matrix, first.shape[::-1]), np.float32)
    textured = (_regions(first**2) > TEXTURE) & (_regions(seen) > SEEN)
    with_it, without = _regions(seen * (second - moved) ** 2), _regions(seen * (second - first) ** 2)
    better = float((textured & (with_it < ALIGNED * without)).mean())
    return float(textured.mean()) >= LEAST_TEXTURED and better >= MOST * float(textured.mean())


def _regions(values: Floats) -> Floats:
    """Means of the regions that the picture falls into."""
    return np.asarray(cv2.resize(values, REGIONS, interpolation=cv2.INTER_AREA), np.float32)


def _flat(luma: Floats) -> Floats:
    """Without the light: less its blurred self."""
    return np.asarray(luma - cv2.GaussianBlur(luma, (0, 0), 4.0), np.float32)


def _soft(levels: Floats) -> Floats:
    """With a fifth of the noise."""
    return np.asarray(cv2.GaussianBlur(levels, (0, 0), 1.5), np.float32)


def _correlation(one: Floats, other: Floats) -> float:
    """Median over the regions that have texture in either picture; 1 where none has."""
    both, first, second = _regions(one * other), _regions(one**2), _regions(other**2)
    textured = np.maximum(first, second) > TEXTURE
    if not textured.any():
        return 1.0
    return float(np.median(both[textured] / np.sqrt(np.maximum(first * second, np.float32(1e-6)))[textured]))
