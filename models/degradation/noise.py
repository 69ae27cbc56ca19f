"""Sensor noise: grows with the signal, partly shared between channels, soft-grained. Knows nothing of profiles."""

from __future__ import annotations

import cv2
import numpy as np

from models.degradation.blur import Picture


def poisson_gaussian(
    picture: Picture, rng: np.random.Generator, *, shot: float, read: float, correlation: float, grain: float
) -> Picture:
    """Add zero-mean noise of variance `shot * x + read**2`, x in [0, 1], and clamp.

    correlation: 0..1, the share of variance that all three channels have in common (1: grey noise, as infrared gives).
    grain: sigma in pixels of the noise's own blur (demosaicing and in-camera denoising leave soft grain); the standard
    deviation is kept. The Poisson part is drawn as a Gaussian of the same variance (Foi et al., TIP 2008).
    """
    height, width, channels = picture.shape
    common = rng.standard_normal((height, width, 1), dtype=np.float32)
    own = rng.standard_normal((height, width, channels), dtype=np.float32)
    noise = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    if grain > 0:
        noise = cv2.GaussianBlur(noise, (0, 0), grain, borderType=cv2.BORDER_REFLECT_101)
        noise = noise / gain(grain)
    deviation = np.sqrt(np.maximum(shot * picture + read * read, 0))
    return np.asarray(np.clip(picture + deviation * noise, 0, 1), dtype=np.float32)


def gain(sigma: float) -> float:
    """Standard deviation of unit white noise after cv2's Gaussian of this sigma."""
    impulse = np.zeros((33, 33), np.float32)
    impulse[16, 16] = 1
    return float(np.sqrt((cv2.GaussianBlur(impulse, (0, 0), sigma) ** 2).sum()))
