"""The way of reuse that a clip's options ask for."""

from __future__ import annotations

from fractions import Fraction

from pipeline.job import ClipOptions
from pipeline.job import Reuse as Mode
from workers.fused_reuse import FusedReuse
from workers.motion import ExactReuse
from workers.reuse import REFRESH_FRAMES, REFRESH_S, EveryTile, NoisyReuse, Reuse
from workers.tiles import TileGrid


def make_reuse(options: ClipOptions, grid: TileGrid, rate: Fraction | None) -> Reuse:
    """rate: frames a second, where known."""
    reuse = _plain(options.reuse, grid, rate)
    return FusedReuse(grid, reuse) if options.fuse else reuse


def _plain(mode: Mode, grid: TileGrid, rate: Fraction | None) -> Reuse:
    if mode is Mode.OFF:
        return EveryTile(grid)
    if mode is Mode.EXACT:
        return ExactReuse(grid)
    return NoisyReuse(grid, max(1, round(REFRESH_S * rate)) if rate else REFRESH_FRAMES)
