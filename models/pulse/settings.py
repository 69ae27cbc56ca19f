"""How a search is done, as one value. No torch: whoever queues a search may hold it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from models.pulse.schedule import Schedule


class Inner(StrEnum):
    """The optimiser inside the spherical one."""

    ADAM = "adam"
    SGD = "sgd"
    SGDM = "sgdm"  # with momentum
    ADAMAX = "adamax"


class NoiseMaps(StrEnum):
    """What the search does with the noise that a bank adds after its convolutions."""

    TRAINABLE = "trainable"  # the coarse maps are searched, the others drawn once, the finest is zero
    FIXED = "fixed"  # all drawn once for each run, the finest is zero
    ZERO = "zero"


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Numbers of the published program where it has them. Raises ValueError naming what cannot be."""

    steps: int = 100  # of a run
    learning_rate: float = 0.4
    eps: float = 2e-3  # mean squared difference, of values in [0, 1], from which the pixels count as explained
    schedule: Schedule = Schedule.LINEAR1CYCLEDROP
    optimiser: Inner = Inner.ADAM
    l2_weight: float = 100.0
    l1_weight: float = 0.0
    geocross_weight: float = 0.05
    noise: NoiseMaps = NoiseMaps.TRAINABLE
    seed: int = 0
    tile_latent: bool = False  # one latent for all layers: fewer pictures, each more ordinary
    restarts: int = 2  # further runs of a candidate while it does not explain the pixels; ours, the reference has none
    samples: int = 100_000  # for the Gaussian: a tenth of the reference's, deviations are known to 0.2 % (0.07 % there)

    def __post_init__(self) -> None:
        least = {"steps": 1, "seed": 0, "restarts": 0, "samples": 2}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be {bound} or more, not {getattr(self, name)}")
        for name in ("learning_rate", "eps"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} must be a positive number, not {getattr(self, name)}")
        for name in ("l2_weight", "l1_weight", "geocross_weight"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if not self.l2_weight and not self.l1_weight:
            raise ValueError("l2_weight and l1_weight are both 0: nothing would lead to the observed pixels")
