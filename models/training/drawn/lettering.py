"""Lines of text as masks, in many hands: three TrueType faces and our own strokes, varied. Knows no plate or sign.

OpenCV 5 carries a variable sans, its italic, and a face for all scripts; its 'serif' and its Hershey fonts are the
same sans. What lacks there (other widths, narrow and squarish signs, round and cut corners) our strokes bring.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.drawn import strokes

Bytes = NDArray[np.uint8]

TRUETYPE = ("sans", "italic", "uni")
PENS = ("cut", "round")  # strokes with corners cut, or rounded
EDGE = 56  # pixels, height of a capital in the store of signs
WEIGHTS = (300, 400, 500, 650, 800, 900)
PEN_WEIGHTS = (0.07, 0.10, 0.13, 0.16, 0.19, 0.22)  # of the height
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Hand:
    face: str = "sans"
    weight: int = 2  # index of WEIGHTS and PEN_WEIGHTS
    stretch: float = 1.0  # of the width
    slant: float = 0.0  # shift to the right per height
    spacing: float = 0.08  # between signs, as a share of the height
    pitch: bool = False  # every sign as wide as the widest


def any_hand(rng: np.random.Generator) -> Hand:
    return Hand(
        face=str(rng.choice([*TRUETYPE, *PENS, "sans"])),
        weight=int(rng.integers(len(WEIGHTS))),
        stretch=float(np.exp(rng.uniform(-0.45, 0.3))),
        slant=float(rng.uniform(-0.05, 0.3)) if rng.random() < 0.25 else 0.0,
        spacing=float(rng.uniform(0.03, 0.3)),
        pitch=bool(rng.random() < 0.15),
    )


def plate_hand(rng: np.random.Generator) -> Hand:
    """Upright and narrow, of middle weight."""
    hand = any_hand(rng)
    face = str(rng.choice(["sans", "uni", *PENS, *PENS]))
    stretch = float(np.exp(rng.uniform(-0.4, 0.05)))
    return replace(hand, face=face, weight=int(rng.integers(1, 5)), stretch=stretch, slant=0.0)


def line(text: str, height: int, hand: Hand) -> Bytes:
    """(height, W) alpha of a line of text whose tallest signs fill the height."""
    face = hand.face
    if face in PENS and not strokes.can(text):
        face = "sans" if text.isascii() else "uni"
    signs = [_sign(sign, face, hand.weight) for sign in text]
    gap = max(1, round(hand.spacing * EDGE))
    widest = max(sign.shape[1] for sign in signs)
    fields = [widest if hand.pitch else sign.shape[1] for sign in signs]
    whole = np.zeros((EDGE * 2, sum(fields) + gap * (len(signs) + 1)), np.uint8)
    x = gap
    for sign, field in zip(signs, fields, strict=True):
        left = x + (field - sign.shape[1]) // 2
        whole[:, left : left + sign.shape[1]] = sign
        x += field + gap
    rows = np.flatnonzero(whole.max(axis=1))
    if len(rows):
        whole = whole[rows[0] : rows[-1] + 1]
    width = max(1, round(whole.shape[1] * hand.stretch * height / whole.shape[0]))
    if hand.slant:
        lean = hand.slant * whole.shape[0]
        matrix = np.array([[1, -hand.slant, max(lean, 0)], [0, 1, 0]], np.float32)
        whole = np.asarray(cv2.warpAffine(whole, matrix, (whole.shape[1] + round(abs(lean)), whole.shape[0])), np.uint8)
    how = cv2.INTER_AREA if height < whole.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(whole, (width, height), interpolation=how), dtype=np.uint8)


@lru_cache(maxsize=4096)
def _sign(sign: str, face: str, weight: int) -> Bytes:
    """One sign on a field of two heights of a capital, cut to its columns. Not to be written to."""
    field = np.zeros((EDGE * 2, EDGE * 3), np.uint8)
    if face in PENS:
        drawn = strokes.pen(sign, EDGE, PEN_WEIGHTS[weight], 2 if face == "round" else 0)
        field[EDGE // 2 : EDGE // 2 + EDGE, : drawn.shape[1]] = drawn
    else:
        colours = np.zeros((*field.shape, 3), np.uint8)
        size = round(EDGE / 0.72)  # a capital's height is about so much of the size
        place = (EDGE // 2, EDGE // 2 + EDGE)
        cv2.putText(colours, sign, place, (255, 255, 255), _face(face), size, WEIGHTS[weight])
        field = colours[..., 0]
    columns = np.flatnonzero(field.max(axis=0))
    if not len(columns):
        return np.zeros((EDGE * 2, EDGE // 3), np.uint8)
    return np.ascontiguousarray(field[:, columns[0] : columns[-1] + 1])


def _face(name: str) -> cv2.FontFace:
    """One for each thread: nothing says that they may be shared."""
    faces: dict[str, cv2.FontFace] = _local.__dict__.setdefault("faces", {})
    if name not in faces:
        faces[name] = cv2.FontFace(name)
    return faces[name]
