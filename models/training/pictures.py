"""The training pictures decoded once into one flat file, and crops of them at any scale. Knows no degradations.

The file is memory-mapped: the kernel keeps of it what memory allows, so a run's own memory does not grow with the data.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.data import Item, items, read_frames, read_still

CLIP_FRAMES = 12  # taken of each clip
VERSION = 1  # of this file's layout: a new number makes a new store
log = logging.getLogger(__name__)

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pictures:
    """(H, W, 3) uint8 RGB each, by index."""

    pixels: NDArray[np.uint8]  # all of them, flat
    shapes: tuple[tuple[int, int], ...]  # height, width
    starts: tuple[int, ...]  # of each in `pixels`
    licences: dict[str, int]  # files by licence

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> Bytes:
        height, width = self.shapes[index]
        start = self.starts[index]
        return np.asarray(self.pixels[start : start + height * width * 3]).reshape(height, width, 3)


def open_pictures(data: Path, folder: Path, *, share_alike: bool = True) -> Pictures:
    """The store of a media folder's training split, made in `folder` if it is not there yet.

    share_alike: False leaves out CC BY-SA material. Raises DataError as `items` does.
    """
    found = items(data, "train", share_alike=share_alike)
    recipe = json.dumps([VERSION, [[i.path.name, i.path.stat().st_size] for i in found]])
    path = folder / f"pictures-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}.bin"
    index = path.with_suffix(".json")
    if not index.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        shapes = _write(found, path)
        part = index.with_suffix(".part")
        part.write_text(json.dumps(shapes))
        part.replace(index)
    shapes = [(int(h), int(w)) for h, w in json.loads(index.read_text())]
    ends = np.cumsum([h * w * 3 for h, w in shapes]).tolist()
    pixels = np.memmap(path, np.uint8, "r")
    return Pictures(pixels, tuple(shapes), (0, *ends[:-1]), dict(Counter(item.licence for item in found)))


def crop(pictures: Pictures, rng: np.random.Generator, edge: int, smallest: float = 1.0) -> Bytes:
    """A square of `edge` pixels of some picture, which is shrunk first by a factor drawn from `smallest` to 1.

    Factors are log-uniform: as many crops show whole scenes small as show their surfaces large. A picture smaller than
    `edge` is enlarged.
    """
    picture = pictures[int(rng.integers(len(pictures)))]
    height, width, _ = picture.shape
    least = edge / min(height, width)
    factor = max(least, float(np.exp(rng.uniform(np.log(max(smallest, least)), 0.0))) if least < 1 else least)
    span = min(int(edge / factor), height, width)
    y, x = int(rng.integers(height - span + 1)), int(rng.integers(width - span + 1))
    square = picture[y : y + span, x : x + span]
    if span == edge:
        return square
    how = cv2.INTER_AREA if span > edge else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (edge, edge), interpolation=how), dtype=np.uint8)


def _write(found: list[Item], path: Path) -> list[tuple[int, int]]:
    log.info("decoding %d training files", len(found))
    shapes: list[tuple[int, int]] = []
    with path.open("wb") as file:
        for item in found:
            for picture in _decoded(item):
                file.write(np.ascontiguousarray(picture).tobytes())
                shapes.append((int(picture.shape[0]), int(picture.shape[1])))
    return shapes


def _decoded(item: Item) -> list[Bytes]:
    if item.kind == "still":
        return [read_still(item.path)]
    frames = read_frames(item.path, CLIP_FRAMES, item.frames)
    # Frames of clips are compressed: halved, they are sharp and clean enough to be targets.
    halves = [cv2.resize(f, (f.shape[1] // 2, f.shape[0] // 2), interpolation=cv2.INTER_AREA) for f in frames]
    return [np.asarray(half, dtype=np.uint8) for half in halves]
