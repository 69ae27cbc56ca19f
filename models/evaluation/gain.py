"""The gain of one method over another by scene, with its uncertainty. Pure; knows no measure by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

RESAMPLES = 4000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Gain:
    """More is better. The interval is the percentile bootstrap's over scenes (Efron, 1979), 95 %."""

    mean: float  # over scenes
    low: float
    high: float
    share: float  # of the scenes that gain, 0..1
    scenes: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def by_scene(values: Sequence[tuple[str, float]]) -> dict[str, float]:
    """The mean of each scene, whose pictures do not count as independent of one another; sorted by scene."""
    scenes: dict[str, list[float]] = {}
    for scene, value in values:
        scenes.setdefault(scene, []).append(value)
    return {scene: float(np.mean(scenes[scene])) for scene in sorted(scenes)}


def gain(values: Sequence[tuple[str, float]], seed: int = 0) -> Gain:
    """Of (scene, difference) pairs, at least one; with one scene the interval is that one value."""
    if not values:
        raise ValueError("there is no gain over no scenes: measure at least one")
    means = np.array(list(by_scene(values).values()))
    drawn = np.random.default_rng(seed).integers(len(means), size=(RESAMPLES, len(means)))
    low, high = np.quantile(means[drawn].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Gain(float(means.mean()), float(low), float(high), float((means > 0).mean()), len(means))
