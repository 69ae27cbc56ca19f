"""Training pairs made once and kept in two flat files: half clean, half as surveillance cameras show things.

Low-resolution patches are tiled into one mosaic, and the mosaic is encoded with real H.264 over several frames: real
codec artefacts at little cost. Knows the media folder and the degradations; knows nothing of networks.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.degradation import surveillance
from models.degradation.resize import shrink
from models.training.data import items, read_frames, read_still

PATCH = 48  # low-resolution pixels, three macroblocks; the outermost `MARGIN` only feed the network's window
MARGIN = 4
CORE = PATCH - 2 * MARGIN
COLUMNS, ROWS = 16, 9  # of a mosaic: 768x432
CLIP_FRAMES = 12  # taken of each clip
VERSION = 3  # of this file's drawing: a new number makes a new pack
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PackConfig:
    scale: int
    mosaics: int = 84  # of COLUMNS·ROWS patches each
    seed: int = 1
    clean_share: float = 0.4  # of patches: area or bicubic shrinking, nothing else
    flat_share: float = 0.03  # of patches: one colour or a slow ramp, so that levels stay true
    share_alike: bool = True


@dataclass(frozen=True, slots=True)
class Pack:
    low: NDArray[np.uint8]  # (N, PATCH, PATCH, 3)
    high: NDArray[np.uint8]  # (N, CORE·s, CORE·s, 3), the middle of the patch at high resolution

    def __len__(self) -> int:
        return int(self.low.shape[0])


def open_pack(data: Path, folder: Path, config: PackConfig) -> Pack:
    """The pack for this configuration, made in `folder` if it is not there yet. Memory-mapped."""
    recipe = json.dumps({**asdict(config), "version": VERSION}, sort_keys=True)
    name = f"pack-x{config.scale}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    low_path, high_path = folder / f"{name}-low.npy", folder / f"{name}-high.npy"
    if not (low_path.is_file() and high_path.is_file()):
        folder.mkdir(parents=True, exist_ok=True)
        _make(data, low_path, high_path, config)
    return Pack(np.load(low_path, mmap_mode="r"), np.load(high_path, mmap_mode="r"))


def _make(data: Path, low_path: Path, high_path: Path, config: PackConfig) -> None:
    pictures = _pictures(data, config)
    log.info("packing x%d from %d pictures", config.scale, len(pictures))
    each = COLUMNS * ROWS
    total, edge = config.mosaics * each, CORE * config.scale
    parts = {path: path.with_suffix(".part.npy") for path in (low_path, high_path)}
    low = np.lib.format.open_memmap(parts[low_path], "w+", np.uint8, (total, PATCH, PATCH, 3))
    high = np.lib.format.open_memmap(parts[high_path], "w+", np.uint8, (total, edge, edge, 3))
    for index in range(config.mosaics):
        rng = np.random.default_rng((config.seed, index))
        here = slice(index * each, (index + 1) * each)
        low[here], high[here] = mosaic(pictures, rng, config)
    low.flush()
    high.flush()
    for path, part in parts.items():
        part.replace(path)


def mosaic(
    pictures: list[NDArray[np.uint8]], rng: np.random.Generator, config: PackConfig
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One mosaic's pairs: low (COLUMNS·ROWS, PATCH, PATCH, 3) and high (COLUMNS·ROWS, CORE·s, CORE·s, 3)."""
    scale, codec = config.scale, surveillance.draw_codec(rng)
    clean_low: dict[int, NDArray[np.uint8]] = {}
    targets: list[NDArray[np.uint8]] = []
    runs = [np.zeros((ROWS * PATCH, COLUMNS * PATCH, 3), np.uint8) for _ in range(surveillance.FRAMES)]
    for cell in range(COLUMNS * ROWS):
        step = _motion(rng, scale)
        reach = int(np.abs(step).max()) * (surveillance.FRAMES - 1)
        crop = _flat(rng, PATCH * scale + 2 * reach) if rng.random() < config.flat_share else None
        if crop is None:
            crop = _crop(pictures, rng, PATCH * scale + 2 * reach)
        recipe = surveillance.draw(rng)
        clean = rng.random() < config.clean_share
        for time, run in enumerate(runs):
            if clean and time != codec.keep:
                continue
            offset = reach + (time - codec.keep) * step  # the kept frame sees the middle
            view = crop[offset[1] : offset[1] + PATCH * scale, offset[0] : offset[0] + PATCH * scale]
            sharp = surveillance.to_float(view)
            if clean:
                method = "area" if rng.random() < 0.4 else "bicubic"
                clean_low[cell] = surveillance.to_bytes(shrink(sharp, scale, method))
            seen = surveillance.see(sharp, scale, recipe, rng) if not clean else shrink(sharp, scale, "area")
            y, x = cell // COLUMNS * PATCH, cell % COLUMNS * PATCH
            run[y : y + PATCH, x : x + PATCH] = surveillance.to_bytes(seen)
        middle = crop[reach : reach + PATCH * scale, reach : reach + PATCH * scale]
        if recipe.infrared and not clean:
            middle = surveillance.to_bytes(surveillance.to_grey(surveillance.to_float(middle)))
        inner = slice(MARGIN * scale, (MARGIN + CORE) * scale)
        targets.append(middle[inner, inner])
    picture = surveillance.compress(runs, codec)
    cells = picture.reshape(ROWS, PATCH, COLUMNS, PATCH, 3).swapaxes(1, 2).reshape(-1, PATCH, PATCH, 3).copy()
    for cell, patch in clean_low.items():
        cells[cell] = patch
    return cells, np.stack(targets)


