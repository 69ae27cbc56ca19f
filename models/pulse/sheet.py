"""A picture of an exploration for people: the observed pixels, what was invented for them, and words that say so.

Draws with OpenCV, whose letters are ASCII only. Knows no files and no clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pulse.search import STATEMENT, Candidate, Exploration

LEAST, MOST = 224, 256  # pixels, edge of a picture on the sheet
COLUMNS = 4
GAP = 16
LINE = 18  # pixels from one line of text to the next
FONT, FONT_SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
INK, WARNING, PAPER = (20, 20, 20), (190, 0, 0), 255

Picture = NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True, slots=True)
class _Cell:
    picture: Picture
    caption: tuple[str, ...]
    ink: tuple[int, int, int] = field(default=INK)


def draw(exploration: Exploration, observed: NDArray[Any], words: Sequence[str] = ()) -> Picture:
    """The sheet, (H, W, 3) uint8 RGB: observed and spread, then each candidate above its downscale, then the words.

    observed: as `search.explore` takes it. words: further lines for people (which frame, which bank); STATEMENT always
    comes first.
    """
    size = exploration.spread.shape[0]
    edge = min(max(size, LEAST), MOST)
    columns = max(2, min(COLUMNS, len(exploration.candidates)))
    most = float(exploration.spread.max())
    spread = np.repeat((exploration.spread / max(most, 1e-9))[..., None], 3, axis=2)
    h = observed.shape[0]
    cells = [
        _Cell(_fitted(_bytes(observed), edge), ("observed", f"{h}x{h} pixels, enlarged")),
        _Cell(_fitted(_bytes(spread), edge), ("spread of the candidates", f"white: {most:.3f} of full scale")),
    ]
    rows = [_row(cells, edge, columns)]
    for first in range(0, len(exploration.candidates), columns):
        group = exploration.candidates[first : first + columns]
        rows.append(_row([_candidate(each, exploration.eps, edge) for each in group], edge, columns))
        small = [_Cell(_fitted(_bytes(each.downscaled), edge), ("made small again",)) for each in group]
        rows.append(_row(small, edge, columns))
    width = rows[0].shape[1]
    statement = _text([STATEMENT], width, WARNING)
    return np.concatenate([statement, _text([*words, *_missing(exploration)], width, INK), *rows])


def _candidate(candidate: Candidate, eps: float, edge: int) -> _Cell:
    verdict = "explains the pixels" if candidate.explains else f"does NOT explain them (> {eps:g})"
    caption = (f"candidate {candidate.number}, invented", f"error {candidate.error:.2e}", verdict)
    return _Cell(_fitted(_bytes(candidate.image), edge), caption, INK if candidate.explains else WARNING)


def _missing(exploration: Exploration) -> list[str]:
    if not exploration.diverged:
        return []
    numbers = ", ".join(map(str, exploration.diverged))
    return [f"Not shown, as the search for them came to no finite picture: candidates {numbers}."]


def _row(cells: Sequence[_Cell], edge: int, columns: int) -> Picture:
    lines = max(len(cell.caption) for cell in cells)
    height = edge + lines * LINE + GAP
    row = np.full((height, GAP + columns * (edge + GAP), 3), PAPER, np.uint8)
    for i, cell in enumerate(cells):
        x = GAP + i * (edge + GAP)
        row[:edge, x : x + edge] = cell.picture
        for number, line in enumerate(cell.caption):
            _write(row, line, x, edge + (number + 1) * LINE - 4, cell.ink)
    return row


def _text(paragraphs: Sequence[str], width: int, ink: tuple[int, int, int]) -> Picture:
    lines = [line for paragraph in paragraphs for line in _wrapped(paragraph, width - 2 * GAP)]
    block = np.full((len(lines) * LINE + GAP, width, 3), PAPER, np.uint8)
    for number, line in enumerate(lines):
        _write(block, line, GAP, (number + 1) * LINE, ink)
    return block


def _wrapped(paragraph: str, width: int) -> list[str]:
    lines = [""]
    for word in paragraph.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and cv2.getTextSize(longer, FONT, FONT_SIZE, 1)[0][0] > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _write(picture: Picture, line: str, x: int, y: int, ink: tuple[int, int, int]) -> None:
    ascii_only = line.encode("ascii", "replace").decode()
    cv2.putText(picture, ascii_only, (x, y), FONT, FONT_SIZE, ink, 1, cv2.LINE_AA)


def _bytes(image: NDArray[Any]) -> Picture:
    """uint8, uint16 or float in [0, 1] -> uint8, rounded."""
    if image.dtype == np.uint8:
        return np.asarray(image, np.uint8)
    if image.dtype == np.uint16:
        return np.asarray((image.astype(np.uint32) + 128) // 257, np.uint8)
    return np.asarray(np.rint(image.clip(0, 1) * 255), np.uint8)


def _fitted(picture: Picture, edge: int) -> Picture:
    """Square picture in `edge` pixels: enlarged by repeating pixels, so that nothing more is invented."""
    method = cv2.INTER_AREA if picture.shape[0] > edge else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, (edge, edge), interpolation=method), np.uint8)
