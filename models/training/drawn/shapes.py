"""Shapes with hard edges and lettering of any colours, on one colour. Knows no plate or sign."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SHAPES = 10
LETTERING = ((255, 255, 255), (255, 255, 0), (0, 255, 0), (0, 0, 0), (255, 0, 0))  # what recorders write in
SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-/."


def shapes(rng: np.random.Generator, size: int, scale: int) -> NDArray[np.uint8]:
    """(size, size, 3) of shapes and lettering, which stays legible, or nearly so, when made `scale` times smaller."""
    edge = size * 2  # drawn at twice the size and shrunk: edges as soft as a lens makes them
    image = np.empty((edge, edge, 3), np.uint8)
    image[:] = any_colour(rng)
    for _ in range(SHAPES):
        x, y = (int(v) for v in rng.integers(0, edge, 2))
        w, h = (int(v) for v in rng.integers(edge // 24, edge // 2, 2))
        kind = rng.integers(3)
        if kind == 0:
            cv2.rectangle(image, (x, y), (x + w, y + h), any_colour(rng), -1)
        elif kind == 1:
            cv2.ellipse(image, (x, y), (w // 2, h // 2), float(rng.uniform(0, 180)), 0, 360, any_colour(rng), -1)
        else:
            cv2.line(image, (x, y), (x + w, y + h), any_colour(rng), int(rng.integers(1, edge // 20)), cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 4))):
        text = "".join(rng.choice(list(SIGNS), 8))
        place = (int(rng.integers(0, edge // 2)), int(rng.integers(0, edge)))
        height = float(rng.uniform(0.2, 0.8)) * scale
        colour = LETTERING[int(rng.integers(len(LETTERING)))] if rng.random() < 0.7 else any_colour(rng)
        thick = max(1, round(height * float(rng.uniform(1, 2.5))))
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, height, colour, thick, cv2.LINE_AA)
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def any_colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """Half of them anywhere in the cube, half muted as most things are."""
    if rng.random() < 0.5:
        red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    else:
        red, green, blue = (int(v) for v in np.clip(rng.integers(20, 236) + rng.integers(-30, 31, 3), 0, 255))
    return red, green, blue
