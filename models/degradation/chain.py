"""A profile drawn for one clip: its steps in order, run lazily over the frames. Knows no profile by name."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np

from models.degradation.blur import Picture
from models.degradation.codec import Bytes
from models.degradation.steps import Drawn, Range, Step, happens, uniform
from models.degradation.surveillance import crop_to_multiple, to_bytes, to_float


class UnfitError(ValueError):
    """A picture, a run of frames, a scale or a seed cannot be degraded; the message names the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """Stills without the first axis."""

    low: Bytes  # (T, H//scale, W//scale, 3)
    target: Bytes  # (T, H', W', 3), H' and W' multiples of scale: what a network should give back
    parameters: dict[str, Any]  # what was drawn, for JSON


@dataclass(frozen=True, slots=True)
class Profile:
    """One entry of the table: ranges only, nothing drawn."""

    about: str
    source: str  # a paper, or "ours"
    steps: tuple[Step, ...]
    scene: tuple[Step, ...] = ()  # of the target too; they draw nothing from frame to frame
    frames: int = 1  # above 1 it needs several: a still stands for a run of so many, of which one is kept
    standing: float = 1.0  # probability that in a still's run nothing moves
    pan: Range = (0.0, 0.0)  # else how far all of it moves from frame to frame, low-resolution pixels
    still: Callable[[Bytes, int, int], Degraded] | None = None  # image, scale, seed: where stills have their own way


@dataclass(frozen=True, slots=True)
class Chain:
    """What `draw` drew. May be run any number of times; every run gives the same."""

    profile: Profile
    scale: int
    seed: int
    scene: tuple[Drawn, ...]
    steps: tuple[Drawn, ...]
    keep: int  # which frame of a still's run is kept
    pan: tuple[float, float]  # x, y in sharp pixels a frame
    drawn: dict[str, Any] = field(repr=False)

    def run(self, frames: Iterable[Bytes]) -> Iterator[Bytes]:
        """Low frames of sharp ones, (H, W, 3) uint8 each, as many, in order, some of them later: codecs hold a few.

        Memory is that of the frames held, whatever the length of the clip. Raises UnfitError for frames of another
        dtype, another size than the first's, or smaller than the scale; CodecError.
        """
        rng = np.random.default_rng((self.seed, 1))
        current: Iterator[Picture] = self._sharp(frames)
        for step in (*self.scene, *self.steps):
            current = step.run(current, rng)
        return map(to_bytes, current)

    def targets(self, frames: Iterable[Bytes]) -> Iterator[Bytes]:
        """What a network should make of `run`'s frames."""
        if not self.scene:
            return (crop_to_multiple(frame, self.scale) for frame in frames)
        rng = np.random.default_rng((self.seed, 1))
        current: Iterator[Picture] = self._sharp(frames)
        for step in self.scene:
            current = step.run(current, rng)
        return map(to_bytes, current)

    def still(self, image: Bytes) -> Bytes:
        """The kept frame of a run of this picture, which is unmoved in it."""
        return deque(self.run(self._still_run(image)), maxlen=1).pop()

    def _sharp(self, frames: Iterable[Bytes]) -> Iterator[Picture]:
        before: Bytes | None = None
        picture: Picture | None = None
        for frame in frames:
            if picture is None or frame is not before:
                check(frame, self.scale, like=before)
                before, picture = frame, to_float(crop_to_multiple(frame, self.scale))
            yield picture

    def _still_run(self, image: Bytes) -> Iterator[Bytes]:
        """Up to the kept frame: the encoders of such profiles do not look ahead, so what comes after cannot matter."""
        for index in range(self.keep + 1):
            x, y = (round(speed * (self.keep - index)) for speed in self.pan)
            yield moved(image, x, y) if x or y else image


def draw(profile: Profile, scale: int, seed: int) -> Chain:
    """Raises UnfitError for a scale below 1 or a negative seed."""
    if scale < 1 or seed < 0:
        raise UnfitError(f"scale {scale} and seed {seed}: use a scale of at least 1 and a seed of at least 0")
    rng = np.random.default_rng(seed)
    scene = tuple(drawn for step in profile.scene if (drawn := step.draw(rng, scale)) is not None)
    steps = tuple(drawn for step in profile.steps if (drawn := step.draw(rng, scale)) is not None)
    keep, stands = int(rng.integers(profile.frames)), happens(rng, profile.standing)
    speed, angle = uniform(rng, profile.pan) * scale, uniform(rng, (0.0, 2 * math.pi))
    pan = (0.0, 0.0) if stands else (speed * math.cos(angle), speed * math.sin(angle))
    parameters = [{"step": _name(step), **asdict(step)} for step in (*scene, *steps)]
    return Chain(profile, scale, seed, scene, steps, keep, pan, {"scale": scale, "seed": seed, "steps": parameters})


def check(image: Bytes, scale: int, *, like: Bytes | None = None) -> None:
    """Raises UnfitError where the picture cannot be degraded, or is not of the size of `like`."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UnfitError(f"a picture to degrade must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
    height, width, _ = image.shape
    if min(height, width) < scale:
        raise UnfitError(
            f"a picture of {width}x{height} cannot be made {scale} times smaller: use 1 to its shorter side"
        )
    if like is not None and like.shape != image.shape:
        raise UnfitError(f"a frame of {width}x{height} follows one of {like.shape[1]}x{like.shape[0]}: use one size")


def moved(image: Bytes, x: int, y: int) -> Bytes:
    """Shifted by whole pixels to the right and down, its edges mirrored; by less than the picture's size."""
    height, width, _ = image.shape
    x, y = int(np.clip(x, 1 - width, width - 1)), int(np.clip(y, 1 - height, height - 1))
    edges = (max(y, 0), max(-y, 0), max(x, 0), max(-x, 0))
    large = cv2.copyMakeBorder(image, *edges, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(large[max(-y, 0) :][:height, max(-x, 0) :][:, :width], dtype=np.uint8)


def _name(step: Drawn) -> str:
    return type(step).__name__.removesuffix("Drawn").lower()
