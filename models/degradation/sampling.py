"""The sensor's pixels: a sharp picture sampled coarsely, with the aliasing that each filter leaves. Knows no noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from models.degradation.blur import Picture
from models.degradation.matlab import imresize
from models.degradation.resize import METHODS, shrink
from models.degradation.steps import each

# "none" takes one pixel of each block, the middle one or, where the scale is even, the one after the middle (half a
# sharp pixel off); "matlab" is MATLAB's bicubic, on which papers report.
FILTERS = (*METHODS, "none", "matlab")


@dataclass(frozen=True, slots=True)
class SamplingDrawn:
    method: str
    scale: int

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        return each(frames, self.change)

    def change(self, picture: Picture) -> Picture:
        """(H, W, 3) -> (H/scale, W/scale, 3), in [0, 1]."""
        if self.scale == 1:
            return picture
        if self.method == "none":
            middle = self.scale // 2
            return np.ascontiguousarray(picture[middle :: self.scale, middle :: self.scale])
        if self.method == "matlab":
            return np.clip(imresize(picture, Fraction(1, self.scale)), 0, 1)
        return np.clip(shrink(picture, self.scale, self.method), 0, 1)


@dataclass(frozen=True, slots=True)
class Sampling:
    """area and bicubic do not alias; bilinear does for scales above 2, none always."""

    shares: tuple[tuple[str, float], ...] = (("area", 0.45), ("bicubic", 0.25), ("bilinear", 0.2), ("none", 0.1))

    def draw(self, rng: np.random.Generator, scale: int) -> SamplingDrawn:
        names, shares = zip(*self.shares, strict=True)
        return SamplingDrawn(str(rng.choice(names, p=shares)), scale)
