"""The degradations by name: one plain table. Knows nothing of how any of them works."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from models.degradation import classical, glean_blind, second_order, surveillance
from models.degradation.codec import Bytes

Profile = Callable[[Bytes, int, int], Bytes]  # image, scale, seed -> low picture


def _surveillance(image: Bytes, scale: int, seed: int) -> Bytes:
    return surveillance.degrade(image, scale, seed)[0]


PROFILES: dict[str, Profile] = {
    "bicubic": partial(classical.degrade, parameters=classical.BICUBIC),
    "blurred": partial(classical.degrade, parameters=classical.BLURRED),
    "noisy": partial(classical.degrade, parameters=classical.NOISY),
    "glean-blind": glean_blind.degrade,
    "second-order": second_order.degrade,
    "surveillance": _surveillance,
}


class UnknownProfile(ValueError):
    """No degradation has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown degradation {name!r}: use one of {', '.join(PROFILES)}")


def degrade(name: str, image: Bytes, scale: int, seed: int) -> Bytes:
    """The low picture, (H//scale, W//scale, 3) uint8, that the named profile makes of a sharp (H, W, 3) uint8 one.

    The image is cropped to a multiple of `scale` from its first row and column; equal seeds give equal bytes. What a
    network should learn to give back is that crop, but for surveillance (`surveillance.degrade` also returns it) and
    for second-order, whose L1 and perceptual targets are the crop after `kernels.unsharp`.
    Raises UnknownProfile; ValueError for another shape or dtype, a scale below 1, a picture smaller than `scale`.
    """
    if name not in PROFILES:
        raise UnknownProfile(name)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"a picture to degrade must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
    if scale < 1 or min(image.shape[:2]) < scale:
        height, width, _ = image.shape
        raise ValueError(
            f"a picture of {width}x{height} cannot be made {scale} times smaller: use 1 to its shorter side"
        )
    return PROFILES[name](image, scale, seed)
