"""Lens and shutter: defocus, and the blur of what moves while the shutter is open. Knows nothing of sampling or noise.

Lengths are in low-resolution pixels, so that one profile serves every scale; pictures are sharp ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.degradation.blur import Picture, blur, gaussian_kernel, motion_kernel
from models.degradation.steps import Range, each, happens, uniform

SHAKES = 12  # places that a shaking camera passes while the shutter is open


@dataclass(frozen=True, slots=True)
class DefocusDrawn:
    sigma_x: float  # sharp pixels
    sigma_y: float
    angle: float  # radians

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        return each(frames, self.change)

    def change(self, picture: Picture) -> Picture:
        if self.sigma_x == self.sigma_y:
            sigma = max(self.sigma_x, 1e-3)
            return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.float32)
        return filtered(picture, gaussian_kernel(self.sigma_x, self.sigma_y, self.angle))


@dataclass(frozen=True, slots=True)
class Defocus:
    """A Gaussian, sometimes wider one way than the other (astigmatism, a tilted sensor)."""

    sigma: Range
    uneven: float = 0.3  # probability
    ratio: Range = (0.5, 1.0)

    def draw(self, rng: np.random.Generator, scale: int) -> DefocusDrawn:
        sigma, uneven = uniform(rng, self.sigma) * scale, happens(rng, self.uneven)
        ratio, angle = uniform(rng, self.ratio), uniform(rng, (0.0, math.pi))
        return DefocusDrawn(sigma, sigma * (ratio if uneven else 1.0), angle)


@dataclass(frozen=True, slots=True)
class MotionDrawn:
    """Of a camera that pans or shakes, or of one thing that passes through a picture that is still."""

    kind: str  # "pan", "shake" or "object"
    length: float  # sharp pixels passed while the shutter is open
    angle: float  # radians
    place_x: float  # of the object in the first frame, 0..1 of the width
    place_y: float
    size: float  # the object's radius, 0..1 of the shorter side

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        if self.kind == "pan":
            kernel = motion_kernel(self.length, self.angle)
            return each(frames, lambda frame: filtered(frame, kernel))
        return self._shaken(frames, rng) if self.kind == "shake" else self._passed(frames)

    def _shaken(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        for frame in frames:
            yield filtered(frame, shake_kernel(rng, self.length))

    def _passed(self, frames: Iterable[Picture]) -> Iterator[Picture]:
        kernel = motion_kernel(self.length, self.angle)
        for index, frame in enumerate(frames):
            mask = self.mask(frame.shape[0], frame.shape[1], index)
            yield frame + mask * (filtered(frame, kernel) - frame)

    def mask(self, height: int, width: int, index: int) -> Picture:
        """(H, W, 1) in [0, 1]: where the object is in frame `index`; it moves by its streak twice, for half a shutter.

        Where it leaves the picture it comes in again on the other side.
        """
        moved = 2 * self.length * index
        x = (self.place_x * width + moved * math.cos(self.angle)) % width
        y = (self.place_y * height + moved * math.sin(self.angle)) % height
        radius = max(1.0, self.size * min(height, width))
        ys, xs = np.ogrid[:height, :width]
        distance = np.sqrt((xs - x) ** 2 + (ys - y) ** 2).astype(np.float32) / np.float32(radius)
        return np.asarray(np.clip((1 - distance) * 4, 0, 1)[..., None], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Motion:
    chance: float
    length: Range = (0.5, 3.0)
    kinds: tuple[str, ...] = ("pan", "shake", "object")  # equally likely

    def draw(self, rng: np.random.Generator, scale: int) -> MotionDrawn | None:
        wanted = happens(rng, self.chance)
        drawn = MotionDrawn(
            kind=self.kinds[int(rng.integers(len(self.kinds)))],
            length=uniform(rng, self.length) * scale,
            angle=uniform(rng, (0.0, 2 * math.pi)),
            place_x=uniform(rng, (0.2, 0.8)),
            place_y=uniform(rng, (0.2, 0.8)),
            size=uniform(rng, (0.15, 0.4)),
        )
        return drawn if wanted else None


def filtered(picture: Picture, kernel: NDArray[np.float32]) -> Picture:
    """As `blur.blur`; a grey picture's one channel is filtered once."""
    first = picture[..., 0]
    if np.array_equal(first, picture[..., 1]) and np.array_equal(first, picture[..., 2]):
        return np.repeat(blur(np.ascontiguousarray(first), kernel)[..., None], 3, axis=2)
    return blur(picture, kernel)


def shake_kernel(rng: np.random.Generator, length: float) -> NDArray[np.float32]:
    """The trace of a random walk of about `length` pixels that keeps its direction for a while; centred, sum 1.

    A point of the trace falls on four pixels bilinearly. Centred on its mean, so that pictures stay registered.
    """
    turns = np.cumsum(rng.normal(0, 0.7, SHAKES)) + rng.uniform(0, 2 * math.pi)
    walk = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], axis=1), axis=0) * (length / SHAKES)
    walk -= walk.mean(axis=0)
    radius = math.ceil(float(np.abs(walk).max())) + 1
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float64)
    corner = np.floor(walk).astype(np.int64)
    x, y = (walk - corner).T
    for dx, dy, weight in ((0, 0, (1 - x) * (1 - y)), (1, 0, x * (1 - y)), (0, 1, (1 - x) * y), (1, 1, x * y)):
        np.add.at(kernel, (corner[:, 1] + radius + dy, corner[:, 0] + radius + dx), weight)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)
