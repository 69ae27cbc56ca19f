"""Many pictures on one sheet, for people to look at. Knows nothing of where they come from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from torch import Tensor


def write_sheet(path: Path, pictures: Tensor, columns: int) -> None:
    """A PNG of (N, 3, h, w) in [-1, 1], row by row; the last row may be short."""
    n, _, height, width = pictures.shape
    rows = -(-n // columns)
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    levels = pictures.detach().float().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    for index, picture in enumerate(levels):
        y, x = index // columns * height, index % columns * width
        sheet[y : y + height, x : x + width] = picture[..., ::-1]
    cv2.imwrite(str(path), sheet)
