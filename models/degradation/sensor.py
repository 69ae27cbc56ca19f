"""A sensor's noise in a clip: shot and read noise, blotches of colour, and a pattern that stays. Knows no optics.

`noise` has the model of the first surveillance profile; this adds chroma noise and the fixed pattern.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from models.degradation.blur import Picture
from models.degradation.noise import gain
from models.degradation.steps import Range, happens, uniform


@dataclass(frozen=True, slots=True)
class SensorDrawn:
    """Levels are shares of the range [0, 1]; x is the noiseless value of a channel.

    In every channel the temporal noise has the variance (1 + chroma²) · (shot · x + read²), of which the share without
    chroma² is common to the three channels. Grain is the sigma in pixels of a noise's own blur (demosaicing and the
    camera's denoising leave soft grain); the standard deviation is kept. The Poisson part is drawn as a Gaussian of the
    same variance (Foi et al., TIP 2008).
    """

    shot: float
    read: float
    grain: float
    chroma: float  # 0: grey noise
    chroma_grain: float
    pixels: float  # standard deviation of each pixel's own offset, constant over the clip
    rows: float  # likewise of each row's

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        pattern: Picture | None = None
        for frame in frames:
            if pattern is None:
                pattern = self.pattern(frame.shape[0], frame.shape[1], rng)
            yield self.expose(frame, pattern, rng)

    def pattern(self, height: int, width: int, rng: np.random.Generator) -> Picture:
        """(H, W, 1): the offsets that every frame of the clip has."""
        own = self.pixels * rng.standard_normal((height, width, 1), dtype=np.float32)
        return np.asarray(own + self.rows * rng.standard_normal((height, 1, 1), dtype=np.float32), dtype=np.float32)

    def expose(self, picture: Picture, pattern: Picture, rng: np.random.Generator) -> Picture:
        """One frame, clamped to [0, 1]."""
        height, width, channels = picture.shape
        noise = _grained(rng.standard_normal((height, width, 1), dtype=np.float32), self.grain)
        if self.chroma > 0:
            colour = rng.standard_normal((height, width, channels), dtype=np.float32)
            noise = noise + np.float32(self.chroma) * _grained(colour, self.chroma_grain)
        deviation = np.sqrt(np.float32(self.shot) * picture + np.float32(self.read**2))
        return np.asarray(np.clip(picture + deviation * noise + pattern, 0, 1), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Sensor:
    """`level` scales all of a camera's noise together: a quiet sensor is quiet in every respect."""

    shot: float  # at level 1
    read: float  # at level 1, in [0, 1]
    level: tuple[float, float] = (1.2, 3.0)  # of a Beta distribution: by day most cameras are quiet
    grain: Range = (0.35, 0.8)
    grainy: float = 0.5  # probability of any grain
    chroma: Range = (0.2, 1.0)
    chroma_grain: Range = (0.6, 2.0)
    pixels: Range = (0.0, 0.3)  # of read
    rows: Range = (0.0, 0.3)  # of read

    def draw(self, rng: np.random.Generator, scale: int) -> SensorDrawn:
        level = float(rng.beta(*self.level))
        read = self.read * level
        grainy, grain = happens(rng, self.grainy), uniform(rng, self.grain)
        return SensorDrawn(
            shot=self.shot * level * uniform(rng, (0.2, 1.0)),
            read=read,
            grain=grain if grainy else 0.0,
            chroma=uniform(rng, self.chroma),
            chroma_grain=uniform(rng, self.chroma_grain),
            pixels=read * uniform(rng, self.pixels),
            rows=read * uniform(rng, self.rows),
        )


@dataclass(frozen=True, slots=True)
class FixedSensor:
    """Always the same sensor: for measuring under stated conditions."""

    sensor: SensorDrawn

    def draw(self, rng: np.random.Generator, scale: int) -> SensorDrawn:
        return self.sensor


def _grained(noise: Picture, sigma: float) -> Picture:
    if sigma <= 0:
        return noise
    soft = cv2.GaussianBlur(noise, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(soft.reshape(noise.shape) / gain(sigma), dtype=np.float32)


def deviation(sensor: SensorDrawn, value: float) -> float:
    """Standard deviation of the temporal noise of a channel at `value`, unclamped."""
    return math.sqrt((1 + sensor.chroma**2) * (sensor.shot * value + sensor.read**2))
