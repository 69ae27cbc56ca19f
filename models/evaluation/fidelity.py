"""All scores of one enlarged picture against its truth. Knows no files, models or profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from models.evaluation.perceptual import perceptual
from models.metrics import psnr, ssim

MOST_DB = 100.0  # PSNR of equal pictures, which has no finite value

# Measure -> 1 where more is better, -1 where less is.
BETTER: Mapping[str, int] = {"psnr": 1, "ssim": 1, "vif": 1, "gmsd": -1, "haarpsi": 1, "shift": -1}


@dataclass(frozen=True, slots=True)
class Fidelity:
    psnr: float  # dB, RGB, at most MOST_DB
    ssim: float  # RGB, channels averaged
    vif: float
    gmsd: float
    haarpsi: float
    shift: float  # 8-bit levels: largest difference, over the channels, of the picture's mean and the truth's

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def measure(image: NDArray[np.uint8], truth: NDArray[np.uint8], border: int) -> Fidelity:
    """Of two (H, W, 3) uint8 RGB pictures, `border` pixels left out at each edge.

    Raises ValueError for different shapes or below 64 pixels each way, ExtraMissing where piq is not installed.
    """
    if image.shape != truth.shape or image.dtype != truth.dtype:
        raise ValueError(f"cannot compare {image.shape} {image.dtype} with {truth.shape} {truth.dtype}")
    inner = slice(border, -border or None)
    a, b = (torch.from_numpy(p[inner, inner].transpose(2, 0, 1).astype(np.float64)) / 255 for p in (image, truth))
    shift = float((a.mean((1, 2)) - b.mean((1, 2))).abs().max()) * 255
    return Fidelity(min(MOST_DB, psnr(a, b)), ssim(a, b), *perceptual(a, b), shift)


def mean(found: list[Fidelity]) -> Fidelity:
    """Measure by measure, of at least one."""
    return Fidelity(*(float(np.mean([getattr(f, field.name) for f in found])) for field in fields(Fidelity)))
