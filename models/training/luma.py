"""Luma of a media folder's training stills at several sizes with its exact MATLAB-bicubic, in memory-mapped files.

Whole planes are shrunk once and crops are taken from both: no crop has an edge that the shrinking saw as one. Knows
nothing of networks.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.espcn import RADIUS
from models.evaluation.literature import luma, pair, resized
from models.training.data import Item, items, read_still

SIZES = (
    Fraction(1),
    Fraction(2, 3),
    Fraction(4, 9),
)  # of the stills: shrunk ones are sharper, as test pictures are
SMALLEST = 144  # pixels, the shorter edge of a plane that is kept
VERSION = 1  # of this file's making: a new number makes new files
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Planes:
    """By index: low (h, w) float32 of [0, 1], not rounded, and high (s·h, s·w) uint8."""

    scale: int
    low: NDArray[np.float32]  # all of them, flat
    high: NDArray[np.uint8]
    shapes: tuple[tuple[int, int], ...]  # height, width of the low ones
    starts: tuple[int, ...]  # of each in `low`
    licences: dict[str, int]  # files by licence

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        (height, width), start, s = self.shapes[index], self.starts[index], self.scale
        low = self.low[start : start + height * width].reshape(height, width)
        high = self.high[start * s * s : (start + height * width) * s * s].reshape(height * s, width * s)
        return low, high


def open_planes(data: Path, folder: Path, scale: int, *, share_alike: bool = True) -> Planes:
    """The planes of a media folder's training stills, made in `folder` if they are not there yet.

    share_alike: False leaves out CC BY-SA stills. Raises DataError as `items` does.
    """
    found = [item for item in items(data, "train", share_alike=share_alike) if item.kind == "still"]
    sizes = [str(size) for size in SIZES]
    recipe = json.dumps([VERSION, scale, sizes, [[i.path.name, i.path.stat().st_size] for i in found]])
    name = f"luma-x{scale}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    low, high, index = (folder / f"{name}{end}" for end in ("-low.bin", "-high.bin", ".json"))
    if not index.is_file():
        log.info("shrinking the luma of %d stills", len(found))
        folder.mkdir(parents=True, exist_ok=True)
        shapes = []
        with low.open("wb") as low_file, high.open("wb") as high_file:
            for small, target in _pairs(found, scale):
                low_file.write(np.ascontiguousarray(small).tobytes())
                high_file.write(np.ascontiguousarray(target).tobytes())
                shapes.append(small.shape)
        part = index.with_suffix(".part")
        part.write_text(json.dumps(shapes))
        part.replace(index)
    listed = tuple((int(h), int(w)) for h, w in json.loads(index.read_text()))
    ends = np.cumsum([h * w for h, w in listed]).tolist()
    planes = np.memmap(low, np.float32, "r"), np.memmap(high, np.uint8, "r")
    return Planes(scale, *planes, listed, (0, *ends[:-1]), dict(Counter(item.licence for item in found)))


def batch(planes: Planes, rng: np.random.Generator, count: int, edge: int) -> tuple[Tensor, Tensor]:
    """low (N, 1, edge, edge) and the middle of its truth, (N, 1, s·c, s·c) of c = edge - 2·RADIUS, float32 in [0, 1].

    Of two crops the busier is taken: flat ones teach little. Each is turned to one of the square's eight symmetries.
    """
    lows, highs = [], []
    for _ in range(count):
        low, high = max((_crop(planes, rng, edge) for _ in range(2)), key=lambda found: float(np.std(found[0])))
        turn = int(rng.integers(8))
        lows.append(_turned(low, turn))
        highs.append(_turned(high, turn))
    small, large = (torch.from_numpy(np.ascontiguousarray(np.stack(part)))[:, None] for part in (lows, highs))
    return small, large.float().div_(255)


def _crop(planes: Planes, rng: np.random.Generator, edge: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    low, high = planes[int(rng.integers(len(planes)))]
    y, x = (int(rng.integers(side - edge + 1)) for side in low.shape)
    s, core = planes.scale, edge - 2 * RADIUS
    top, left = (y + RADIUS) * s, (x + RADIUS) * s
    return low[y : y + edge, x : x + edge], high[top : top + core * s, left : left + core * s]


def _pairs(found: Sequence[Item], scale: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    for item in found:
        y = luma(read_still(item.path))
        for size in SIZES:
            if min(y.shape) * size < SMALLEST:
                break
            plane = y if size == 1 else np.floor(np.clip(resized(y.astype(np.float32), size), 0, 255) + 0.5)
            yield pair(plane.astype(np.uint8), scale)


def _turned(plane: NDArray[np.generic], turn: int) -> NDArray[np.generic]:
    plane = np.rot90(plane, turn % 4)
    return plane[:, ::-1] if turn >= 4 else plane
