"""The estimate of a few frames. Knows pixels, no files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from media.estimate.blocks import GRID, blockiness_of
from media.estimate.blur import blur_of
from media.estimate.combing import combing_of
from media.estimate.degradation import Degradation
from media.estimate.noise import noise_of
from media.types import Image

Luma = NDArray[np.float32]

LARGEST = (544, 960)  # rows, columns: of larger pictures the middle is looked at, so that the time is bounded
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601


def estimate_frames(runs: Sequence[Sequence[Image]]) -> Degradation:
    """Of at least one frame. runs: frames that follow one another, of one size; the more apart the runs, the better.

    (H, W, 3) uint8 or uint16, RGB. Raises ValueError where there is no frame.
    """
    frames = [frame for run in runs for frame in run]
    if not frames:
        raise ValueError("there is no frame to estimate: give at least one")
    lumas = [[_luma(_middle(frame)) for frame in run] for run in runs if len(run)]
    first = [run[0] for run in lumas]
    noise = noise_of(lumas)
    low, high = np.percentile(np.stack(first), (5, 95))
    return Degradation(
        frames=len(frames),
        noise=noise,
        blur=blur_of(first, noise),
        blockiness=blockiness_of(first),
        combing=combing_of(lumas, noise),
        grey=all(_grey(frame) for frame in frames),
        level=float(np.mean([luma.mean() for luma in first])),
        contrast=float(high - low),
    )


def _middle(frame: Image) -> Image:
    """At most LARGEST, cut on the grid of blocks."""
    rows, columns = (max(0, size - most) // 2 // GRID * GRID for size, most in zip(frame.shape, LARGEST, strict=False))
    return frame[rows : rows + LARGEST[0], columns : columns + LARGEST[1]]


def _luma(frame: Image) -> Luma:
    levels = frame.astype(np.float32) @ _WEIGHTS
    return np.asarray(levels / 257 if frame.dtype == np.uint16 else levels, dtype=np.float32)


def _grey(frame: Image) -> bool:
    return np.array_equal(frame[..., 0], frame[..., 1]) and np.array_equal(frame[..., 1], frame[..., 2])
