"""Noise drawn for every pixel by itself, as super-resolution training adds it. Knows nothing of profiles.

What sensors leave is in `noise`; this is the simpler noise of the literature. Pictures are (H, W, 3) float32 in [0, 1].
"""

from __future__ import annotations

import numpy as np

from models.degradation.blur import Picture

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601


def add_gaussian(picture: Picture, rng: np.random.Generator, *, sigma: float, grey: bool) -> Picture:
    """White noise of standard deviation `sigma` (in units of the range), equal in all channels if `grey`; clamped."""
    height, width, channels = picture.shape
    noise = rng.standard_normal((height, width, 1 if grey else channels), dtype=np.float32)
    return np.asarray(np.clip(picture + np.float32(sigma) * noise, 0, 1), dtype=np.float32)


def add_poisson(picture: Picture, rng: np.random.Generator, *, strength: float, grey: bool) -> Picture:
    """`strength` times the shot noise of a sensor that counts up to N photons; clamped.

    N is the number of distinct 8-bit values in the picture, rounded up to a power of two, so flat pictures are noisier.
    grey: the noise is that of the luma, equal in all channels. Source: Real-ESRGAN (Wang et al., ICCVW 2021).
    """
    light = (picture @ _LUMA)[..., None] if grey else picture
    levels = np.rint(np.clip(light, 0, 1) * 255)
    photons = float(2 ** np.ceil(np.log2(len(np.unique(levels)))))
    light = levels / 255
    noise = rng.poisson(light * photons) / photons - light
    return np.asarray(np.clip(picture + strength * noise, 0, 1), dtype=np.float32)
