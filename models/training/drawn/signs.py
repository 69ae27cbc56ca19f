"""Signs of roads and shops with made-up words. Knows no place where they hang."""

from __future__ import annotations

import cv2
import numpy as np

from models.training.drawn.card import BLACK, WHITE, Card, Colour
from models.training.drawn.lettering import any_hand
from models.training.drawn.words import cased, eastern, filled, word

EDGE = 128  # pixels
RED, BLUE, GREEN, YELLOW = (190, 24, 34), (20, 74, 160), (18, 110, 66), (240, 190, 24)


def sign(rng: np.random.Generator) -> Card:
    kinds = (_ring, _triangle, _octagon, _disc, _direction, _diamond, _shop, _notice)
    return kinds[int(rng.choice(len(kinds), p=[0.12, 0.08, 0.06, 0.06, 0.18, 0.06, 0.32, 0.12]))](rng)


def _ring(rng: np.random.Generator) -> Card:
    """A speed, in a red ring."""
    card = Card.blank(EDGE, EDGE, WHITE)
    middle = (EDGE // 2, EDGE // 2)
    cv2.circle(card.pixels, middle, EDGE // 2 - 8, RED, 14, cv2.LINE_AA)
    speed = str(int(rng.integers(1, 14)) * 10)
    card.write(speed, any_hand(rng), BLACK, (0.3, 0.2, 0.7, 0.8))
    return _cut_out(card, "circle")


def _triangle(rng: np.random.Generator) -> Card:
    card = Card.blank(EDGE, EDGE, RED)
    inner = np.array([[EDGE // 2, 26], [20, EDGE - 16], [EDGE - 20, EDGE - 16]], np.int32)
    cv2.fillPoly(card.pixels, [inner], WHITE if rng.random() < 0.8 else YELLOW, cv2.LINE_AA)
    if rng.random() < 0.5:
        card.write(str(rng.choice(["!", "X", "?", "+"])), any_hand(rng), BLACK, (0.4, 0.3, 0.82, 0.7))
    else:
        _figure(card, rng)
    return _cut_out(card, "triangle")


def _octagon(rng: np.random.Generator) -> Card:
    card = Card.blank(EDGE, EDGE, RED)
    card.border(WHITE, 3, 4, 34)
    text = "STOP" if rng.random() < 0.6 else word(rng, 1).upper()
    card.write(text, any_hand(rng), WHITE, (0.33, 0.1, 0.67, 0.9))
    return _cut_out(card, "octagon")


def _disc(rng: np.random.Generator) -> Card:
    """An arrow on blue, or no entry."""
    card = Card.blank(EDGE, EDGE, BLUE)
    if rng.random() < 0.3:
        card.pixels[:] = RED
        cv2.rectangle(card.pixels, (24, 54), (EDGE - 24, 74), WHITE, -1)
    else:
        angle = float(rng.integers(8)) * np.pi / 4
        across = np.array([np.cos(angle), np.sin(angle)]) * 42
        start, end = (tuple((np.array([64, 64]) + s * across).astype(int).tolist()) for s in (-1, 1))
        cv2.arrowedLine(card.pixels, start, end, WHITE, 12, cv2.LINE_AA, tipLength=0.4)
    return _cut_out(card, "circle")


def _diamond(rng: np.random.Generator) -> Card:
    card = Card.blank(EDGE, EDGE, YELLOW)
    if rng.random() < 0.4:
        _figure(card, rng)
    else:
        card.write(word(rng, 1).upper(), any_hand(rng), BLACK, (0.3, 0.2, 0.48, 0.8))
        card.write(word(rng, 1).upper(), any_hand(rng), BLACK, (0.52, 0.2, 0.7, 0.8))
    return _cut_out(card, "diamond")


def _direction(rng: np.random.Generator) -> Card:
    """One to three places with distances, white on blue or green, or black on white or yellow."""
    rows = int(rng.integers(1, 4))
    card = Card.blank(26 + 38 * rows, round(EDGE * float(rng.uniform(1.4, 2.4))), BLUE)
    grounds: tuple[tuple[Colour, Colour], ...] = ((BLUE, WHITE), (GREEN, WHITE), (WHITE, BLACK), (YELLOW, BLACK))
    ground, ink = grounds[int(rng.integers(len(grounds)))]
    card.pixels[:] = ground
    card.border(ink, 3, 4, 10)
    hand = any_hand(rng)
    for row in range(rows):
        top, bottom = (row + 0.22) / rows, (row + 0.78) / rows
        name = eastern(rng) if rng.random() < 0.15 else cased(rng, word(rng))
        card.write(name, hand, ink, (top, 0.06, bottom, 0.7))
        card.write(filled(rng, str(rng.choice(["D", "DD", "DDD", "LDD"]))), hand, ink, (top, 0.76, bottom, 0.94))
    card.round_off(10)
    return card


def _shop(rng: np.random.Generator) -> Card:
    """A board with a name, perhaps a second line; any colours that tell apart."""
    tall = rng.random() < 0.15
    height, width = (round(EDGE * 2), 72) if tall else (round(EDGE * float(rng.uniform(0.4, 0.9))), round(EDGE * 2.2))
    ground, ink = _two(rng)
    card = Card.blank(height, width, ground)
    if rng.random() < 0.4:
        ramp = np.linspace(0, 140, width, dtype=np.uint8)[None].repeat(height, axis=0)
        card.paint(ramp, _any(rng))
    if rng.random() < 0.5:
        card.border(ink if rng.random() < 0.5 else _any(rng), int(rng.integers(1, 5)), int(rng.integers(0, 6)), 6)
    bevel = float(rng.uniform(0.3, 1)) if rng.random() < 0.4 else 0.0  # letters of their own, with an edge
    if tall:
        text = (eastern(rng) + eastern(rng))[:5] if rng.random() < 0.7 else word(rng, 2).upper()[:6]
        hand = any_hand(rng)
        for index, letter in enumerate(text):
            card.write(
                letter, hand, ink, ((index + 0.12) / len(text), 0.12, (index + 0.88) / len(text), 0.88), bevel=bevel
            )
        return card
    name = eastern(rng) + " " + word(rng) if rng.random() < 0.2 else cased(rng, word(rng, int(rng.integers(1, 4))))
    two = rng.random() < 0.5
    card.write(name, any_hand(rng), ink, (0.15, 0.06, 0.62 if two else 0.85, 0.94), bevel=bevel)
    if two:
        below = filled(rng, "DDD DDD DD DD") if rng.random() < 0.4 else f"{word(rng)} {word(rng)}"
        card.write(below, any_hand(rng), ink, (0.7, 0.1, 0.9, 0.9))
    return card


def _notice(rng: np.random.Generator) -> Card:
    """A sheet of small lines, a few more words than can be read from afar."""
    ground, ink = (WHITE, BLACK) if rng.random() < 0.6 else _two(rng)
    card = Card.blank(round(EDGE * 1.3), EDGE, ground)
    hand, lines = any_hand(rng), int(rng.integers(4, 9))
    card.write(word(rng, 2).upper(), any_hand(rng), ink if rng.random() < 0.6 else RED, (0.05, 0.08, 0.2, 0.92))
    for row in range(lines):
        top = 0.26 + 0.7 * row / lines
        text = " ".join(word(rng) for _ in range(int(rng.integers(2, 4))))
        card.write(text, hand, ink, (top, 0.08, top + 0.45 / lines, float(rng.uniform(0.6, 0.95))))
    return card


def _figure(card: Card, rng: np.random.Generator) -> None:
    """A head and limbs."""
    cv2.circle(card.pixels, (64, 48), 7, BLACK, -1, cv2.LINE_AA)
    for start, end in (((64, 55), (64, 80)), ((64, 62), (50, 74)), ((64, 62), (78, 72)), ((64, 80), (54, 104))):
        cv2.line(card.pixels, start, end, BLACK, int(rng.integers(4, 8)), cv2.LINE_AA)
    cv2.line(card.pixels, (64, 80), (76, 103), BLACK, 6, cv2.LINE_AA)


def _cut_out(card: Card, shape: str) -> Card:
    mask, edge = np.zeros(card.size, np.uint8), EDGE - 1
    if shape == "circle":
        cv2.circle(mask, (EDGE // 2, EDGE // 2), EDGE // 2 - 1, 255, -1, cv2.LINE_AA)
    else:
        third = round(edge * 0.293)
        corners = {
            "triangle": [(edge // 2, 0), (0, edge), (edge, edge)],
            "diamond": [(edge // 2, 0), (0, edge // 2), (edge // 2, edge), (edge, edge // 2)],
            "octagon": _octagon_corners(edge, third),
        }[shape]
        cv2.fillPoly(mask, [np.array(corners, np.int32)], 255, cv2.LINE_AA)
    card.shape = mask
    return card


def _octagon_corners(edge: int, third: int) -> list[tuple[int, int]]:
    far = edge - third
    upper = [(third, 0), (far, 0), (edge, third), (edge, far)]
    return [*upper, (far, edge), (third, edge), (0, far), (0, third)]


def _two(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Ground and ink, at least 90 levels of brightness apart."""
    ground = _any(rng)
    for _ in range(20):
        ink = _any(rng)
        if abs(sum(ink) - sum(ground)) > 270:
            return ground, ink
    return ground, WHITE if sum(ground) < 380 else BLACK


def _any(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue
