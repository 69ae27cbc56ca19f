"""Capitals, digits and a few marks as pen strokes on a grid of 5 by 7 points, which is also a recorder's dot matrix."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Strokes = tuple[tuple[tuple[float, float], ...], ...]

# Two digits a point, x 0..4 and y 0..6 from the top; strokes are parted by |. Our own, after no one face.
_PENS = {
    "0": "03 01 10 30 41 45 36 16 05 03",
    "1": "11 20 26|16 36",
    "2": "01 10 30 41 42 06 46",
    "3": "01 10 30 41 42 33 13|33 44 45 36 16 05",
    "4": "36 30 04 44",
    "5": "40 00 03 33 44 45 36 16 05",
    "6": "30 20 02 05 16 36 45 44 33 13 04",
    "7": "00 40 41 16",
    "8": "10 30 41 42 33 13 02 01 10|13 33 44 45 36 16 05 04 13",
    "9": "16 26 44 41 30 10 01 02 13 33 42",
    "A": "06 04 20 44 46|04 44",
    "B": "00 30 41 42 33 03|33 44 45 36 06 00",
    "C": "41 30 10 01 05 16 36 45",
    "D": "00 20 42 44 26 06 00",
    "E": "40 00 06 46|03 33",
    "F": "40 00 06|03 33",
    "G": "41 30 10 01 05 16 36 45 43 23",
    "H": "00 06|40 46|03 43",
    "I": "20 26|10 30|16 36",
    "J": "40 45 36 16 05",
    "K": "00 06|40 03 46",
    "L": "00 06 46",
    "M": "06 00 23 40 46",
    "N": "06 00 46 40",
    "O": "03 01 10 30 41 45 36 16 05 03",
    "P": "06 00 30 41 42 33 03",
    "Q": "03 01 10 30 41 45 36 16 05 03|24 46",
    "R": "06 00 30 41 42 33 03|23 46",
    "S": "41 30 10 01 02 13 33 44 45 36 16 05",
    "T": "00 40|20 26",
    "U": "00 05 16 36 45 40",
    "V": "00 03 26 43 40",
    "W": "00 05 16 23 36 45 40",
    "X": "00 46|40 06",
    "Y": "00 01 23 41 40|23 26",
    "Z": "00 40 41 05 06 46",
    "-": "13 33",
    "/": "41 05",
    ":": "22 22|24 24",
    ".": "26 26",
    "_": "06 46",
    "+": "22 24|13 33",
    "(": "30 21 25 36",
    ")": "10 21 25 16",
    "#": "11 15|31 35|02 42|04 44",
    " ": "",
}
COLUMNS, ROWS = 5, 7
SHARP = math.cos(math.radians(75))


def can(text: str) -> bool:
    return all(sign in _PENS for sign in text)


@cache
def strokes(sign: str, rounds: int = 0) -> Strokes:
    """The pen's ways for one sign, x 0..4 and y 0..6. Each round of Chaikin's algorithm takes corners off once.

    Right angles stay: without them a 5 is an S.
    """
    found = []
    for way in filter(None, _PENS[sign].split("|")):
        points = [(float(p[0]), float(p[1])) for p in way.split()]
        for _ in range(rounds):
            points = _cut(points)
        found.append(tuple(points))
    return tuple(found)


def pen(sign: str, height: int, weight: float, rounds: int) -> Bytes:
    """(height, W) alpha of one sign. weight: the pen's width as a share of the height."""
    width_of_pen = max(1, round(weight * height))
    step = (height - width_of_pen) / (ROWS - 1)  # between two points of the grid
    image = np.zeros((height, max(1, round(step * (COLUMNS - 1) + width_of_pen))), np.uint8)
    for way in strokes(sign, rounds):
        points = np.array(way) * step + (width_of_pen - 1) / 2
        fixed = (points * 16).round().astype(np.int32)  # four bits of a pixel, as OpenCV's `shift` has it
        cv2.polylines(image, [fixed], False, 255, width_of_pen, cv2.LINE_AA, 4)
    return image


def dots(text: str, size: int = 1, thick: int = 1) -> Bytes:
    """(7·size, ...) of 0 and 255: text as a dot matrix has it, `size` pixels a point, two pixels between signs."""
    parts = []
    for sign in text:
        image = np.zeros((ROWS * size, COLUMNS * size + size), np.uint8)
        for way in strokes(sign):
            cv2.polylines(image, [(np.array(way) * size).astype(np.int32)], False, 255, thick, cv2.LINE_8)
        parts.append(image)
    return np.concatenate(parts, axis=1)


def _cut(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Chaikin, 1974: each corner is replaced by two points; the ends stay, and so do corners of 75 degrees and more."""
    cut = [points[0]]
    for (ax, ay), (bx, by), (cx, cy) in zip(points, points[1:], points[2:], strict=False):
        ahead = (bx - ax) * (cx - bx) + (by - ay) * (cy - by)
        if ahead < SHARP * math.hypot(bx - ax, by - ay) * math.hypot(cx - bx, cy - by):
            cut.append((bx, by))
        else:
            cut += [(0.75 * bx + 0.25 * ax, 0.75 * by + 0.25 * ay), (0.75 * bx + 0.25 * cx, 0.75 * by + 0.25 * cy)]
    return [*cut, points[-1]]
