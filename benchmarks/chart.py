"""Plain line charts as PNG, drawn with OpenCV: no plotting library is needed for a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 860, 420, 70, 60, 40, 240
COLOURS = [(200, 80, 30), (30, 140, 30), (30, 30, 200), (160, 30, 160), (120, 120, 0), (0, 120, 190), (90, 90, 90)]


def draw(
    path: Path, title: str, across: str, names: Sequence[str], lines: Mapping[str, Sequence[float]], unit: str = ""
) -> None:
    """One line a series over equally spaced places called `names`; the value axis begins at 0."""
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    top = 1.1 * max((value for line in lines.values() for value in line), default=1.0) or 1.0
    span = WIDTH - LEFT - RIGHT

    def at(place: int, value: float) -> tuple[int, int]:
        x = LEFT + (span * place / max(1, len(names) - 1) if len(names) > 1 else span / 2)
        return round(x), round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top)

    def text(words: str, x: int, y: int, colour: tuple[int, int, int] = (60, 60, 60)) -> None:
        cv2.putText(image, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)

    text(title, LEFT, 20)
    text(across, LEFT + span // 2 - 30, HEIGHT - 12)
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = at(0, share * top)[1]
        cv2.line(image, (LEFT, y), (LEFT + span, y), (225, 225, 225), 1)
        text(f"{share * top:.3g}{unit}", 6, y + 4)
    for place, name in enumerate(names):
        text(name, at(place, 0)[0] - 4 * len(name), HEIGHT - BOTTOM + 18)
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = np.array([at(place, value) for place, value in enumerate(line)], np.int32)
        cv2.polylines(image, [points], False, colour, 1, cv2.LINE_AA)
        for point in points.tolist():
            cv2.circle(image, point, 3, colour, -1, cv2.LINE_AA)
        text(name, WIDTH - RIGHT + 16, TOP + 18 * number, colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image):
        raise OSError(f"{path.name} cannot be written")
