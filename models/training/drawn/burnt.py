"""A recorder's text in a degraded picture: written on what the sensor gave, before the encoder. Knows no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.degradation import profiles
from models.degradation.blur import Picture
from models.degradation.chain import Degraded
from models.degradation.encode import EncodeDrawn, JpegDrawn
from models.degradation.steps import Drawn, each
from models.degradation.surveillance import to_bytes, to_float
from models.training.drawn.clocks import Layer, Overlay, lay

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Burn:
    """A step of a chain, over low frames."""

    layers: tuple[Layer, ...]

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        return each(frames, lambda frame: lay(np.clip(frame, 0, 1), self.layers))


def degrade(image: Bytes, profile: str, scale: int, seed: int, overlay: Overlay) -> Degraded:
    """As `profiles.degrade`, of an image of a multiple of `scale`, with the overlay in both pictures.

    In the low one it is as sharp as recorders write it, whatever the optics did before. Profiles that have a way of
    their own for stills take it with the scene, as a sign there.
    """
    chain = profiles.draw(profile, scale, seed)
    if chain.profile.still is not None:
        return profiles.degrade(to_bytes(lay(to_float(image), overlay.high)), profile, scale, seed)
    place = next((i for i, step in enumerate(chain.steps) if _encodes(step)), len(chain.steps))
    steps = (*chain.steps[:place], Burn(overlay.low), *chain.steps[place:])
    target = to_bytes(lay(to_float(next(chain.targets([image]))), overlay.high))
    return Degraded(replace(chain, steps=steps).still(image), target, {"profile": profile, **chain.drawn})


def _encodes(step: Drawn) -> bool:
    return isinstance(step, EncodeDrawn | JpegDrawn)
