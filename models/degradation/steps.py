"""What a step of a profile is: ranges, drawn once a clip, then run over its frames one by one. Knows no step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Protocol

import numpy as np

from models.degradation.blur import Picture

Range = tuple[float, float]  # both ends may occur, all between them equally likely


class Drawn(Protocol):
    """One step of one clip: a frozen dataclass whose fields are its parameters, plain values that JSON can hold."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        """The clip's frames after this step, as many, in order. `rng` is for what differs from frame to frame."""


class Step(Protocol):
    """A frozen dataclass of ranges and probabilities."""

    def draw(self, rng: np.random.Generator, scale: int) -> Drawn | None:
        """None: this camera does not have it. `scale`: sharp pixels to a low-resolution one, each way."""


def uniform(rng: np.random.Generator, limits: Range) -> float:
    return float(rng.uniform(*limits))


def happens(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def each(frames: Iterable[Picture], change: Callable[[Picture], Picture]) -> Iterator[Picture]:
    """`change` applied to every frame; once only where the same array comes again, as it does in a still's run."""
    before: Picture | None = None
    after: Picture | None = None
    for frame in frames:
        if after is None or frame is not before:
            before, after = frame, change(frame)
        yield after
