"""The degradations that super-resolution papers report on: blur, shrink, noise, each fixed. Knows no other profile."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from models.degradation.codec import Bytes
from models.degradation.kernels import filter2d, gaussian
from models.degradation.matlab import imresize
from models.degradation.pixel_noise import add_gaussian
from models.degradation.surveillance import crop_to_multiple, to_bytes, to_float

SHRINKING = ("bicubic", "subsample")


@dataclass(frozen=True, slots=True)
class Classical:
    """The default is plain MATLAB bicubic ("BI")."""

    sigma: float = 0.0  # of a Gaussian blur, pixels of the sharp picture; 0: none
    kernel_size: int = 7
    shrinking: str = "bicubic"  # MATLAB's; or "subsample": every scale-th pixel from the first, (scale-1)/2 off centre
    noise: float = 0.0  # standard deviation of white Gaussian noise in 8-bit levels, after shrinking


# BI, BD and DN as in Zhang et al., "Residual dense network", CVPR 2018 (BD and DN are usual for x3).
BICUBIC = Classical()
BLURRED = Classical(sigma=1.6, kernel_size=7, shrinking="subsample")
NOISY = Classical(noise=30.0)


def degrade(image: Bytes, scale: int, seed: int, *, parameters: Classical = BICUBIC) -> Bytes:
    """(H, W, 3) uint8 -> (H//scale, W//scale, 3) uint8, of the image cropped to a multiple of `scale`.

    `seed` draws only the noise. The blurred picture is not rounded before it is shrunk. ValueError: unknown shrinking.
    """
    picture = to_float(crop_to_multiple(image, scale))
    if parameters.sigma > 0:
        picture = filter2d(picture, gaussian(parameters.kernel_size, parameters.sigma, parameters.sigma, 0.0))
    if parameters.shrinking == "bicubic":
        small = imresize(picture, Fraction(1, scale))
    elif parameters.shrinking == "subsample":
        small = picture[::scale, ::scale]
    else:
        raise ValueError(f"unknown shrinking {parameters.shrinking!r}: use one of {', '.join(SHRINKING)}")
    if parameters.noise > 0:
        small = add_gaussian(small, np.random.default_rng(seed), sigma=parameters.noise / 255, grey=False)
    return to_bytes(small)
