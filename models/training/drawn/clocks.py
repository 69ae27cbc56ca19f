"""What recorders write over the picture: date, time, camera's name, marks, in pixels of the frame they record.

An overlay is made twice at once and alike: as the recorder puts it into the small frame, hard-edged or a dot matrix,
and as the same signs would look in a frame `scale` times larger, with smooth strokes. Knows no picture beneath.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.drawn import strokes
from models.training.drawn.lettering import PENS, Hand, any_hand, line
from models.training.drawn.words import word

Bytes = NDArray[np.uint8]

INKS = ((255, 255, 255), (255, 255, 255), (240, 240, 60), (40, 240, 60), (20, 20, 20), (235, 40, 30))
HARD = 0.6  # share of overlays of TrueType whose edges in the small frame are not smoothed


@dataclass(frozen=True, slots=True)
class Layer:
    """A colour and where it goes, at one size."""

    colour: tuple[int, int, int]
    mask: Bytes  # (H, W)


@dataclass(frozen=True, slots=True)
class Overlay:
    """From the lowest layer to the highest: (h, w) masks for the small frame, (s·h, s·w) for the large one."""

    low: tuple[Layer, ...]
    high: tuple[Layer, ...]


def lay(picture: NDArray[np.float32], layers: tuple[Layer, ...]) -> NDArray[np.float32]:
    """(H, W, 3) in [0, 1] with the layers over it; a new array."""
    for layer in layers:
        alpha = (layer.mask / np.float32(255))[..., None].astype(np.float32)
        colour = np.array(layer.colour, np.float32) / np.float32(255)
        picture = np.asarray(picture + (colour - picture) * alpha, dtype=np.float32)
    return picture


def overlay(rng: np.random.Generator, width: int, height: int, scale: int) -> Overlay:
    """For small frames of that size: one or two lines, often at an edge, with an outline, a box or neither."""
    low, high = np.zeros((height, width), np.uint8), np.zeros((height * scale, width * scale), np.uint8)
    box_low, box_high = np.zeros_like(low), np.zeros_like(high)
    matrix = rng.random() < 0.55
    size = int(rng.choice([1, 1, 1, 2])) if matrix else 0
    tall = strokes.ROWS * size if matrix else int(rng.integers(6, 17))
    hand = any_hand(rng)
    hand = replace(hand, face="sans" if hand.face in PENS else hand.face, slant=0.0, stretch=min(hand.stretch, 1.0))
    hard, rounds = bool(rng.random() < HARD), int(rng.integers(3))
    y = int(rng.integers(1, max(2, height - 2 * tall))) if rng.random() < 0.6 else int(rng.integers(1, 4))
    for _ in range(int(rng.integers(1, 3))):
        small, large = _dotted(rng, size, scale, rounds) if matrix else _written(rng, hand, tall, scale, hard)
        x = int(rng.integers(-small.shape[1] // 3, max(3, width - small.shape[1] // 2)))
        for field, part, k in ((low, small, 1), (high, large, scale)):
            _put(field, part, y * k, x * k)
        for field, k in ((box_low, 1), (box_high, scale)):
            ends = ((x - 2) * k, (y - 2) * k), ((x + small.shape[1] + 1) * k, (y + tall + 2) * k - 1)
            cv2.rectangle(field, *ends, 255, -1)
        y += tall + int(rng.integers(2, 6))
    colour = INKS[int(rng.integers(len(INKS)))]
    against = (0, 0, 0) if sum(colour) > 200 else (255, 255, 255)
    under: tuple[Bytes, Bytes] | None = None
    style = rng.random()
    if style < 0.5:  # an outline of a pixel of the small frame
        under = _grown(low, 1), _grown(high, scale)
    elif style < 0.7:
        opacity = float(rng.uniform(0.3, 1))
        under = np.asarray(box_low * opacity, np.uint8), np.asarray(box_high * opacity, np.uint8)
    ink = Layer(colour, low), Layer(colour, high)
    if under is None:
        return Overlay(ink[:1], ink[1:])
    return Overlay((Layer(against, under[0]), ink[0]), (Layer(against, under[1]), ink[1]))


def text(rng: np.random.Generator) -> str:
    """A date, a time, a camera's name or marks, in capitals."""
    year, month, day = int(rng.integers(1998, 2036)), int(rng.integers(1, 13)), int(rng.integers(1, 29))
    hour, minute, second = (int(rng.integers(top)) for top in (24, 60, 60))
    time = f"{hour:02}:{minute:02}:{second:02}"
    date = str(
        rng.choice(
            [f"{year}-{month:02}-{day:02}", f"{day:02}/{month:02}/{year}", f"{day:02}.{month:02}.{year % 100:02}"]
        )
    )
    number = int(rng.integers(1, 65))
    choices = (
        f"{date} {time}",
        f"{time}",
        f"{date}",
        f"CAM {number:02}",
        f"CH{number}",
        f"CAMERA-{number} {word(rng).upper()}",
        f"{word(rng, 2).upper()} {number}",
        "REC",
        f"{number} KM/H {time}",
        f"{date} {time}.{int(rng.integers(1000)):03}",
    )
    return choices[int(rng.integers(len(choices)))]


def _dotted(rng: np.random.Generator, size: int, scale: int, rounds: int) -> tuple[Bytes, Bytes]:
    """A dot matrix, and the strokes it stands for, as wide as a point, through the middles of its points."""
    words, thick = text(rng), 1 if size == 1 or rng.random() < 0.5 else 2
    small = strokes.dots(words, size, thick)
    if size > 1:  # a point is a square of pixels
        small = small if thick > 1 else np.repeat(np.repeat(strokes.dots(words), size, axis=0), size, axis=1)
    large = np.zeros((small.shape[0] * scale, small.shape[1] * scale), np.uint8)
    square = size > 1 and thick == 1
    middle, wide = (size / 2, size) if square else (0.5, thick)  # of a point, in small pixels
    for index, sign in enumerate(words):
        left = index * (strokes.COLUMNS * size + size)
        for way in strokes.strokes(sign, rounds):
            points = (np.array(way) * size + (left, 0) + middle) * scale - 0.5
            fixed = (points * 16).round().astype(np.int32)
            cv2.polylines(large, [fixed], False, 255, max(1, round(wide * scale)), cv2.LINE_AA, 4)
    return small, large


def _written(rng: np.random.Generator, hand: Hand, tall: int, scale: int, hard: bool) -> tuple[Bytes, Bytes]:
    large = line(text(rng), tall * scale, hand)
    large = np.pad(large, ((0, 0), (0, -large.shape[1] % scale)))
    size = (large.shape[1] // scale, tall)
    small = np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.uint8)
    return (np.where(small > 110, 255, 0).astype(np.uint8) if hard else small), large


def _put(field: Bytes, part: Bytes, y: int, x: int) -> None:
    y0, x0, y1, x1 = (
        max(0, y),
        max(0, x),
        min(field.shape[0], y + part.shape[0]),
        min(field.shape[1], x + part.shape[1]),
    )
    if y0 < y1 and x0 < x1:
        here = field[y0:y1, x0:x1]
        np.maximum(here, part[y0 - y : y1 - y, x0 - x : x1 - x], out=here)


def _grown(mask: Bytes, by: int) -> Bytes:
    kernel = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    return np.asarray(cv2.dilate(mask, kernel), dtype=np.uint8)
