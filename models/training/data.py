"""The pictures of a media folder by split, as its manifest.json lists them. Knows nothing of degradations or networks.

The manifest: {"files": [{"file", "split": "train"|"dev"|"benchmark", "kind": "still"|"clip", "licence",
"redistributable": "yes"|"no"|"unclear", ...}]}, paths relative to the folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray


class DataError(Exception):
    """A media folder cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class Item:
    path: Path
    split: str
    kind: str  # "still" or "clip"
    licence: str
    frames: int  # 1 for stills
    scene: str = ""  # pictures of one scene do not count as independent


def items(data: Path, split: str, *, share_alike: bool = True) -> list[Item]:
    """What a split holds, sorted by path; of the training split only what may be passed on.

    share_alike: False leaves out CC BY-SA material. Raises DataError where there is no manifest or nothing fits.
    """
    manifest = data / "manifest.json"
    if not manifest.is_file():
        raise DataError(f"{data} has no manifest.json: name a media folder with --data")
    entries: list[dict[str, Any]] = json.loads(manifest.read_text("utf-8"))["files"]
    found = [
        Item(data / e["file"], split, e["kind"], e["licence"], int(e.get("frames") or 1), str(e.get("scene") or ""))
        for e in entries
        if e["split"] == split
        and (split != "train" or e["redistributable"] == "yes")
        and (share_alike or "-SA" not in e["licence"])
    ]
    if not found:
        raise DataError(f"{manifest} lists nothing for the split {split!r}")
    return sorted(found, key=lambda item: item.path)


def read_still(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB. Raises DataError where OpenCV cannot read it."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path.name} is not a readable picture")
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8)[..., ::-1])


def read_frames(path: Path, count: int, frames: int) -> list[NDArray[np.uint8]]:
    """`count` frames spread evenly over a clip of `frames`, (H, W, 3) uint8 RGB."""
    wanted = {int((i + 0.5) * frames / count) for i in range(count)}
    out: list[NDArray[np.uint8]] = []
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                out.append(np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8))
            if len(out) == len(wanted):
                break
    return out
