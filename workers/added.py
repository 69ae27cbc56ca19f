"""Added detail of whole frames: the figures of all tiles put together into scores and a small map. Pure; no torch.

Like the canvas it keeps the latest figures of every tile, so that tiles shown again keep theirs. A tile's cells count
by the area that the tile owns in the picture: where tiles overlap, up to the middle of the ramp. Tiles that were only
resized have no figures; the map marks them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cells import cells
from workers.tiles import Axis, TileGrid

COLUMNS, ROWS = 32, 18  # cells of a map at most
FIRST = 0.5  # levels: digit 1 begins here, each further one half an octave later
UNKNOWN = "."
_DIGITS = "0123456789abcdef"
_NAMES = ("error", "detail")

LEGEND = (
    "Figures are in 8-bit levels. error: root mean square difference between the result, shrunk again (bicubic, "
    "anti-aliased), and the source. detail: root of the energy finer than a source pixel that the result has beyond a "
    "Lanczos enlargement (luma). A map has two characters per cell, error then detail, row by row from the top "
    "left of the picture as coded: 0 is less than 0.5 levels, digit n from 1 to f (hexadecimal) is 0.5*2^((n-1)/2) "
    "levels or more, '.' was not measured because it was only resized. A frame without "
    "a map has that of the frame before."
)


@dataclass(frozen=True, slots=True)
class Added:
    """A frame's scores in 8-bit levels, root mean squares over the picture; None where nothing was measured."""

    error: float | None
    detail: float | None
    map: str

    def to_json(self) -> dict[str, Any]:
        return {"error": self.error, "detail": self.detail, "map": self.map}


class AddedDetail:
    """The figures of the picture as it is shown now."""

    def __init__(self, grid: TileGrid) -> None:
        self._down, self._across = len(grid.y.starts), len(grid.x.starts)
        self._cells = cells(grid.tile)
        self._squares = np.full((grid.count, self._cells, self._cells, 2), np.nan)
        columns, rows = map_size(grid.width, grid.height, grid.tile)
        self._rows, self._columns = (
            _shares(axis, grid.tile, self._cells, bands) for axis, bands in ((grid.y, rows), (grid.x, columns))
        )
        self._now: Added | None = None

    def update(self, indices: NDArray[np.intp], added: NDArray[np.float32] | None) -> None:
        """indices: (n,) numbers of the tiles; added: (n, cells, cells, 2) in levels, None where there is none."""
        self._squares[indices] = np.nan if added is None else np.square(added.astype(np.float64))
        self._now = None

    def now(self) -> Added:
        if self._now is None:
            self._now = self._sum_up()
        return self._now

    def _sum_up(self) -> Added:
        shape = (self._down, self._across, self._cells, self._cells, 2)
        field = self._squares.reshape(shape).swapaxes(1, 2).reshape(len(self._rows.T), len(self._columns.T), 2)
        known = np.isfinite(field[..., 0])
        areas = self._rows @ known @ self._columns.T
        sums = [self._rows @ np.where(known, field[..., k], 0.0) @ self._columns.T for k in range(2)]
        total = float(areas.sum())
        scores = [round(math.sqrt(float(s.sum()) / total), 3) if total else None for s in sums]
        with np.errstate(invalid="ignore"):
            levels = np.stack([np.sqrt(s / areas) for s in sums], axis=-1)  # not-a-number where nothing is known
        return Added(scores[0], scores[1], encode(levels))


class AddedSummary:
    """Sums over a clip's frames, from their log lines. Memory does not grow with the clip."""

    def __init__(self, columns: int, rows: int) -> None:
        self._columns, self._rows = columns, rows
        self._scores = {name: _Score() for name in _NAMES}
        self._squares = np.zeros(rows * columns * 2)
        self._counts = np.zeros(rows * columns * 2, np.int64)
        self._now: tuple[NDArray[np.float64], NDArray[np.bool_]] | None = None

    def add(self, pts: int, line: dict[str, Any]) -> None:
        """line: a frame's `added`; without a `map` it has the one before."""
        for name, score in self._scores.items():
            score.add(pts, line[name])
        if "map" in line:
            levels = decode(line["map"])
            known = np.isfinite(levels)
            self._now = np.where(known, np.square(levels), 0.0), known
        if self._now is not None:
            self._squares += self._now[0]
            self._counts += self._now[1]

    def to_json(self) -> dict[str, Any]:
        with np.errstate(invalid="ignore"):
            mean = np.sqrt(self._squares / self._counts)
        return {
            "legend": LEGEND,
            **{name: score.to_json() for name, score in self._scores.items()},
            "map": {"columns": self._columns, "rows": self._rows, "mean": encode(mean)},
        }


class _Score:
    """Mean and maximum of one score."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0
        self._most: tuple[float, int] | None = None

    def add(self, pts: int, value: float | None) -> None:
        if value is None:
            return
        self._sum, self._count = self._sum + value, self._count + 1
        if self._most is None or value > self._most[0]:
            self._most = value, pts

    def to_json(self) -> dict[str, Any]:
        most, pts = self._most or (None, None)
        mean = round(self._sum / self._count, 3) if self._count else None
        return {"mean": mean, "max": most, "max_pts": pts, "frames": self._count}


def map_size(width: int, height: int, tile: int) -> tuple[int, int]:
    """(columns, rows) of a map: a cell of it is no smaller than a tile's, and there are COLUMNS x ROWS at most."""
    edge = tile // cells(tile)
    return min(COLUMNS, max(1, width // edge)), min(ROWS, max(1, height // edge))


def encode(levels: NDArray[np.float64]) -> str:
    """Levels as digits, in C order; not-a-number becomes UNKNOWN."""
    flat = levels.ravel()
    known = np.isfinite(flat)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.floor(2 * np.log2(flat / FIRST)) + 1
    numbers = np.where(known, np.clip(steps, 0, len(_DIGITS) - 1), -1).astype(int)
    return "".join(UNKNOWN if number < 0 else _DIGITS[number] for number in numbers)


def decode(text: str) -> NDArray[np.float64]:
    """The middle of each digit's range, in levels, 0 for digit 0; not-a-number for UNKNOWN."""
    middles = [0.0, *(FIRST * 2 ** ((number - 0.5) / 2) for number in range(1, len(_DIGITS))), math.nan]
    table = dict(zip(_DIGITS + UNKNOWN, middles, strict=True))
    return np.array([table[character] for character in text])


def _shares(axis: Axis, tile: int, count: int, bands: int) -> NDArray[np.float64]:
    """(bands, tiles·count): the length that each cell of each tile owns in each equal band of the axis."""
    edges = np.array([start + k * (tile // count) for start in axis.starts for k in range(count)], np.float64)
    owned = np.repeat(_owned(axis), count, axis=0)
    low, high = np.maximum(edges, owned[:, 0]), np.minimum(edges + tile // count, owned[:, 1])
    lines = np.linspace(0, axis.length, bands + 1)
    overlap = np.minimum(high, lines[1:, None]) - np.maximum(low, lines[:-1, None])
    shares: NDArray[np.float64] = np.clip(overlap, 0.0, None)
    return shares


def _owned(axis: Axis) -> NDArray[np.float64]:
    """(tiles, 2): where each tile begins and ends to be the picture; neighbours meet in the middle of their ramp."""
    meet = [(cell.lo + cell.hi) / 2 for cell in axis.cells if cell.ramp]
    return np.array(list(zip([0.0, *meet], [*meet, float(axis.length)], strict=True)))
