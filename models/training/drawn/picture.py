"""Whole drawn pictures: plates and signs on some ground, or one texture, or bare shapes. Knows no degradation."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.drawn.hung import hang
from models.training.drawn.plates import plate
from models.training.drawn.shapes import any_colour, shapes
from models.training.drawn.signs import sign
from models.training.drawn.textures import texture

Bytes = NDArray[np.uint8]

# Of pictures. Shapes have hard edges of any colours, which photographs lack as well.
KINDS = {"plates": 0.38, "signs": 0.3, "textures": 0.2, "shapes": 0.12}
PLATE = (5.0, 16.0)  # low-resolution pixels, height of a plate: from not quite legible to clear
SIGN = (10.0, 40.0)


def drawn_picture(rng: np.random.Generator, size: int, scale: int, ground: Bytes | None = None) -> Bytes:
    """(size, size, 3) whose lettering stays legible, or nearly so, when made `scale` times smaller.

    ground: (size, size, 3) uint8 that plates and signs are hung into, unchanged itself; None: a plain one is drawn.
    """
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "textures":
        return texture(rng, size, scale)
    if kind == "shapes":
        return shapes(rng, size, scale)
    image = plain(rng, size, scale) if ground is None else np.array(ground)
    for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))):
        if kind == "plates":
            hang(image, plate(rng), rng, scale * _height(rng, PLATE))
        else:
            hang(image, sign(rng), rng, scale * _height(rng, SIGN))
    return image


def plain(rng: np.random.Generator, size: int, scale: int) -> Bytes:
    """A ground of little content: one colour with a ramp and some grain; at times a texture."""
    if rng.random() < 0.25:
        return texture(rng, size, scale)
    one, two = np.array(any_colour(rng), np.float32), np.array(any_colour(rng), np.float32)
    if rng.random() < 0.5:
        two = one + (two - one) * 0.2
    corners = rng.random((2, 2), np.float32)
    noise = rng.standard_normal((size // 2, size // 2), np.float32) * np.float32(rng.uniform(0, 6))
    ramp, grain = (
        np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)[..., None]
        for field in (corners, noise)
    )
    return np.asarray(np.clip(one + (two - one) * ramp + grain + 0.5, 0, 255), dtype=np.uint8)


def _height(rng: np.random.Generator, span: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(span))))
