"""The parts of the synthetic street: flat textures of ground and house fronts, and sprites of cars, people and trees.

Pure drawing. Lengths are metres, colours RGB; knows nothing of the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[Any]  # uint8, (H, W, 3) RGB, or (H, W, 4) with premultiplied alpha
Colour = tuple[int, int, int]

SPRITE_PPM = 320  # pixels a metre of a sprite at full size
GROUND_PPM = 100
FRONT_PPM = 90
PAVEMENT = 5.8  # metres from the middle of the road to its kerb
HOUSES = 8.2  # ... and to the house fronts

BRICKS = ((152, 84, 66), (186, 160, 128), (118, 96, 88), (201, 189, 170), (140, 108, 80))
SHOPS = ("BAKERY", "PHARMACY 24H", "CAFE LUNA", "BOOKS", "HOTEL ADLER", "TAILOR", "FLOWERS", "BANK")
PAINTS = ((164, 32, 36), (36, 62, 112), (208, 210, 212), (44, 46, 50), (92, 118, 96), (196, 160, 60))
PLATES = ("GL 427 NR", "KX 58 MPV", "B AR 2093", "HH TZ 614", "M LQ 7751", "LN 03 WEY")


@dataclass(frozen=True, slots=True)
class Sprite:
    """A standing picture at falling sizes: `levels[i]` has SPRITE_PPM / 2**i pixels a metre, feet at the bottom."""

    levels: tuple[Picture, ...]


def grain(rng: np.random.Generator, height: int, width: int, strength: float, blur: float = 0.0) -> NDArray[Any]:
    noise: NDArray[Any] = rng.standard_normal((height, width), np.float32)
    if blur:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
        strength /= float(noise[::7, ::7].std())
    scaled: NDArray[Any] = noise * np.float32(strength)
    return scaled


def textured(picture: Picture, noise: NDArray[Any]) -> Picture:
    return cv2.add(picture, cv2.merge([noise] * 3), dtype=cv2.CV_8U)


def text(picture: Picture, words: str, centre: tuple[float, float], height: float, colour: Colour, bold: int) -> None:
    """Write words with capitals `height` pixels high, centred."""
    font = cv2.FONT_HERSHEY_DUPLEX
    scale = height / cv2.getTextSize("H", font, 1.0, 1)[0][1]
    (width, tall), _ = cv2.getTextSize(words, font, scale, bold)
    origin = (round(centre[0] - width / 2), round(centre[1] + tall / 2))
    cv2.putText(picture, words, origin, font, scale, (*colour, 255)[: picture.shape[2]], bold, cv2.LINE_AA)


def ground(rng: np.random.Generator, length: float) -> Picture:
    """The street from above, 2 × HOUSES wide: (length, width) × GROUND_PPM pixels; row 0 is the far end."""
    rows, columns = round(length * GROUND_PPM), round(2 * HOUSES * GROUND_PPM)
    picture = np.full((rows, columns, 3), (92, 93, 96), np.uint8)
    patches = grain(rng, rows // 8, columns // 8, 5, 12)
    picture = textured(picture, cv2.resize(patches, (columns, rows)) + grain(rng, rows, columns, 9, 0.8))

    def across(x: float) -> int:
        return round((x + HOUSES) * GROUND_PPM)

    for row in range(0, rows, 6 * GROUND_PPM):  # the dashed middle line
        cv2.rectangle(picture, (across(-0.07), row), (across(0.07), row + 3 * GROUND_PPM), (214, 214, 206), -1)
    for side in (-1, 1):  # lines of the parking lanes, kerbs, pavements
        line = sorted((across(side * 3.55), across(side * 3.65)))
        cv2.rectangle(picture, (line[0], 0), (line[1], rows), (196, 196, 190), -1)
        paving(rng, picture, *sorted((across(side * PAVEMENT), across(side * HOUSES))))
        kerb = sorted((across(side * PAVEMENT), across(side * (PAVEMENT - 0.16))))
        cv2.rectangle(picture, (kerb[0], 0), (kerb[1], rows), (168, 166, 160), -1)
    for x, z in ((-1.2, 0.26), (2.3, 0.13), (0.9, 0.09)):  # manholes
        centre = (across(x), round(rows * (1 - z)))
        cv2.circle(picture, centre, 34, (58, 58, 60), -1, cv2.LINE_AA)
        cv2.circle(picture, centre, 26, (78, 78, 80), 3, cv2.LINE_AA)
    crossing = round(rows * 0.80)
    for x in np.arange(-3.3, 3.3, 1.0):
        cv2.rectangle(picture, (across(x), crossing), (across(x + 0.5), crossing + 250), (222, 222, 216), -1)
    worn = grain(rng, rows, columns, 7, 1.5)
    return textured(picture, worn)


def paving(rng: np.random.Generator, picture: Picture, left: int, right: int) -> None:
    slab = GROUND_PPM // 2
    for top in range(0, picture.shape[0], slab):
        for start in range(left, right, slab):
            tone = int(rng.normal(150, 7))
            corner = (min(start + slab - 3, right), top + slab - 3)
            cv2.rectangle(picture, (start, top), corner, (tone, tone - 3, tone - 9), -1)


def front(rng: np.random.Generator, length: float, height: float) -> Picture:
    """A row of house fronts, (height, length) × FRONT_PPM pixels, with shops below and windows above."""
    rows, columns = round(height * FRONT_PPM), round(length * FRONT_PPM)
    picture = np.zeros((rows, columns, 3), np.uint8)
    left, number = 0, int(rng.integers(len(SHOPS)))
    while left < columns:
        right = min(columns, left + round(rng.uniform(6.5, 9.5) * FRONT_PPM))
        house(rng, picture[:, left:right], BRICKS[number % len(BRICKS)], SHOPS[number % len(SHOPS)])
        left, number = right, number + 1
    return picture


def house(rng: np.random.Generator, picture: Picture, wall: Colour, sign: str) -> None:
    """Fills `picture` with one house of brick or plaster."""
    rows, columns = picture.shape[:2]
    unit = FRONT_PPM
    picture[:] = wall
    dark = tuple(int(c * 0.8) for c in wall)
    for row, top in enumerate(range(0, rows, unit // 9)):  # courses of bricks
        cv2.line(picture, (0, top), (columns, top), dark, 1)
        for x in range((row % 2) * unit // 8, columns, unit // 4):
            cv2.line(picture, (x, top), (x, top + unit // 9), dark, 1)
    picture[:] = textured(picture, grain(rng, rows, columns, 7, 1.0))
    shop = rows - round(3.1 * unit)
    for storey in range(3):
        top = shop - round((storey * 2.7 + 2.2) * unit)
        count = max(2, columns // round(1.9 * unit))
        for n in range(count):
            middle = round((n + 0.5) * columns / count)
            window(rng, picture, middle - unit // 2, top, unit, round(1.5 * unit))
    cv2.rectangle(picture, (0, shop), (columns, rows), tuple(int(c * 0.55) for c in wall), -1)
    glass = round(0.3 * unit)
    cv2.rectangle(picture, (glass, shop + unit), (columns - round(1.7 * unit), rows - unit // 2), (52, 66, 76), -1)
    for x in range(glass, columns - round(1.7 * unit), round(0.45 * unit)):  # goods behind the glass
        goods = tuple(int(v) for v in rng.integers(60, 210, 3))
        cv2.rectangle(picture, (x + 6, rows - unit), (x + unit // 3, rows - unit // 2 - 4), goods, -1)
    door = columns - round(1.4 * unit)
    cv2.rectangle(picture, (door, shop + unit), (door + unit, rows), (66, 48, 36), -1)
    cv2.rectangle(picture, (door + 12, shop + unit + 14), (door + unit - 12, shop + 2 * unit), (96, 120, 130), -1)
    board = tuple(int(v) for v in rng.integers(20, 90, 3))
    cv2.rectangle(picture, (unit // 6, shop + unit // 8), (columns - unit // 6, shop + round(0.85 * unit)), board, -1)
    text(picture, sign, (columns / 2, shop + unit * 0.49), unit * 0.42, (240, 232, 205), 5)
    for x in (0, columns - 1):
        cv2.line(picture, (x, 0), (x, rows), (60, 54, 50), 5)


def window(rng: np.random.Generator, picture: Picture, left: int, top: int, width: int, height: int) -> None:
    cv2.rectangle(picture, (left - 6, top - 6), (left + width + 6, top + height + 6), (226, 222, 212), -1)
    shade = int(rng.integers(38, 90))
    cv2.rectangle(picture, (left, top), (left + width, top + height), (shade, shade + 10, shade + 20), -1)
    if rng.random() < 0.5:  # curtains
        cv2.rectangle(picture, (left, top), (left + width // 4, top + height), (206, 196, 178), -1)
        cv2.rectangle(picture, (left + 3 * width // 4, top), (left + width, top + height), (206, 196, 178), -1)
    cv2.line(picture, (left + width // 2, top), (left + width // 2, top + height), (226, 222, 212), 5)
    cv2.line(picture, (left, top + height // 3), (left + width, top + height // 3), (226, 222, 212), 5)
    cv2.rectangle(picture, (left - 12, top + height + 6), (left + width + 12, top + height + 16), (176, 170, 160), -1)


def mipmaps(picture: Picture) -> Sprite:
    """picture: RGB with plain alpha at SPRITE_PPM."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    level: Picture = np.dstack([picture[..., :3] * alpha, picture[..., 3:]]).astype(np.uint8)
    levels = [level]
    while min(level.shape[:2]) > 16:
        level = cv2.resize(level, (level.shape[1] // 2, level.shape[0] // 2), interpolation=cv2.INTER_AREA)
        levels.append(level)
    return Sprite(tuple(levels))


def tree(rng: np.random.Generator) -> Sprite:
    """A street tree, 3.4 m wide and 5.6 m high."""
    rows, columns = round(5.6 * SPRITE_PPM / 2), round(3.4 * SPRITE_PPM / 2)
    picture = np.zeros((rows, columns, 4), np.uint8)
    foot = columns // 2
    trunk = np.array([[foot - 18, rows], [foot - 11, rows // 2], [foot + 11, rows // 2], [foot + 18, rows]])
    cv2.fillPoly(picture, [trunk], (74, 60, 48, 255), cv2.LINE_AA)
    for _ in range(2600):
        angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 1))
        x = foot + reach * np.cos(angle) * columns * 0.45
        y = rows * 0.36 + reach * np.sin(angle) * rows * 0.33
        light = np.clip(1.15 - y / rows + 0.25 * (x - foot) / columns + rng.normal(0, 0.16), 0.3, 1.3)
        leaf = (int(62 * light), int(104 * light), int(44 * light), 255)
        size = (int(rng.integers(4, 12)), int(rng.integers(3, 8)))
        cv2.ellipse(picture, (int(x), int(y)), size, float(rng.uniform(0, 180)), 0, 360, leaf, -1, cv2.LINE_AA)
    return mipmaps(cv2.resize(picture, (columns * 2, rows * 2), interpolation=cv2.INTER_LINEAR))
