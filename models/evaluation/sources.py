"""The truths to measure on: a media folder's development split by scene, or any folder of pictures and clips.

Knows no degradations. Large pictures are cut to their middle, so that none outweighs others in time. Frames of clips
are compressed already: they are halved first where enough remains.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from models.evaluation.perceptual import SMALLEST
from models.training.data import DataError, items, read_still

Bytes = NDArray[np.uint8]

EDGE = 512  # pixels of a truth at most, each way, unless another number is asked for
STILLS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
CLIPS = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".ts")


@dataclass(frozen=True, slots=True)
class Source:
    """One picture or clip, not read yet."""

    path: Path
    scene: str
    kind: str  # "still" or "clip"
    number: int  # in the whole list, so that taking every N-th changes no seed


def sources(data: Path, every: int = 1) -> list[Source]:
    """Every `every`-th, sorted by path. Without a manifest.json each file is a scene of its own. Raises DataError."""
    if not data.is_dir():
        raise DataError(f"there is no folder {data.name}: name one with --data")
    if every < 1:
        raise DataError(f"every {every}-th file cannot be taken: use at least 1")
    if (data / "manifest.json").is_file():
        found = [(item.path, item.scene or item.path.stem, item.kind) for item in items(data, "dev")]
    else:
        kinds = {**dict.fromkeys(STILLS, "still"), **dict.fromkeys(CLIPS, "clip")}
        paths = sorted(path for path in data.rglob("*") if path.suffix.lower() in kinds and path.is_file())
        found = [(path, path.relative_to(data).as_posix(), kinds[path.suffix.lower()]) for path in paths]
    if not found:
        raise DataError(f"{data.name} holds no pictures and no clips: name a folder with --data that does")
    return [Source(*entry, number) for number, entry in enumerate(found)][::every]


def read(source: Source, scale: int, frames: int, edge: int = EDGE) -> list[Bytes]:
    """The truth: one picture, or up to `frames` consecutive ones from the middle of a clip, (H, W, 3) uint8 RGB.

    Sizes are multiples of `scale`, at most `edge`. Raises DataError for what cannot be read or is too small to be
    measured.
    """
    pictures = [read_still(source.path)] if source.kind == "still" else _clip(source.path, frames)
    cut = [_middle(picture, scale, edge) for picture in pictures]
    height, width, _ = cut[0].shape
    if min(height, width) < SMALLEST + 2 * scale:
        raise DataError(f"{source.path.name} is only {width}x{height}: use at least {SMALLEST + 2 * scale} each way")
    return cut


def _clip(path: Path, count: int) -> list[Bytes]:
    out: list[Bytes] = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            first = max(0, (stream.frames - count) // 2)  # 0 where the container does not say
            for index, frame in enumerate(container.decode(stream)):
                if index >= first:
                    out.append(_halved(np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)))
                if len(out) == count:
                    break
    except (av.FFmpegError, IndexError) as error:
        raise DataError(f"{path.name} is not a readable clip ({type(error).__name__})") from None
    if not out:
        raise DataError(f"{path.name} has no frames that can be read")
    return out


def _halved(frame: Bytes) -> Bytes:
    height, width, _ = frame.shape
    if min(height, width) < EDGE:
        return frame
    return np.asarray(cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _middle(picture: Bytes, scale: int, edge: int) -> Bytes:
    height, width, _ = picture.shape
    rows, columns = (min(length, edge) // scale * scale for length in (height, width))
    y, x = (height - rows) // 2, (width - columns) // 2
    return np.ascontiguousarray(picture[y : y + rows, x : x + columns])
