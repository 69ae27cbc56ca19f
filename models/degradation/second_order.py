"""Real-ESRGAN's degradation: blur, resize, noise and JPEG twice over, with ringing. Knows no other profile.

Wang et al., "Real-ESRGAN", ICCVW 2021; the numbers are those of its published x4 training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from models.degradation.blur import Picture
from models.degradation.codec import Bytes
from models.degradation.jpeg_model import jpeg_model
from models.degradation.kernel_mix import KernelMix, Range, draw_kernel, draw_sinc
from models.degradation.kernels import filter2d, unsharp
from models.degradation.pixel_noise import add_gaussian, add_poisson
from models.degradation.rescale import draw_filter, rescale
from models.degradation.surveillance import crop_to_multiple, to_bytes, to_float

SIZES = (7, 9, 11, 13, 15, 17, 19, 21)
KERNELS = KernelMix(
    sizes=SIZES, sigma=(0.2, 3.0), gaussian=(0.45, 0.25), generalised=(0.12, 0.03), plateau=(0.12, 0.03)
)


@dataclass(frozen=True, slots=True)
class Round:
    """One round of blur, resize, noise, JPEG. The defaults are the first's."""

    blur: float = 1.0  # probability of any
    sinc: float = 0.1  # probability, given a blur, that it is a sinc and not of `kernels`
    kernels: KernelMix = KERNELS
    enlarge: float = 0.2  # probability
    shrink: float = 0.7  # probability; else the size is kept
    factor: Range = (0.15, 1.5)
    gaussian: float = 0.5  # probability; else the noise is Poisson's
    sigma: Range = (1.0, 30.0)  # of the Gaussian noise, 8-bit levels
    poisson: Range = (0.05, 3.0)  # strength
    grey: float = 0.4  # probability that the noise is equal in all channels
    jpeg_quality: Range = (30.0, 95.0)


@dataclass(frozen=True, slots=True)
class SecondOrder:
    first: Round = Round()
    second: Round = Round(  # its factor is relative to the low-resolution size
        blur=0.8,
        kernels=replace(KERNELS, sigma=(0.2, 1.5)),
        enlarge=0.3,
        shrink=0.4,
        factor=(0.3, 1.2),
        sigma=(1.0, 25.0),
        poisson=(0.05, 2.5),
    )
    final_sinc: float = 0.8  # probability
    sharpen: bool = True  # the sharp picture first, by `kernels.unsharp`; L1 and perceptual losses then want it so too


DEFAULT = SecondOrder()


def degrade(image: Bytes, scale: int, seed: int, *, parameters: SecondOrder = DEFAULT) -> Bytes:
    """(H, W, 3) uint8 -> (H//scale, W//scale, 3) uint8, of the image cropped to a multiple of `scale`.

    Equal seeds give equal bytes. Made for scale 4 on crops of about 400 pixels; kernels are not scaled with
    the picture. JPEG is `jpeg_model`, of any quality; quality and noise are drawn per picture.
    """
    rng = np.random.default_rng(seed)
    picture = to_float(crop_to_multiple(image, scale))
    height, width, _ = picture.shape
    low_height, low_width = height // scale, width // scale
    if parameters.sharpen:
        picture = unsharp(picture)

    first, second = parameters.first, parameters.second
    picture = _through(picture, height, width, first, rng)
    picture = jpeg_model(picture, float(rng.uniform(*first.jpeg_quality)))
    picture = _through(picture, low_height, low_width, second, rng)

    quality = float(rng.uniform(*second.jpeg_quality))
    if rng.random() < 0.5:
        picture = _settle(picture, low_height, low_width, parameters.final_sinc, rng)
        picture = jpeg_model(np.clip(picture, 0, 1), quality)
    else:
        picture = jpeg_model(picture, quality)
        picture = _settle(picture, low_height, low_width, parameters.final_sinc, rng)
    return to_bytes(picture)


def _through(picture: Picture, height: int, width: int, order: Round, rng: np.random.Generator) -> Picture:
    """Blur, resize to a random multiple of (height, width), and noise: all of a round but its JPEG. In [0, 1]."""
    if rng.random() < order.blur:
        if rng.random() < order.sinc:
            kernel = draw_sinc(rng, order.kernels.sizes, math.pi / 3, math.pi / 5)
        else:
            kernel = draw_kernel(rng, order.kernels)
        picture = filter2d(picture, kernel)
    factor = _draw_factor(rng, order)
    size = max(1, round(height * factor)), max(1, round(width * factor))
    picture = rescale(picture, *size, draw_filter(rng))
    grey = bool(rng.random() < order.grey)
    if rng.random() < order.gaussian:
        return add_gaussian(picture, rng, sigma=float(rng.uniform(*order.sigma)) / 255, grey=grey)
    return add_poisson(picture, rng, strength=float(rng.uniform(*order.poisson)), grey=grey)


def _draw_factor(rng: np.random.Generator, order: Round) -> float:
    low, high = order.factor
    chance = rng.random()
    if chance < order.enlarge:
        return float(rng.uniform(1, high))
    return float(rng.uniform(low, 1)) if chance < order.enlarge + order.shrink else 1.0


def _settle(picture: Picture, height: int, width: int, sinc: float, rng: np.random.Generator) -> Picture:
    """Bring to the low-resolution size, then perhaps ring."""
    picture = rescale(picture, height, width, draw_filter(rng))
    if rng.random() < sinc:
        picture = filter2d(picture, draw_sinc(rng, SIZES, math.pi / 3, math.pi / 3))
    return picture
