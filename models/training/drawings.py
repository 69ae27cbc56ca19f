"""Pairs that photographs do not hold: hard edges of any colours, lettering that recorders burn in, flat colours."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.degradation.resize import shrink
from models.degradation.surveillance import to_bytes, to_float
from models.espcn import RADIUS
from models.training.pack import CORE, MARGIN, PATCH

SHAPES = 10
LETTERING = ((255, 255, 255), (255, 255, 0), (0, 255, 0), (0, 0, 0), (255, 0, 0))  # what recorders write in
SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-/."


def drawn_pair(rng: np.random.Generator, scale: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """low (PATCH, PATCH, 3) and the high-resolution middle (CORE·s, CORE·s, 3), both uint8, of shapes and lettering."""
    high = drawn_picture(rng, PATCH * scale, scale)
    low = to_bytes(shrink(to_float(high), scale, "area" if rng.random() < 0.5 else "bicubic"))
    inner = slice(MARGIN * scale, (MARGIN + CORE) * scale)
    return low, high[inner, inner]


def drawn_picture(rng: np.random.Generator, size: int, scale: int) -> NDArray[np.uint8]:
    """(size, size, 3) of shapes and lettering, which stays legible, or nearly so, when made `scale` times smaller."""
    edge = size * 2  # drawn at twice the size and shrunk: edges as soft as a lens makes them
    image = np.empty((edge, edge, 3), np.uint8)
    image[:] = _colour(rng)
    for _ in range(SHAPES):
        x, y = (int(v) for v in rng.integers(0, edge, 2))
        w, h = (int(v) for v in rng.integers(edge // 24, edge // 2, 2))
        kind = rng.integers(3)
        if kind == 0:
            cv2.rectangle(image, (x, y), (x + w, y + h), _colour(rng), -1)
        elif kind == 1:
            cv2.ellipse(image, (x, y), (w // 2, h // 2), float(rng.uniform(0, 180)), 0, 360, _colour(rng), -1)
        else:
            cv2.line(image, (x, y), (x + w, y + h), _colour(rng), int(rng.integers(1, edge // 20)), cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 4))):
        text = "".join(rng.choice(list(SIGNS), 8))
        place = (int(rng.integers(0, edge // 2)), int(rng.integers(0, edge)))
        height = float(rng.uniform(0.2, 0.8)) * scale
        colour = LETTERING[int(rng.integers(len(LETTERING)))] if rng.random() < 0.7 else _colour(rng)
        thick = max(1, round(height * float(rng.uniform(1, 2.5))))
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, height, colour, thick, cv2.LINE_AA)
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def flat_colours(rng: np.random.Generator) -> Tensor:
    """(64, 3, 9, 9) in [0, 1]: single colours, a quarter of them greys, the ends of the range among them.

    ESPCN has no skip connection and photographs hold few saturated or black areas: without these it is two to five
    levels off there.
    """
    colours = rng.uniform(-0.05, 1.05, (64, 3)).clip(0, 1).astype(np.float32)
    colours[:16] = colours[:16, :1]
    return torch.from_numpy(colours)[..., None, None].expand(-1, -1, 2 * RADIUS + 1, 2 * RADIUS + 1)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """Half of them anywhere in the cube, half muted as most things are."""
    if rng.random() < 0.5:
        red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    else:
        red, green, blue = (int(v) for v in np.clip(rng.integers(20, 236) + rng.integers(-30, 31, 3), 0, 255))
    return red, green, blue
