"""Pairs for training: a sharp crop, and what a camera makes of it by a profile drawn from a mix. Made when needed.

A pair costs about 5 ms of one core (codec over several frames included) where a step of the network costs a hundred
times that, so nothing is packed: no pair is ever seen twice. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.degradation import profiles
from models.training.drawn import burnt, clocks
from models.training.drawn.picture import drawn_picture
from models.training.pictures import Pictures, crop

Bytes = NDArray[np.uint8]

# A third is clean, so that clean footage is not blurred by a network that expects noise everywhere; the rest is what
# cameras do, the stated measuring profile among it, and a little of everything that could come instead.
MIX: Mapping[str, float] = {
    "clean-bicubic": 0.30,
    "surveillance-crf28": 0.16,
    "surveillance-day": 0.14,
    "surveillance": 0.10,
    "surveillance-night-ir": 0.04,
    "surveillance-interlaced": 0.02,
    "low-bitrate-h264": 0.04,
    "low-bitrate-h265": 0.02,
    "reencoded": 0.04,
    "oversharpened": 0.02,
    "noise-only": 0.03,
    "blur-only": 0.03,
    "jpeg-only": 0.03,
    "classical": 0.03,
}
SMALLEST = 0.5  # factor by which a picture is shrunk before cropping, at least
DRAWN = 0.04  # share of drawings: plates, clocks and signs are rarer in photographs than in what cameras watch
CLOCKS = 0.3  # of those: what a recorder writes, over a photograph
GROUNDS = 0.6  # of the other plates and signs: hung into a photograph
BUSY = 0.5  # share of pairs for which the busier of two crops is taken
SLACK = 8  # low-resolution pixels cut off at random, so that the codec's blocks lie anywhere


def pair(
    pictures: Pictures,
    rng: np.random.Generator,
    scale: int,
    edge: int,
    mix: Mapping[str, float] = MIX,
    drawn: float = DRAWN,
) -> tuple[Bytes, Bytes]:
    """low (edge, edge, 3) and its target (edge·scale, edge·scale, 3), turned to one of the square's eight symmetries.

    Profiles are taken with the probabilities that `mix` gives them, in proportion to their sum. drawn: share of pairs
    with something drawn in them; a recorder's writing stays upright.
    """
    names, weights = list(mix), np.array(list(mix.values()))
    profile = str(rng.choice(names, p=weights / weights.sum()))
    wide = (edge + SLACK) * scale
    draws = rng.random() < drawn
    writes = draws and rng.random() < CLOCKS
    if draws and not writes:
        ground = _crop(pictures, rng, wide) if rng.random() < GROUNDS else None
        sharp = drawn_picture(rng, wide, scale, ground)
    else:
        sharp = _crop(pictures, rng, wide)
    turn = int(rng.integers(8))  # before the camera: its codec and its rows have a direction
    sharp = np.ascontiguousarray(_turned(sharp, turn))
    seed = int(rng.integers(2**31))
    if writes:
        overlay = clocks.overlay(rng, edge + SLACK, edge + SLACK, scale)
        found = burnt.degrade(sharp, profile, scale, seed, overlay)
    else:
        found = profiles.degrade(sharp, profile, scale, seed)
    y, x = (int(v) for v in rng.integers(0, SLACK + 1, 2))
    low = found.low[y : y + edge, x : x + edge]
    target = found.target[y * scale : (y + edge) * scale, x * scale : (x + edge) * scale]
    return low, target


def _crop(pictures: Pictures, rng: np.random.Generator, edge: int) -> Bytes:
    first = crop(pictures, rng, edge, SMALLEST)
    if rng.random() >= BUSY:
        return first
    return max((first, crop(pictures, rng, edge, SMALLEST)), key=_busyness)


def _busyness(image: Bytes) -> float:
    return float(np.abs(np.diff(image[::2, ::2, 1].astype(np.int16), axis=1)).mean())


def _turned(image: Bytes, turn: int) -> Bytes:
    image = np.rot90(image, turn % 4)
    return image[:, ::-1] if turn >= 4 else image
