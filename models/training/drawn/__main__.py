"""A sheet of examples: `python -m models.training.drawn OUT.png`; with `--data MEDIA` some hang in photographs."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.data import items, read_still
from models.training.drawn import burnt
from models.training.drawn.clocks import overlay
from models.training.drawn.hung import hang
from models.training.drawn.picture import PLATE, SIGN, plain
from models.training.drawn.plates import plate
from models.training.drawn.shapes import shapes
from models.training.drawn.signs import sign
from models.training.drawn.textures import texture

SIZE, SCALE, COLUMNS = 192, 4, 8
ROWS = ("plates", "plates", "signs", "signs", "clocks", "clocks", "textures", "textures", "shapes")
PROFILE = "surveillance-crf28"

Bytes = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.png")
    parser.add_argument("--data", type=Path, help="media folder with a manifest.json, of whose stills some are grounds")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    stills = [item for item in items(args.data, "train") if item.kind == "still"][:40:2] if args.data else []
    photographs = [read_still(item.path) for item in stills]
    cv2.imwrite(str(args.out), sheet(photographs, args.seed)[..., ::-1])


def sheet(photographs: list[Bytes], seed: int) -> Bytes:
    """A row of examples after another; of clocks the small frame, enlarged by its pixels, beside the large one."""
    rows = []
    for number, kind in enumerate(ROWS):
        cells: list[Bytes] = []
        for column in range(COLUMNS):
            rng = np.random.default_rng((seed, number, column))
            cells += example(kind, rng, photographs)
        rows.append(np.concatenate(cells[:COLUMNS], axis=1))
    return np.concatenate(rows)


def example(kind: str, rng: np.random.Generator, photographs: list[Bytes]) -> list[Bytes]:
    if kind == "textures":
        return [texture(rng, SIZE, SCALE)]
    if kind == "shapes":
        return [shapes(rng, SIZE, SCALE)]
    image = plain(rng, SIZE, SCALE)
    if photographs and rng.random() < 0.6:
        image = _crop(photographs[int(rng.integers(len(photographs)))], rng)
    if kind == "clocks":
        over = overlay(rng, SIZE // SCALE, SIZE // SCALE, SCALE)
        found = burnt.degrade(image, PROFILE, SCALE, int(rng.integers(2**31)), over)
        return [np.repeat(np.repeat(found.low, SCALE, axis=0), SCALE, axis=1), found.target]
    make, span = (plate, PLATE) if kind == "plates" else (sign, SIGN)
    hang(image, make(rng), rng, SCALE * float(rng.uniform(*span)))
    return [image]


def _crop(photograph: Bytes, rng: np.random.Generator) -> Bytes:
    y, x = (int(rng.integers(side - SIZE + 1)) for side in photograph.shape[:2])
    return np.array(photograph[y : y + SIZE, x : x + SIZE])


if __name__ == "__main__":
    main()
