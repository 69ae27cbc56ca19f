"""The rungs of a live stream and the size of its output, decided per size of the source. Pure: no pixels, no queues.

All rungs of a ladder give the same size, whatever the scale of their models, so that viewers see no change of format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from media.live_encoder import live_size
from models.facts import ModelFacts
from workers.tiles import TileGrid, make_grid

LANCZOS = "lanczos"  # the last rung of every ladder: computed by the camera's own process, with no enhance worker
LOCAL_TILE, LOCAL_HALO = 128, 4  # OpenCV's Lanczos takes four pixels on each side


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to enhance the frames of a size."""

    name: str
    scale: int  # of the network; its picture is resized to the output's size where that differs
    tile: int
    halo: int
    ramp: int
    local: bool  # no network: resized here

    def grid(self, width: int, height: int) -> TileGrid:
        return make_grid(width, height, self.tile, self.halo, self.ramp)


@dataclass(frozen=True, slots=True)
class LivePlan:
    """What becomes of frames of a size."""

    width: int  # of the source
    height: int
    out_width: int
    out_height: int
    rungs: dict[str, Rung]


def complete(ladder: Sequence[str]) -> tuple[str, ...]:
    """The ladder with "lanczos" as its last rung, each name once."""
    return (*dict.fromkeys(name for name in ladder if name != LANCZOS), LANCZOS)


def plan_live(
    width: int,
    height: int,
    ladder: Sequence[str],
    facts: Callable[[str], ModelFacts],
    scale: int | None,
    target_height: int | None,
) -> LivePlan:
    """ladder: names from best to cheapest; facts: of a model by its name, raises UnknownModel.

    The output is `scale` times the source (None: as the first model's largest scale), or `target_height` high; even,
    as players ask for, and no larger than H.264 players take.
    """
    names = complete(ladder)
    models = {name: facts(name) for name in names if name != LANCZOS}
    if target_height is not None:
        ratio = Fraction(target_height, height)
    elif scale is not None:
        ratio = Fraction(scale)
    else:
        ratio = Fraction(max(models[names[0]].scales) if models else 2)
    out_width, out_height = live_size(round(width * ratio), round(height * ratio))
    reached = Fraction(out_height, height)
    rungs = {name: _network(model, reached) for name, model in models.items()}
    rungs[LANCZOS] = Rung(LANCZOS, max(1, math.ceil(reached)), LOCAL_TILE, LOCAL_HALO, LOCAL_HALO, local=True)
    return LivePlan(width, height, out_width, out_height, rungs)


def _network(model: ModelFacts, ratio: Fraction) -> Rung:
    """The smallest scale of the model that reaches the output, or its largest."""
    enough = [scale for scale in model.scales if scale >= ratio]
    scale = min(enough) if enough else max(model.scales)
    return Rung(model.name, scale, model.tile, model.halo, model.ramp, local=False)
