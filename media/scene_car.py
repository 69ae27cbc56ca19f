"""Cars of the synthetic street, seen from the front or the rear. Pure drawing; knows nothing of the camera."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from media.scene_parts import SPRITE_PPM, Colour, Picture, Sprite, mipmaps, text

WIDTH, HEIGHT = 1.95, 1.62  # metres of a car's sprite
Points = Sequence[tuple[float, float]]  # metres from the left and from the ground


def car(paint: Colour, plate: str, *, rear: bool) -> Sprite:
    picture = np.zeros((round(HEIGHT * SPRITE_PPM), round(WIDTH * SPRITE_PPM), 4), np.uint8)

    def shape(points: Points, colour: Colour) -> None:
        corners = [[x * SPRITE_PPM, (HEIGHT - y) * SPRITE_PPM] for x, y in points]
        cv2.fillPoly(picture, [np.array(corners, np.int32)], (*colour, 255), cv2.LINE_AA)

    def both(points: Points, colour: Colour) -> None:
        shape(points, colour)
        shape([(WIDTH - x, y) for x, y in points], colour)

    bright, dim = tone(paint, 1.22), tone(paint, 0.72)
    shape([(0.3, 0.1), (1.65, 0.1), (1.65, 0.35), (0.3, 0.35)], (14, 14, 16))  # below the car
    both([(0.16, 0.0), (0.42, 0.0), (0.42, 0.4), (0.16, 0.4)], (22, 22, 24))  # tyres
    shape([(0.12, 0.24), (1.83, 0.24), (1.88, 0.55), (1.84, 0.88), (0.11, 0.88), (0.07, 0.55)], paint)
    shape([(0.24, 0.86), (1.71, 0.86), (1.52, 1.46), (1.40, 1.55), (0.55, 1.55), (0.43, 1.46)], paint)  # cabin
    shape([(0.58, 1.5), (1.37, 1.5), (1.42, 1.58), (0.53, 1.58)], bright)  # roof
    shape([(0.33, 0.93), (1.62, 0.93), (1.46, 1.42), (0.49, 1.42)], (34, 44, 52))  # glass
    shape([(0.40, 0.95), (0.78, 0.95), (0.92, 1.40), (0.54, 1.40)], (66, 82, 94))  # its reflection
    both([(0.02, 0.92), (0.19, 0.92), (0.19, 1.05), (0.04, 1.05)], dim)  # mirrors
    shape([(0.13, 0.78), (1.82, 0.78), (1.80, 0.87), (0.15, 0.87)], bright)  # edge of the bonnet
    if rear:
        both([(0.10, 0.58), (0.42, 0.60), (0.40, 0.80), (0.12, 0.80)], (178, 22, 26))
        both([(0.14, 0.66), (0.22, 0.66), (0.22, 0.74), (0.14, 0.74)], (244, 170, 80))
        shape([(0.12, 0.24), (1.83, 0.24), (1.86, 0.42), (0.09, 0.42)], dim)
    else:
        both([(0.10, 0.58), (0.46, 0.56), (0.44, 0.74), (0.13, 0.78)], (226, 232, 238))
        both([(0.18, 0.60), (0.34, 0.60), (0.34, 0.71), (0.18, 0.73)], (160, 172, 184))
        shape([(0.56, 0.57), (1.39, 0.57), (1.36, 0.75), (0.59, 0.75)], (26, 27, 30))  # grille
        for bar in range(4):
            shape([(0.58, 0.60 + bar * 0.04), (1.37, 0.60 + bar * 0.04), (1.37, 0.61 + bar * 0.04)], (96, 98, 102))
        shape([(0.35, 0.24), (1.60, 0.24), (1.54, 0.36), (0.41, 0.36)], (30, 31, 34))
    number_plate(picture, plate, 0.49 if not rear else 0.62)
    return mipmaps(shaded(picture))


def tone(colour: Colour, light: float) -> Colour:
    red, green, blue = (min(255, int(c * light)) for c in colour)
    return red, green, blue


def number_plate(picture: Picture, plate: str, height: float) -> None:
    """A plate of 0.60 × 0.13 m, its middle `height` metres above the ground."""
    x, y = WIDTH / 2 * SPRITE_PPM, (HEIGHT - height) * SPRITE_PPM
    half = (0.30 * SPRITE_PPM, 0.065 * SPRITE_PPM)
    low, high = (round(x - half[0]), round(y - half[1])), (round(x + half[0]), round(y + half[1]))
    cv2.rectangle(picture, low, high, (244, 244, 238, 255), -1)
    cv2.rectangle(picture, low, high, (30, 30, 30, 255), 2)
    cv2.rectangle(picture, low, (low[0] + 16, high[1]), (24, 60, 150, 255), -1)
    text(picture, plate, (x + 7, y), 0.075 * SPRITE_PPM, (16, 16, 18), 3)


def shaded(picture: Picture) -> Picture:
    """Darker towards the ground, as under an open sky."""
    light = np.linspace(1.08, 0.80, picture.shape[0], dtype=np.float32)[:, None, None]
    colour = np.clip(picture[..., :3] * light, 0, 255)
    return np.dstack([colour.astype(np.uint8), picture[..., 3]])
