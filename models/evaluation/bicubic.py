"""The baseline: bicubic enlargement as MATLAB does it (a = -0.5). Knows no other.

The literature's choice. OpenCV's own bicubic has a = -0.75, which is sharper and on noisy footage a little worse.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from models.degradation.matlab import imresize


def enlarge(low: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """(h, w, 3) -> (scale·h, scale·w, 3) uint8, halves rounded up."""
    large = imresize(np.asarray(low, np.float32), Fraction(scale))
    return np.asarray(np.clip(np.floor(large + 0.5), 0, 255), dtype=np.uint8)
