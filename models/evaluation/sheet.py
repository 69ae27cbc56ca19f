"""A contact sheet: source, bicubic, each model and the truth side by side, a row per scene. Knows no models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

CELL = 192
GAP = 4
LINE = 16  # height of a line of text
PAPER, INK = 255, (30, 30, 30)


@dataclass(slots=True)
class Sheet:
    """Rows are added as scenes are measured; a scene and profile that is there already adds none."""

    cell: int = CELL  # pixels of the truth that a cell shows, each way
    rows: list[Bytes] = field(default_factory=list)
    _known: set[tuple[str, str]] = field(default_factory=set)

    def add(
        self,
        scene: str,
        profile: str,
        low: Bytes,
        columns: Sequence[tuple[str, Bytes]],
        place: tuple[int, int] | None = None,
    ) -> None:
        """low: (h, w, 3). columns: name and picture, (s·h, s·w, 3) uint8 RGB each, the truth last.

        place: left and top of what is shown; None: where the truth has the most detail.
        """
        if (scene, profile) in self._known:
            return
        self._known.add((scene, profile))
        truth = columns[-1][1]
        x, y = busiest(truth, self.cell) if place is None else place
        blocks = cv2.resize(low, (truth.shape[1], truth.shape[0]), interpolation=cv2.INTER_NEAREST)
        shown = [("source", blocks), *columns]
        cells = [_cell(name, np.asarray(image, np.uint8), x, y, self.cell) for name, image in shown]
        row = np.concatenate(cells, axis=1)
        title = np.full((LINE + GAP, row.shape[1], 3), PAPER, np.uint8)
        _write(title, f"{scene}, {profile}"[: row.shape[1] // 7])
        self.rows += [title, row]

    def draw(self) -> Bytes:
        """(H, W, 3) uint8 RGB. ValueError without a row."""
        if not self.rows:
            raise ValueError("there is no row on this sheet: measure at least one scene")
        return np.concatenate(self.rows)


def write(sheet: Sheet, path: Path) -> None:
    """As PNG. Raises OSError."""
    done, data = cv2.imencode(".png", sheet.draw()[..., ::-1])
    if not done:
        raise OSError(f"the sheet of {len(sheet.rows)} rows cannot be written as PNG")
    path.write_bytes(data.tobytes())


def busiest(truth: Bytes, cell: int = CELL) -> tuple[int, int]:
    """Left and top of the cell with the most detail (energy of the Laplacian)."""
    return most(np.abs(cv2.Laplacian(cv2.cvtColor(truth, cv2.COLOR_RGB2GRAY), cv2.CV_32F)), cell)


def most(of: NDArray[Any], cell: int) -> tuple[int, int]:
    """Left and top of the cell in which a map (H, W) sums up to the most, on a grid of half cells."""
    energy = np.asarray(cv2.integral(of))
    height, width = of.shape
    places = [
        (x, y)
        for y in range(0, max(1, height - cell + 1), cell // 2)
        for x in range(0, max(1, width - cell + 1), cell // 2)
    ]

    def inside(place: tuple[int, int]) -> float:
        x, y = place
        right, below = min(width, x + cell), min(height, y + cell)
        return float(energy[below, right] - energy[y, right] - energy[below, x] + energy[y, x])

    return max(places, key=inside)


def _cell(name: str, image: Bytes, x: int, y: int, edge: int) -> Bytes:
    cell = np.full((LINE + edge + GAP, edge + GAP, 3), PAPER, np.uint8)
    part = image[y : y + edge, x : x + edge]
    cell[LINE : LINE + part.shape[0], : part.shape[1]] = part
    _write(cell, name)
    return cell


def _write(area: Bytes, text: str) -> None:
    cv2.putText(area, text, (2, LINE - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, INK, 1, cv2.LINE_AA)
