"""What happens between sensor and encoder: sharpening, and fields of two times woven into one frame. Knows no codec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from models.degradation.blur import Picture, sharpen
from models.degradation.steps import Range, each, happens, uniform


@dataclass(frozen=True, slots=True)
class HaloDrawn:
    amount: float
    sigma: float  # low-resolution pixels

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        return each(frames, lambda frame: sharpen(frame, self.sigma, self.amount))


@dataclass(frozen=True, slots=True)
class Halo:
    """Unsharp masking, whose overshoot at edges is clamped to the range: what cameras call sharpness."""

    chance: float
    amount: Range = (0.2, 1.0)
    sigma: Range = (0.6, 1.4)

    def draw(self, rng: np.random.Generator, scale: int) -> HaloDrawn | None:
        wanted, drawn = happens(rng, self.chance), HaloDrawn(uniform(rng, self.amount), uniform(rng, self.sigma))
        return drawn if wanted else None


@dataclass(frozen=True, slots=True)
class WeaveDrawn:
    """Each frame's late field is its own, its early field is that of the frame before.

    The first frame has none before it: its early field is its own, shifted sideways by `shift` pixels.
    """

    early: int  # parity of the rows of the early field: 0 is top field first
    shift: int  # low-resolution pixels

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        before: Picture | None = None
        for frame in frames:
            rows = np.roll(frame, self.shift, axis=1) if before is None else before
            woven = frame.copy()
            woven[self.early :: 2] = rows[self.early :: 2]
            before = frame
            yield woven


@dataclass(frozen=True, slots=True)
class Weave:
    """Interlace, of a camera that takes whole frames at the clip's rate: the fields are a frame apart, not half one."""

    shift: tuple[int, int] = (1, 3)

    def draw(self, rng: np.random.Generator, scale: int) -> WeaveDrawn:
        early, away = int(rng.integers(2)), int(rng.choice([-1, 1]))
        return WeaveDrawn(early, away * int(rng.integers(self.shift[0], self.shift[1] + 1)))
