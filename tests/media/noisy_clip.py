"""Clips of a street with noise of known strength. Not a test file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from media.scene import frame


def write_noisy(path: Path, sigma: float, size: tuple[int, int], frames: int = 3) -> Path:
    """Lossless; white noise of `sigma` levels, the same in each channel."""
    rng = np.random.default_rng(1)
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
        for index in range(frames):
            clean = frame(index, width, height, Fraction(25))
            noisy = np.clip(np.rint(clean + sigma * rng.standard_normal((height, width, 1))), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, "rgb24").reformat(format="bgr0")))
        container.mux(stream.encode(None))
    return path
