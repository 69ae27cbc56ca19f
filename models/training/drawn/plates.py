"""Number plates of European, American and Asian kinds with made-up numbers. Knows no place where they hang.

The layouts are like those in use, not copies of any: what matters is how many signs stand how close on what ground.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.training.drawn.card import BLACK, WHITE, Card, Colour
from models.training.drawn.lettering import any_hand, plate_hand
from models.training.drawn.words import cased, filled, word

HEIGHT = 88  # pixels of a plate of one line
EUROPEAN = (
    "L-LL DDD",
    "LL-LL DDDD",
    "LL-DDD-LL",
    "LLDD LLL",
    "DDDD LLL",
    "LL DDDDD",
    "LLL DDD",
    "D LLD DDDD",
    "LL DDD L",
)
AMERICAN = ("DLLLDDD", "LLL DDDD", "LLL-DDD", "DDD LLL", "LLLDDDD", "DDL DDD", "LL DDDDD")
INDIAN = ("LL DD LL DDDD", "LL DD L DDDD", "LLDDLLDDDD")
BLUE, YELLOW, GREEN, RED = (24, 62, 150), (236, 190, 30), (28, 120, 70), (170, 28, 32)


def plate(rng: np.random.Generator) -> Card:
    kinds = (_european, _european_square, _american, _chinese, _japanese, _indian, _korean)
    make = kinds[int(rng.choice(len(kinds), p=[0.38, 0.08, 0.2, 0.1, 0.1, 0.08, 0.06]))]
    card = make(rng)
    if rng.random() < 0.5:
        _bolts(card, rng)
    card.round_off(int(rng.integers(2, 9)))
    return card


def _european(rng: np.random.Generator) -> Card:
    card = Card.blank(HEIGHT, round(HEIGHT * float(rng.uniform(4.2, 4.8))), _ground(rng))
    ink = BLACK if rng.random() < 0.85 else _dark(rng)
    left = 0.03
    if rng.random() < 0.7:
        left = 0.11
        _band(card, rng, 0, left - 0.01)
    right = 0.97
    if rng.random() < 0.15:
        right = 0.89
        _band(card, rng, right + 0.01, 1)
    if rng.random() < 0.7:
        card.border(ink, int(rng.integers(2, 4)), int(rng.integers(1, 4)), 7)
    text = filled(rng, str(rng.choice(EUROPEAN)))
    margin = float(rng.uniform(0.13, 0.2))
    card.write(text, plate_hand(rng), ink, (margin, left, 1 - margin, right), bevel=_bevel(rng))
    if rng.random() < 0.3:  # seals between the groups
        for y in (0.33, 0.68):
            centre = (round(card.size[1] * 0.36), round(card.size[0] * y))
            cv2.circle(card.pixels, centre, HEIGHT // 10, _any(rng), -1, cv2.LINE_AA)
    return card


def _european_square(rng: np.random.Generator) -> Card:
    card = Card.blank(round(HEIGHT * 1.8), round(HEIGHT * float(rng.uniform(2.2, 2.7))), _ground(rng))
    hand, bevel = plate_hand(rng), _bevel(rng)
    card.border(BLACK, 3, 2, 8)
    card.write(
        filled(rng, str(rng.choice(["LL", "L", "LLL", "LL D"]))), hand, BLACK, (0.09, 0.1, 0.46, 0.9), bevel=bevel
    )
    card.write(
        filled(rng, str(rng.choice(["DDDD", "LL DDD", "L DDDD"]))), hand, BLACK, (0.54, 0.06, 0.91, 0.94), bevel=bevel
    )
    return card


def _american(rng: np.random.Generator) -> Card:
    height = round(HEIGHT * 1.4)
    top, bottom = _light(rng), _light(rng) if rng.random() < 0.5 else WHITE
    card = Card.blank(height, height * 2, top)
    if rng.random() < 0.6:  # a ground that fades from one colour to another
        ramp = np.linspace(0, 255, height, dtype=np.uint8)[:, None].repeat(card.size[1], axis=1)
        card.paint(ramp, bottom)
    if rng.random() < 0.3:  # hills along the middle
        xs = np.arange(card.size[1])
        crest = height * (0.55 + 0.12 * np.sin(xs / rng.uniform(15, 50) + rng.uniform(0, 6)))
        card.paint(((np.arange(height)[:, None] > crest) * 110).astype(np.uint8), _any(rng))
    ink = _dark(rng)
    card.write(cased(rng, word(rng, 3)), any_hand(rng), _dark(rng), (0.05, 0.2, 0.2, 0.8))
    card.write(
        filled(rng, str(rng.choice(AMERICAN))), plate_hand(rng), ink, (0.27, 0.05, 0.78, 0.95), bevel=_bevel(rng)
    )
    if rng.random() < 0.7:
        motto = f"{word(rng, 2)} {word(rng, 2)}"
        card.write(cased(rng, motto), any_hand(rng), _dark(rng), (0.84, 0.15, 0.95, 0.85))
    if rng.random() < 0.4:
        card.border(_dark(rng), 2, 2, 8)
    return card


def _chinese(rng: np.random.Generator) -> Card:
    grounds: tuple[tuple[Colour, Colour], ...] = (
        (BLUE, WHITE),
        (BLUE, WHITE),
        (YELLOW, BLACK),
        ((150, 205, 160), BLACK),
    )
    ground, ink = grounds[int(rng.integers(len(grounds)))]
    card = Card.blank(HEIGHT, round(HEIGHT * float(rng.uniform(3.1, 3.5))), ground)
    card.border(ink, 2, 3, 6)
    text = filled(rng, str(rng.choice(["HL·DDDDD", "HL·LDDDD", "HL·DDLDD", "HL·LDDDDD"])))
    card.write(text, plate_hand(rng), ink, (0.16, 0.04, 0.84, 0.96), bevel=_bevel(rng))
    return card


def _japanese(rng: np.random.Generator) -> Card:
    grounds: tuple[tuple[Colour, Colour], ...] = ((WHITE, GREEN), (YELLOW, BLACK), (GREEN, WHITE), (WHITE, GREEN))
    ground, ink = grounds[int(rng.integers(len(grounds)))]
    height = round(HEIGHT * 1.4)
    card = Card.blank(height, height * 2, ground)
    hand = plate_hand(rng)
    card.write(filled(rng, "HH DDD"), hand, ink, (0.07, 0.22, 0.34, 0.78))
    card.write(filled(rng, "K"), hand, ink, (0.52, 0.04, 0.76, 0.15))
    number = filled(rng, str(rng.choice(["DD-DD", "·D-DD", "·DDD"])))
    card.write(number, hand, ink, (0.42, 0.2, 0.92, 0.96), bevel=_bevel(rng))
    return card


def _indian(rng: np.random.Generator) -> Card:
    card = Card.blank(HEIGHT, round(HEIGHT * float(rng.uniform(3.8, 4.6))), WHITE if rng.random() < 0.6 else YELLOW)
    card.border(BLACK, 2, 2, 5)
    card.write(filled(rng, str(rng.choice(INDIAN))), plate_hand(rng), BLACK, (0.2, 0.06, 0.8, 0.96), bevel=_bevel(rng))
    return card


def _korean(rng: np.random.Generator) -> Card:
    card = Card.blank(HEIGHT, round(HEIGHT * float(rng.uniform(4.2, 4.8))), WHITE if rng.random() < 0.7 else YELLOW)
    if rng.random() < 0.5:
        _band(card, rng, 0, 0.08)
    text = filled(rng, str(rng.choice(["DDG DDDD", "DDDG DDDD"])))
    card.write(text, plate_hand(rng), BLACK, (0.16, 0.1, 0.84, 0.96), bevel=_bevel(rng))
    return card


def _band(card: Card, rng: np.random.Generator, left: float, right: float) -> None:
    """A coloured band with a ring of dots and a letter or two below."""
    height, width = card.size
    x0, x1 = round(left * width), round(right * width)
    colour = BLUE if rng.random() < 0.85 else RED
    cv2.rectangle(card.pixels, (x0, 0), (x1, height), colour, -1)
    centre, radius = ((x0 + x1) / 2, height * 0.3), (x1 - x0) * 0.32
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        at = (round(centre[0] + radius * np.cos(angle)), round(centre[1] + radius * np.sin(angle)))
        cv2.circle(card.pixels, at, 2, YELLOW, -1, cv2.LINE_AA)
    letters = filled(rng, str(rng.choice(["L", "L", "LL", "LLL"])))
    card.write(letters, plate_hand(rng), WHITE, (0.66, left + 0.01, 0.9, right - 0.01))


def _bolts(card: Card, rng: np.random.Generator) -> None:
    height, width = card.size
    away, up = round(width * float(rng.uniform(0.04, 0.25))), round(height * float(rng.uniform(0.08, 0.5)))
    radius = max(2, height // 24)
    for x in (away, width - away):
        cv2.circle(card.pixels, (x, up), radius, (120, 118, 112), -1, cv2.LINE_AA)
        cv2.circle(card.pixels, (x, up), radius, (40, 40, 40), 1, cv2.LINE_AA)


def _bevel(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.2, 0.8)) if rng.random() < 0.6 else 0.0


def _ground(rng: np.random.Generator) -> Colour:
    return WHITE if rng.random() < 0.75 else YELLOW


def _light(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(v) for v in rng.integers(170, 250, 3))
    return red, green, blue


def _dark(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(v) for v in rng.integers(5, 110, 3))
    return red, green, blue


def _any(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue
