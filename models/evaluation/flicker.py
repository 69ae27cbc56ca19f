"""Temporal flicker: what changes from frame to frame though the scene does not. Knows no models, no files.

Each frame is compared with the one before, moved along the truth's optical flow. Parts that stand still and parts that
move are reported apart: on the former every change is noise, the codec or the enlargement; on the latter the flow's own
errors are in it too. Blur lowers both, so a figure is read beside the truth's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

STILL = 0.1  # pixels of flow below which a part stands still
AGREE = 1.0  # pixels that the flows there and back may differ by; beyond, something was covered or uncovered
LEAST = 0.001  # share of the pixels below which a part is too small to be reported


@dataclass(frozen=True, slots=True)
class Flicker:
    """Root mean square of the warped difference, 8-bit levels over all channels; None where there is no such part."""

    static: float | None
    moving: float | None

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Motion:
    """How the truth moves, one entry for each frame but the first."""

    flows: tuple[NDArray[np.float32], ...]  # (H, W, 2): where a pixel (x, y) was in the frame before, relative; 0 still
    static: tuple[NDArray[np.bool_], ...]  # (H, W)
    moving: tuple[NDArray[np.bool_], ...]  # (H, W), occlusions left out


def motion(truth: Sequence[Bytes]) -> Motion:
    """Of (H, W, 3) uint8 frames of one size: dense inverse search (Kroeger et al., ECCV 2016), OpenCV's medium preset.

    Occlusions, where the flow there and the flow back disagree, count as neither.
    """
    greys = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8) for frame in truth]
    flows, static, moving = [], [], []
    for before, after in pairwise(greys):
        back, there = _flow(after, before), _flow(before, after)
        still = np.hypot(back[..., 0], back[..., 1]) < STILL
        returned = back + _warped(there, back)
        flows.append(np.where(still[..., None], np.float32(0), back))
        static.append(still)
        moving.append(~still & (np.hypot(returned[..., 0], returned[..., 1]) < AGREE))
    return Motion(tuple(flows), tuple(static), tuple(moving))


def flicker(frames: Sequence[Bytes], moves: Motion) -> Flicker:
    """Of frames (H, W, 3) uint8 of the sizes and number of the truth's. Raises ValueError for another number."""
    if len(frames) != len(moves.flows) + 1:
        raise ValueError(f"{len(frames)} frames do not go with the motion of {len(moves.flows) + 1}")
    sums, counts = np.zeros(2), np.zeros(2)
    for before, after, flow, *parts in zip(frames, frames[1:], moves.flows, moves.static, moves.moving, strict=False):
        error = ((after.astype(np.float32) - _warped(before.astype(np.float32), flow)) ** 2).mean(axis=2)
        for index, part in enumerate(parts):
            sums[index] += float(error[part].sum(dtype=np.float64))
            counts[index] += int(part.sum())
    least = LEAST * sum(flow.shape[0] * flow.shape[1] for flow in moves.flows)
    values = [float(np.sqrt(s / n)) if n > least else None for s, n in zip(sums, counts, strict=True)]
    return Flicker(*values)


def _flow(of: NDArray[np.uint8], into: NDArray[np.uint8]) -> NDArray[np.float32]:
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    empty = np.zeros((*of.shape, 2), np.float32)
    return np.asarray(search.calc(of, into, empty), dtype=np.float32)


def _warped(image: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image's values where the flow points, bilinear, edges repeated."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    found = cv2.remap(image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, dtype=np.float32)
