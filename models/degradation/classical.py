"""The degradations that super-resolution papers report on: blur, shrink, noise. Knows no other profile."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from models.degradation.blur import Picture
from models.degradation.codec import Bytes
from models.degradation.kernels import filter2d, gaussian
from models.degradation.matlab import imresize
from models.degradation.pixel_noise import add_gaussian
from models.degradation.steps import Range, happens, uniform
from models.degradation.surveillance import crop_to_multiple, to_bytes, to_float

SHRINKING = ("bicubic", "subsample")


@dataclass(frozen=True, slots=True)
class Classical:
    """The default is plain MATLAB bicubic ("BI"). As a step it is always itself: nothing is drawn but the noise."""

    sigma: float = 0.0  # of a Gaussian blur, pixels of the sharp picture; 0: none
    kernel_size: int = 7
    shrinking: str = "bicubic"  # MATLAB's; or "subsample": every scale-th pixel from the first, (scale-1)/2 off centre
    noise: float = 0.0  # standard deviation of white Gaussian noise in 8-bit levels, after shrinking
    ratio: float = 1.0  # of the blur's other axis to sigma
    angle: float = 0.0  # radians

    def draw(self, rng: np.random.Generator, scale: int) -> ClassicalDrawn:
        return ClassicalDrawn(self, scale)


@dataclass(frozen=True, slots=True)
class ClassicalDrawn:
    settings: Classical
    scale: int

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        """Unclamped where there is no noise: bicubic overshoots. ValueError: unknown shrinking."""
        settings, scale = self.settings, self.scale
        if settings.shrinking not in SHRINKING:
            raise ValueError(f"unknown shrinking {settings.shrinking!r}: use one of {', '.join(SHRINKING)}")
        other = settings.sigma * settings.ratio
        for frame in frames:
            picture = frame
            if settings.sigma > 0:
                kernel = gaussian(settings.kernel_size, settings.sigma, other, settings.angle)
                picture = filter2d(picture, kernel)
            bicubic = settings.shrinking == "bicubic"
            small = imresize(picture, Fraction(1, scale)) if bicubic else picture[::scale, ::scale]
            yield add_gaussian(small, rng, sigma=settings.noise / 255, grey=False) if settings.noise > 0 else small


@dataclass(frozen=True, slots=True)
class ClassicalMix:
    """Gaussian blur, bicubic, white noise, all at random: blind super-resolution's usual training set.

    Kernels of 15 pixels and widths as in Zhang et al., "Learning a single convolutional super-resolution network for
    multiple degradations" (SRMD), CVPR 2018; noise up to 25 levels as in Zhang et al., "Deep unfolding network for
    image super-resolution" (USRNet), CVPR 2020.
    """

    kernel_size: int = 15
    smallest: float = 0.2  # sigma in sharp pixels; the largest is the scale
    uneven: float = 0.5  # probability of an anisotropic kernel
    noise: Range = (0.0, 25.0)

    def draw(self, rng: np.random.Generator, scale: int) -> ClassicalDrawn:
        sigma, uneven = uniform(rng, (self.smallest, max(self.smallest, scale))), happens(rng, self.uneven)
        ratio, angle = uniform(rng, (0.2, 1.0)), uniform(rng, (0.0, math.pi))
        drawn = Classical(sigma, self.kernel_size, "bicubic", uniform(rng, self.noise), ratio if uneven else 1.0, angle)
        return ClassicalDrawn(drawn, scale)


# BI, BD and DN as in Zhang et al., "Residual dense network", CVPR 2018 (BD and DN are usual for x3).
BICUBIC = Classical()
BLURRED = Classical(sigma=1.6, kernel_size=7, shrinking="subsample")
NOISY = Classical(noise=30.0)


def degrade(image: Bytes, scale: int, seed: int, *, parameters: Classical = BICUBIC) -> Bytes:
    """(H, W, 3) uint8 -> (H//scale, W//scale, 3) uint8, of the image cropped to a multiple of `scale`.

    `seed` draws only the noise. The blurred picture is not rounded before it is shrunk. ValueError: unknown shrinking.
    """
    rng = np.random.default_rng(seed)
    picture = to_float(crop_to_multiple(image, scale))
    return to_bytes(next(parameters.draw(rng, scale).run([picture], rng)))
