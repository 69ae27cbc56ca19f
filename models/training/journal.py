"""What a run measured over time: a CSV that survives resuming, TensorBoard events, and a plot. Knows no networks."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from models.training import events

NAME = "log.csv"
PLOT = "log.png"
PANEL = (360, 200)  # width and height of one curve's field, pixels
COLUMNS = 3


class Journal:
    """Rows of step, name, value. Opened at a step, it forgets what is written of later ones: they are run again."""

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        self._path = folder / NAME
        self._events = folder / f"events.out.tfevents.{step:010d}.gleaner"  # one file for each part of a run
        self._events.unlink(missing_ok=True)
        rows = [row for row in read(folder) if row[0] <= step]
        part = self._path.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("step", "name", "value"))
            writer.writerows((s, n, repr(v)) for s, n, v in rows)
        part.replace(self._path)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerows((step, name, repr(float(value))) for name, value in values.items())
        events.append(self._events, step, values)

    def plot(self) -> None:
        """All curves as one picture beside the CSV."""
        curves: dict[str, list[tuple[int, float]]] = {}
        for step, name, value in read(self.folder):
            if math.isfinite(value):
                curves.setdefault(name, []).append((step, value))
        if not curves:
            return
        width, height = PANEL
        rows = math.ceil(len(curves) / COLUMNS)
        sheet = np.full((rows * height, COLUMNS * width, 3), 255, np.uint8)
        for index, (name, points) in enumerate(sorted(curves.items())):
            top, left = index // COLUMNS * height, index % COLUMNS * width
            _draw(sheet[top : top + height, left : left + width], name, points)
        cv2.imwrite(str(self.folder / PLOT), sheet)


def read(folder: Path) -> list[tuple[int, str, float]]:
    """All rows, in the order written; none where there is no file."""
    path = folder / NAME
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [(int(row["step"]), row["name"], float(row["value"])) for row in csv.DictReader(file)]


def _draw(field: np.ndarray, name: str, points: list[tuple[int, float]]) -> None:
    height, width, _ = field.shape
    steps, values = (np.array(part, np.float64) for part in zip(*points, strict=True))
    low, high = float(values.min()), float(values.max())
    x = 8 + (steps - steps[0]) / max(1.0, steps[-1] - steps[0]) * (width - 16)
    y = height - 12 - (values - low) / (high - low or 1.0) * (height - 52)
    line = np.stack([x, y], axis=1).round().astype(np.int32)
    cv2.polylines(field, [line], False, (160, 60, 20), 1, cv2.LINE_AA)
    words = f"{name}: {values[-1]:.4g} at {steps[-1]:.0f}"
    cv2.putText(field, words, (8, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.putText(field, f"{low:.4g} to {high:.4g}", (8, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (120,) * 3, 1, cv2.LINE_AA)
