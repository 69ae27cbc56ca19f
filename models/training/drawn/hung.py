"""A card hung into a picture: seen aslant, lit, dirty, with a shadow. Knows no kind of card and no codec."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.drawn.card import Card, blend

Bytes = NDArray[np.uint8]

FINE = 2  # it is drawn so many times larger, and averaged down


def hang(ground: Bytes, card: Card, rng: np.random.Generator, height: float) -> None:
    """Draw the card into the ground (H, W, 3), about `height` pixels high, wherever most of it shows."""
    edge = ground.shape[0]
    width = height * card.size[1] / card.size[0]
    centre = [float(rng.uniform(*_room(extent, edge))) for extent in (width, height)]
    corners = _corners(rng, width, height) + np.array(centre)
    left, top = (max(0, int(np.floor(v)) - 3) for v in corners.min(axis=0))
    right, bottom = (min(edge, int(np.ceil(v)) + 4) for v in corners.max(axis=0))
    if right - left < 2 or bottom - top < 2:
        return
    small = min(1.0, FINE * height / card.size[0])  # averaged before it is bent: bending takes few pixels into account
    pixels, shape = _lit(_shrunk(card.pixels, small), rng), _shrunk(card.shape, small)
    source = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (pixels.shape[1], pixels.shape[0]) - 0.5
    target = (corners - (left, top)) * FINE - 0.5
    matrix = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
    size = (right - left, bottom - top)
    large = (size[0] * FINE, size[1] * FINE)
    bent = cv2.warpPerspective(pixels, matrix, large, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cut = cv2.warpPerspective(shape, matrix, large, flags=cv2.INTER_LINEAR)
    bent, mask = (np.asarray(cv2.resize(p, size, interpolation=cv2.INTER_AREA), np.uint8) for p in (bent, cut))
    here = ground[top:bottom, left:right]
    if rng.random() < 0.5:
        here = _shadowed(here, mask, rng, height)
    ground[top:bottom, left:right] = blend(here, bent, mask)


def _room(extent: float, edge: int) -> tuple[float, float]:
    """Where its middle may lie: inside where it fits, else so that the picture is full of it."""
    return (extent / 2, edge - extent / 2) if extent < edge else (edge - extent / 2, extent / 2)


def _corners(rng: np.random.Generator, width: float, height: float) -> NDArray[np.float64]:
    """(4, 2), clockwise from the upper left, about (0, 0): turned a little, one side farther away, sheared."""
    half = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * (width, height)
    strength = float(rng.choice([0.0, 0.5, 1.0]))
    half[:, 0] *= 1 - 0.35 * strength * float(rng.random())
    far = 1 + strength * rng.uniform(-0.18, 0.18, 2)
    half[:, 1] *= np.where(half[:, 0] < 0, far[0], far[1])
    half[:, 1] += half[:, 0] * strength * float(rng.uniform(-0.25, 0.25))
    angle = strength * float(rng.normal(0, 0.07))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(half @ turn.T)


def _lit(pixels: Bytes, rng: np.random.Generator) -> Bytes:
    """Under some light, with dirt and perhaps the edge of a shadow across."""
    height, width, _ = pixels.shape
    light = np.full((height, width), float(rng.uniform(0.45, 1.05)), np.float32)
    if rng.random() < 0.5:  # dirt, in patches
        cells = (int(rng.integers(3, 12)), int(rng.integers(6, 24)))
        patches = cv2.resize(rng.random(cells, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        light *= 1 - float(rng.uniform(0.05, 0.5)) * np.clip(patches, 0, 1)
    if rng.random() < 0.3:  # a shadow's edge
        slope, where = float(rng.uniform(-1, 1)), float(rng.uniform(0.2, 0.8)) * width
        xs, ys = np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]
        light *= np.where(xs - where > slope * ys, np.float32(rng.uniform(0.35, 0.8)), np.float32(1))
    tint = (1 + rng.uniform(-0.08, 0.08, 3)).astype(np.float32)
    return np.asarray(np.clip(pixels * light[..., None] * tint, 0, 255), dtype=np.uint8)


def _shrunk(plane: Bytes, factor: float) -> Bytes:
    if factor >= 1:
        return plane
    size = (max(2, round(plane.shape[1] * factor)), max(2, round(plane.shape[0] * factor)))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _shadowed(here: Bytes, mask: Bytes, rng: np.random.Generator, height: float) -> Bytes:
    """The ground darkened beside it, to one side."""
    away = max(1.0, height * 0.06)
    shift = np.array([[1, 0, float(rng.uniform(-away, away))], [0, 1, away]], np.float32)
    dark = cv2.warpAffine(mask, shift, (mask.shape[1], mask.shape[0]))
    soft = np.asarray(cv2.GaussianBlur(dark, (0, 0), max(0.6, away / 2)), np.uint8)
    return blend(here, np.zeros(3, np.int32), soft // np.uint8(2))
