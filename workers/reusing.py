"""The way of reuse that the options of a clip or a stream ask for, and the tiles that suit it."""

from __future__ import annotations

from fractions import Fraction

from models.facts import ModelFacts
from pipeline.job import Reuse as Mode
from workers.fused_reuse import FusedReuse
from workers.motion import ExactReuse
from workers.reuse import REFRESH_FRAMES, REFRESH_S, EveryTile, NoisyReuse, Reuse
from workers.tiles import TileGrid

KEPT_TILE = 64  # pixels


def tile_for(model: ModelFacts, mode: Mode) -> int:
    """Edge of the tiles, input pixels: smaller than the model's own where tiles are kept, so that less is made anew.

    Only for networks that take tiles of any size, in any number, and lose little of them at their edges.
    """
    if mode is not Mode.ON or model.batch is not None or 4 * model.overlap > KEPT_TILE:
        return model.tile
    return min(model.tile, KEPT_TILE)


def make_reuse(mode: Mode, grid: TileGrid, rate: Fraction | float | None, *, fuse: bool) -> Reuse:
    """rate: frames a second, where known. fuse: still tiles are enhanced from the mean of many frames."""
    reuse = _plain(mode, grid, rate)
    return FusedReuse(grid, reuse) if fuse else reuse


def _plain(mode: Mode, grid: TileGrid, rate: Fraction | float | None) -> Reuse:
    if mode is Mode.OFF:
        return EveryTile(grid)
    if mode is Mode.EXACT:
        return ExactReuse(grid)
    return NoisyReuse(grid, max(1, round(REFRESH_S * rate)) if rate else REFRESH_FRAMES)
