"""Pairs for ESPCN that photographs do not hold: hard edges and lettering of any colours, flat colours."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.degradation.resize import shrink
from models.degradation.surveillance import to_bytes, to_float
from models.espcn import RADIUS
from models.training.drawn.shapes import shapes
from models.training.pack import CORE, MARGIN, PATCH


def drawn_pair(rng: np.random.Generator, scale: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """low (PATCH, PATCH, 3) and the high-resolution middle (CORE·s, CORE·s, 3), both uint8, of shapes and lettering."""
    high = shapes(rng, PATCH * scale, scale)
    low = to_bytes(shrink(to_float(high), scale, "area" if rng.random() < 0.5 else "bicubic"))
    inner = slice(MARGIN * scale, (MARGIN + CORE) * scale)
    return low, high[inner, inner]


def flat_colours(rng: np.random.Generator) -> Tensor:
    """(64, 3, 9, 9) in [0, 1]: single colours, a quarter of them greys, the ends of the range among them.

    ESPCN has no skip connection and photographs hold few saturated or black areas: without these it is two to five
    levels off there.
    """
    colours = rng.uniform(-0.05, 1.05, (64, 3)).clip(0, 1).astype(np.float32)
    colours[:16] = colours[:16, :1]
    return torch.from_numpy(colours)[..., None, None].expand(-1, -1, 2 * RADIUS + 1, 2 * RADIUS + 1)
