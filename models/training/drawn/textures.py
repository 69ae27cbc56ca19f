"""Fine textures up to what a small picture can just not hold: gratings, brick, mesh, foliage, cloth. Knows no scene."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Field = NDArray[np.float32]

SLOWEST, FASTEST = 0.07, 0.6  # periods in a low-resolution pixel; the small picture holds 0.5 of them


def texture(rng: np.random.Generator, size: int, scale: int) -> Bytes:
    """(size, size, 3) of one texture in two or three colours, straight or seen aslant."""
    x, y = _plane(rng, size, scale)
    kinds: tuple[Callable[[np.random.Generator, Field, Field], Field], ...] = (_grating, _brick, _mesh, _cloth, _tiles)
    leaves = rng.random() < 0.25
    amount = _foliage(rng, size, scale) if leaves else kinds[int(rng.integers(len(kinds)))](rng, x, y)
    one, two = _colours(rng)
    if rng.random() < 0.6:
        amount = amount + _grain(rng, size, float(rng.uniform(1, 12)), float(rng.uniform(0.02, 0.15)))
    picture = one + (two - one) * np.clip(amount, 0, 1)[..., None]
    if rng.random() < 0.5:  # light that falls off
        angle = rng.uniform(0, 2 * np.pi)
        ys, xs = np.mgrid[:size, :size].astype(np.float32) / size - 0.5
        picture = picture * (1 + float(rng.uniform(0, 0.5)) * (xs * np.cos(angle) + ys * np.sin(angle)))[..., None]
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def _plane(rng: np.random.Generator, size: int, scale: int) -> tuple[Field, Field]:
    """Coordinates in periods: turned, at a frequency drawn log-uniformly, half of the time on a plane that recedes."""
    frequency = float(np.exp(rng.uniform(np.log(SLOWEST), np.log(FASTEST)))) / scale
    angle = float(rng.uniform(0, 2 * np.pi)) if rng.random() < 0.6 else float(rng.normal(0, 0.06))
    ys, xs = np.mgrid[:size, :size].astype(np.float32)
    xs -= size / 2 + float(rng.uniform(-9, 9))
    ys -= size / 2 + float(rng.uniform(-9, 9))
    depth: Field | float = 1.0
    if rng.random() < 0.5:
        tilt = rng.uniform(-0.7, 0.7, 2) / size
        depth = 1 + xs * np.float32(tilt[0]) + ys * np.float32(tilt[1])
    cos, sin = np.float32(np.cos(angle) * frequency), np.float32(np.sin(angle) * frequency)
    return (xs * cos + ys * sin) / depth, (ys * cos - xs * sin) / depth


def _grating(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Sine, or bars of any share: shutters, blinds, railings, corrugated sheet."""
    if rng.random() < 0.3:
        x = x + float(rng.uniform(0.1, 0.6)) * np.sin(y * float(rng.uniform(0.2, 1)))
    return _wave(x) if rng.random() < 0.4 else _bars(x, float(rng.uniform(0.2, 0.8)), _softness(x))


def _brick(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Rows shifted by half a brick, each brick of its own brightness, mortar between."""
    flat, joint = float(rng.uniform(1.5, 3)), float(rng.uniform(0.06, 0.2))
    row = np.floor(y)
    along = np.asarray(x / flat + 0.5 * (row % 2), np.float32)
    column = np.floor(along)
    own = ((row * 57.31 + column * 113.97) * 0.731) % 1
    inside = _bars(y, 1 - joint, _softness(y)) * _bars(along, 1 - joint / flat, _softness(along))
    return np.asarray(inside * (0.55 + 0.45 * own), np.float32)


def _mesh(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Two families of thin lines."""
    share, other = (float(v) for v in rng.uniform(0.08, 0.35, 2))
    if rng.random() < 0.5:
        x, y = np.asarray((x + y) * 0.7, np.float32), np.asarray((x - y) * 0.7, np.float32)
    return np.maximum(_bars(x, share, _softness(x)), _bars(y, other, _softness(y)))


def _cloth(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Twill, plain weave or a check of several widths."""
    kind = rng.integers(3)
    if kind == 0:
        return np.asarray(0.5 * _wave(x + y) + 0.5 * _wave(y * 2), np.float32)
    if kind == 1:
        return np.asarray(_wave(x) * _wave(y) + (1 - _wave(x)) * (1 - _wave(y)), np.float32)
    wide, fine = _bars(x * 0.25, 0.5, 0.02) + _bars(y * 0.25, 0.5, 0.02), _bars(x + y, 0.5, _softness(x))
    return np.asarray(0.35 * wide + 0.3 * fine, np.float32)


def _tiles(rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Squares of two kinds or of their own brightness each."""
    if rng.random() < 0.5:
        return np.asarray((np.floor(x) + np.floor(y)) % 2, np.float32)
    own = ((np.floor(x) * 71.13 + np.floor(y) * 29.77) * 0.619) % 1
    joint = float(rng.uniform(0.03, 0.12))
    return np.asarray(own * _bars(x, 1 - joint, _softness(x)) * _bars(y, 1 - joint, _softness(y)), np.float32)


def _foliage(rng: np.random.Generator, size: int, scale: int) -> Field:
    """Noise of one octave after another, cut at levels: leaves, gravel, grass."""
    amount = np.zeros((size, size), np.float32)
    grass = float(rng.uniform(2, 5)) if rng.random() < 0.4 else 1.0  # drawn out upwards
    sharp = float(rng.uniform(1.5, 8))
    for octave in range(4):
        grain = max(1.0, scale * float(rng.uniform(0.5, 1.5)) * 2**octave)
        cells = (max(2, round(size / grain / grass)), max(2, round(size / grain)))
        noise = rng.standard_normal(cells, np.float32)
        wide = np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
        amount += np.tanh(wide * sharp) * np.float32(0.5**0.3) ** octave
    return np.asarray(0.5 + 0.22 * amount, np.float32)


def _grain(rng: np.random.Generator, size: int, coarse: float, strength: float) -> Field:
    cells = max(2, round(size / coarse))
    noise = rng.standard_normal((cells, cells), np.float32)
    return np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_LINEAR) * strength, np.float32)


def _wave(x: Field) -> Field:
    return np.asarray(0.5 + 0.5 * np.sin(x * np.float32(2 * np.pi)), np.float32)


def _bars(x: Field, share: float, soft: float) -> Field:
    """1 for `share` of each period, with edges `soft` periods wide."""
    away = np.abs((x % 1) - np.float32(0.5))
    level = (np.float32(share / 2) - away) / np.float32(max(soft, 1e-3)) + np.float32(0.5)
    return np.asarray(np.clip(level, 0, 1), np.float32)


def _softness(x: Field) -> float:
    """A pixel and a half in periods, in the middle of the picture."""
    middle = x.shape[0] // 2
    here = np.abs(np.diff(x[middle : middle + 2, middle : middle + 2], axis=0)).max()
    across = np.abs(np.diff(x[middle : middle + 2, middle : middle + 2], axis=1)).max()
    return float(1.5 * min(0.5, max(here, across)))


def _colours(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two, mostly muted and of one hue family, at times any."""
    if rng.random() < 0.25:
        return rng.uniform(0, 255, 3).astype(np.float32), rng.uniform(0, 255, 3).astype(np.float32)
    grey, contrast = float(rng.uniform(30, 200)), float(rng.uniform(20, 150))
    tint = rng.uniform(-25, 25, 3)
    one, two = grey + tint, np.clip(grey + contrast, 0, 255) + tint + rng.uniform(-12, 12, 3)
    return one.astype(np.float32), two.astype(np.float32)
