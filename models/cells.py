"""Cells of a tile: the squares that added detail is told for. Pure arithmetic; must not import torch."""

from __future__ import annotations

EDGE = 16  # least edge of a cell, input pixels


def cells(length: int) -> int:
    """How many equal cells a tile's side of `length` input pixels falls into: the most of EDGE pixels or more.

    A side that no number from 2 divides into such cells is one cell.
    """
    return next(count for count in range(max(1, length // EDGE), 0, -1) if length % count == 0)
