"""A media folder made small enough to travel to a machine with a GPU: the same manifest, pictures shrunk and packed.

What it holds can be trained from as from the whole folder. Knows no networks.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.data import DataError, items, read_frames, read_still
from models.training.pictures import CLIP_FRAMES

QUALITY = 95  # of WebP: its traces, shrunk or not, lie below what training could learn
SMALLEST = 320  # edge that no picture is shrunk below, pixels: a crop of 256 with room to move
DEV_EDGE = 512  # of dev pictures only the middle is looked at while training
STEP = 0.85  # by which pictures are made smaller when they do not fit
log = logging.getLogger(__name__)


def make_parcel(data: Path, out: Path, megabytes: float, *, share_alike: bool = True) -> float:
    """Write `out` with a manifest.json of its own; returns the factor by which training pictures were shrunk.

    Clips become stills of some of their frames. Raises DataError where the pictures cannot be made to fit.
    """
    entries = {data / e["file"]: e for e in json.loads((data / "manifest.json").read_text("utf-8"))["files"]}
    out.mkdir(parents=True, exist_ok=True)
    factor = 1.0
    while True:
        written, listed = 0, []
        for split in ("train", "dev"):
            for item in items(data, split, share_alike=share_alike):
                entry = entries[item.path]
                still = item.kind == "still"
                if split == "dev" and not still:
                    continue
                pictures = [read_still(item.path)] if still else read_frames(item.path, CLIP_FRAMES, item.frames)
                for index, picture in enumerate(pictures):
                    name = f"{split}-{item.path.stem}-{index}.webp"
                    made = _middle(picture) if split == "dev" else _shrunk(picture, factor if still else factor / 2)
                    written += _write(out / name, made)
                    listed.append(_entry(entry, name, made))
                if written > megabytes * 1e6:
                    break
        if written <= megabytes * 1e6:
            break
        if factor * STEP < 0.3:
            raise DataError(f"the pictures do not fit into {megabytes:g} MB: give it more, or fewer pictures")
        factor *= STEP
        log.info("too large: pictures shrunk to %.2f", factor)
    (out / "manifest.json").write_text(json.dumps({"files": listed}, indent=1))
    kept = {entry["file"] for entry in listed} | {"manifest.json"}
    for stale in _files(out):
        if stale.name not in kept:
            stale.unlink()
    return factor


def _entry(entry: dict[str, Any], name: str, picture: NDArray[np.uint8]) -> dict[str, Any]:
    """What the manifest said of the file, as far as training and licences need it."""
    names = ("split", "licence", "redistributable", "id", "source_repo", "scene")
    kept = {key: entry[key] for key in names if key in entry}
    return kept | {"file": name, "kind": "still", "width": picture.shape[1], "height": picture.shape[0]}


def _shrunk(picture: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    height, width, _ = picture.shape
    factor = min(1.0, max(factor, SMALLEST / min(height, width)))
    if factor == 1.0:
        return picture
    size = (round(width * factor), round(height * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _middle(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width, _ = picture.shape
    y, x = max(0, height - DEV_EDGE) // 2, max(0, width - DEV_EDGE) // 2
    return picture[y : y + DEV_EDGE, x : x + DEV_EDGE]


def _write(path: Path, picture: NDArray[np.uint8]) -> int:
    done, data = cv2.imencode(".webp", picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done:
        raise DataError(f"OpenCV could not write {path.name} as WebP")
    path.write_bytes(data.tobytes())
    return len(data)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in list(folder.iterdir()) if path.suffix in (".webp", ".json"))
