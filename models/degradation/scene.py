"""What a camera shows differently but not worse: infrared light, exposure, contrast. Knows nothing of damage.

These steps run on the sharp picture, and what they make of it is what a network should give back: an enhancer must not
colour an infrared picture or change the light.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from models.degradation.blur import Picture
from models.degradation.steps import Range, each, happens, uniform
from models.degradation.surveillance import to_grey


@dataclass(frozen=True, slots=True)
class InfraredDrawn:
    falloff: float  # share of the light that is missing in the corner farthest from the lamp's axis
    axis_x: float  # where the lamp points, 0..1 of width and height
    axis_y: float

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        light: Picture | None = None
        for frame in each(frames, to_grey):
            if light is None:
                light = self.light(frame.shape[0], frame.shape[1])
            yield frame * light

    def light(self, height: int, width: int) -> Picture:
        """(H, W, 1): 1 on the axis, falling with the fourth power of the cosine, as lenses and lamps do."""
        ys, xs = np.mgrid[:height, :width].astype(np.float32)
        x, y = xs / max(1, width - 1) - self.axis_x, ys / max(1, height - 1) - self.axis_y
        squared = (x * width / height) ** 2 + y**2
        farthest = float(squared.max()) or 1.0
        tangent2 = 1 / math.sqrt(max(1e-6, 1 - self.falloff)) - 1  # of the half angle, so that the corner has 1-falloff
        return np.asarray((1 / (1 + squared / farthest * tangent2) ** 2)[..., None], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Infrared:
    """Grey by BT.601, lit by a lamp at the camera."""

    falloff: Range = (0.2, 0.75)
    axis: Range = (0.35, 0.65)

    def draw(self, rng: np.random.Generator, scale: int) -> InfraredDrawn:
        return InfraredDrawn(uniform(rng, self.falloff), uniform(rng, self.axis), uniform(rng, self.axis))


@dataclass(frozen=True, slots=True)
class ToneDrawn:
    exposure: float  # factor; what exceeds 1 is clipped
    gamma: float
    black: float  # the level that black becomes
    white: float  # the level that white becomes

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        return each(frames, self.change)

    def change(self, picture: Picture) -> Picture:
        bright = np.minimum(picture * np.float32(self.exposure), 1)
        curved = cv2.pow(bright, self.gamma)  # several times quicker than numpy's
        return np.asarray(curved * np.float32(self.white - self.black) + np.float32(self.black), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Tone:
    """Clipped highlights, another gamma, low contrast (haze, glare, a dirty dome)."""

    chance: float = 0.5
    exposure: Range = (0.8, 1.3)
    gamma: Range = (0.8, 1.25)
    black: Range = (0.0, 0.12)
    white: Range = (0.8, 1.0)

    def draw(self, rng: np.random.Generator, scale: int) -> ToneDrawn | None:
        wanted = happens(rng, self.chance)
        drawn = ToneDrawn(*(uniform(rng, limits) for limits in (self.exposure, self.gamma, self.black, self.white)))
        return drawn if wanted else None
