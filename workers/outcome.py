"""An enhanced frame as it lies in the frame store: its pixels, then what was measured of them. Knows no store or queue.

Kept beside the pixels rather than in the reply, so that a frame whose reply was lost, or that is delivered a second
time, loses neither its label nor its figures.

    pixels | redone (1 byte) | seconds (float64) | added detail (float32), all little-endian
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cells import cells
from pipeline.tasks import FrameTask

_HEAD = struct.Struct("<?d")
_FIGURES = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker made of a task."""

    tiles: NDArray[Any]  # (n, s·tile, s·tile, 3)
    added: NDArray[np.float32]  # (n, cells(tile), cells(tile), 2), see models/added_detail.py
    redone: bool  # some tiles were computed again in float32
    busy_s: float


def trailer(added: NDArray[np.float32], *, redone: bool, busy_s: float) -> bytes:
    """What follows the pixels. added: (n, c, c, 2), of all tiles of the frame."""
    return _HEAD.pack(redone, busy_s) + np.ascontiguousarray(added, _FIGURES).tobytes()


def parse(blob: memoryview, task: FrameTask) -> Outcome:
    """Raises ValueError where the bytes are not those of the task's result."""
    side, count = task.tile * task.scale, cells(task.tile)
    shape = (task.tiles, side, side, 3)
    end = int(np.prod(shape)) * np.dtype(task.dtype).itemsize
    wanted = end + _HEAD.size + task.tiles * count * count * 2 * _FIGURES.itemsize
    if blob.nbytes != wanted:
        raise ValueError(f"the result of frame {task.frame} has {blob.nbytes} bytes instead of {wanted}")
    redone, busy_s = _HEAD.unpack(blob[end : end + _HEAD.size])
    added = np.frombuffer(blob[end + _HEAD.size :], _FIGURES).reshape(task.tiles, count, count, 2)
    return Outcome(np.frombuffer(blob[:end], task.dtype).reshape(shape), added.astype(np.float32), redone, busy_s)