def _pictures(data: Path, config: PackConfig) -> list[NDArray[np.uint8]]:
    pictures: list[NDArray[np.uint8]] = []
    for item in items(data, "train", share_alike=config.share_alike):
        if item.kind == "still":
            pictures.append(read_still(item.path))
        else:  # frames of clips are compressed: halved, they are sharp and clean enough to be targets
            for frame in read_frames(item.path, CLIP_FRAMES, item.frames):
                half = (frame.shape[1] // 2, frame.shape[0] // 2)
                pictures.append(np.asarray(cv2.resize(frame, half, interpolation=cv2.INTER_AREA), dtype=np.uint8))
    return pictures


def _motion(rng: np.random.Generator, scale: int) -> NDArray[np.int64]:
    """High-resolution pixels a frame, (x, y): half of what cameras see stands still."""
    if rng.random() < 0.5:
        return np.zeros(2, np.int64)
    return rng.integers(-2 * scale, 2 * scale + 1, 2)


def _crop(pictures: list[NDArray[np.uint8]], rng: np.random.Generator, edge: int) -> NDArray[np.uint8]:
    """A square of some picture, at times shrunk first; of two candidates the busier one, two times out of three."""
    candidates = []
    for _ in range(2):
        picture = pictures[int(rng.integers(len(pictures)))]
        height, width, _ = picture.shape
        factor = max(float(rng.choice([1.0, 1.0, 0.75, 0.5])), edge / min(height, width))
        span = int(edge / factor)  # of the square before shrinking; enlarged where the picture is too small
        x, y = int(rng.integers(width - span + 1)), int(rng.integers(height - span + 1))
        square = picture[y : y + span, x : x + span]
        if span != edge:
            how = cv2.INTER_AREA if span > edge else cv2.INTER_CUBIC
            square = np.asarray(cv2.resize(square, (edge, edge), interpolation=how), dtype=np.uint8)
        candidates.append(square)
    if rng.random() < 1 / 3:
        return candidates[0]
    return max(candidates, key=lambda c: float(np.abs(np.diff(c[::2, ::2, 1].astype(np.int16), axis=1)).mean()))


def _flat(rng: np.random.Generator, edge: int) -> NDArray[np.uint8]:
    """One colour, or a ramp between two near ones, anywhere in the cube of colours."""
    a = rng.uniform(0, 255, 3)
    b = np.clip(a + (rng.uniform(-40, 40, 3) if rng.random() < 0.5 else 0), 0, 255)
    ramp = np.linspace(0, 1, edge)[:, None, None] * np.ones((1, edge, 1))
    return np.asarray(a * (1 - ramp) + b * ramp + 0.5, dtype=np.uint8)
