"""JPEG's losses computed without a bit stream, for any quality, whole or not. Knows nothing of files or profiles.

Unlike `codec.jpeg` (libjpeg), nothing is rounded but the DCT coefficients; it is what Real-ESRGAN trains with.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.degradation.blur import Picture

# ITU-T T.81, annex K, tables K.1 and K.2, row = vertical frequency. K.1 is turned over, as it is in the code that
# Real-ESRGAN was trained with: the reference numbers come out only so, and training data should agree with theirs.
_LUMA_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float64,
).T
_CHROMA_TABLE = np.full((8, 8), 99.0)
_CHROMA_TABLE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])  # JFIF
_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
_DCT = np.array(  # orthonormal DCT-II of 8: row = frequency
    [
        [math.cos((2 * x + 1) * u * math.pi / 16) * (math.sqrt(1 / 8) if u == 0 else 1 / 2) for x in range(8)]
        for u in range(8)
    ]
)


def jpeg_model(picture: Picture, quality: float) -> Picture:
    """(H, W, 3) RGB in [0, 1] -> the same after JPEG in 4:2:0, chroma averaged by 2x2 and repeated, clamped.

    quality: 1..100 on libjpeg's scale (tables are not rounded). Sizes are filled up to multiples of 16 with black.
    Source: Shin & Song, "JPEG-resistant adversarial images", 2017, in its undifferentiable form. ValueError: quality.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"JPEG quality {quality} is not between 1 and 100")
    factor = (50 / quality) if quality < 50 else (2 - quality / 50)
    factor = max(factor, 1e-6)  # 100 means no loss
    height, width, _ = picture.shape
    filled = np.pad(picture.astype(np.float64) * 255, ((0, -height % 16), (0, -width % 16), (0, 0)))
    rows, columns, _ = filled.shape
    ycc = filled @ _TO_YCC.T
    ycc[..., 1:] += 128
    luma = _quantise(ycc[..., 0], _LUMA_TABLE * factor)
    planes = [luma]
    for channel in (1, 2):
        small = ycc[..., channel].reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
        coarse = _quantise(small, _CHROMA_TABLE * factor) - 128
        planes.append(coarse.repeat(2, axis=0).repeat(2, axis=1))
    rgb = np.stack(planes, axis=-1) @ _TO_RGB.T
    return np.asarray(np.clip(rgb[:height, :width] / 255, 0, 1), dtype=np.float32)


def _quantise(plane: NDArray[np.float64], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """A plane of 0..255, sides multiples of 8, with its DCT coefficients rounded to multiples of the table."""
    rows, columns = plane.shape
    blocks = (plane - 128).reshape(rows // 8, 8, columns // 8, 8).transpose(0, 2, 1, 3)  # (R, C, 8, 8)
    coefficients = np.rint(_DCT @ blocks @ _DCT.T / table) * table
    restored = _DCT.T @ coefficients @ _DCT
    return np.asarray(restored.transpose(0, 2, 1, 3).reshape(rows, columns) + 128)
