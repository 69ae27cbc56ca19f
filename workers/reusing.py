"""The way of reuse that the options of a clip or a stream ask for."""

from __future__ import annotations

from fractions import Fraction

from pipeline.job import Reuse as Mode
from workers.fused_reuse import FusedReuse
from workers.motion import ExactReuse
from workers.reuse import REFRESH_FRAMES, REFRESH_S, EveryTile, NoisyReuse, Reuse
from workers.tiles import TileGrid


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
