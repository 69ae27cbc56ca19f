"""Real-ESRGAN's degradation: blur, resize, noise and JPEG twice over, with ringing. Knows no other profile.

Wang et al., "Real-ESRGAN", ICCVW 2021; the numbers are those of its published x4 training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.degradation.blur import Picture
from models.degradation.codec import Bytes
from models.degradation.jpeg_model import jpeg_model
from models.degradation.kernel_mix import KernelChoice, KernelMix, Range, choose_kernel, choose_sinc
from models.degradation.kernels import Kernel, filter2d, unsharp
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
class RoundDrawn:
    kernel: KernelChoice | None
    factor: float
    method: str  # a key of `rescale.FILTERS`
    gaussian: bool  # else Poisson
    strength: float  # sigma in 8-bit levels, or Poisson's
    grey: bool
    quality: float


@dataclass(frozen=True, slots=True)
class SecondOrderDrawn:
    sharpen: bool
    first: RoundDrawn
    second: RoundDrawn
    jpeg_last: bool  # else the final resizing and ringing come after it
    final_method: str
    final_sinc: KernelChoice | None
    scale: int

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        kernels = [None if choice is None else choice.make() for choice in self._choices()]
        for frame in frames:
            yield self._change(frame, kernels, rng)

    def _choices(self) -> tuple[KernelChoice | None, ...]:
        return self.first.kernel, self.second.kernel, self.final_sinc

    def _change(self, picture: Picture, kernels: list[Kernel | None], rng: np.random.Generator) -> Picture:
        height, width, _ = picture.shape
        low = height // self.scale, width // self.scale
        if self.sharpen:
            picture = unsharp(picture)
        picture = _through(picture, (height, width), self.first, kernels[0], rng)
        picture = jpeg_model(picture, self.first.quality)
        picture = _through(picture, low, self.second, kernels[1], rng)
        if self.jpeg_last:
            settled = _settled(picture, low, self.final_method, kernels[2])
            return jpeg_model(np.clip(settled, 0, 1), self.second.quality)
        return _settled(jpeg_model(picture, self.second.quality), low, self.final_method, kernels[2])


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

    def draw(self, rng: np.random.Generator, scale: int) -> SecondOrderDrawn:
        first, second = _draw_round(rng, self.first), _draw_round(rng, self.second)
        jpeg_last, method = bool(rng.random() < 0.5), draw_filter(rng)
        rings = rng.random() < self.final_sinc
        final = choose_sinc(rng, SIZES, math.pi / 3, math.pi / 3) if rings else None
        return SecondOrderDrawn(self.sharpen, first, second, jpeg_last, method, final, scale)


DEFAULT = SecondOrder()


def degrade(image: Bytes, scale: int, seed: int, *, parameters: SecondOrder = DEFAULT) -> Bytes:
    """(H, W, 3) uint8 -> (H//scale, W//scale, 3) uint8, of the image cropped to a multiple of `scale`.

    Equal seeds give equal bytes. Made for scale 4 on crops of about 400 pixels; kernels are not scaled with
    the picture. JPEG is `jpeg_model`, of any quality; quality and noise are drawn per picture.
    """
    rng = np.random.default_rng(seed)
    picture = to_float(crop_to_multiple(image, scale))
    return to_bytes(next(parameters.draw(rng, scale).run([picture], rng)))


def _draw_round(rng: np.random.Generator, order: Round) -> RoundDrawn:
    kernel = None
    if rng.random() < order.blur:
        if rng.random() < order.sinc:
            kernel = choose_sinc(rng, order.kernels.sizes, math.pi / 3, math.pi / 5)
        else:
            kernel = choose_kernel(rng, order.kernels)
    factor, method, grey = _draw_factor(rng, order), draw_filter(rng), bool(rng.random() < order.grey)
    gaussian = bool(rng.random() < order.gaussian)
    strength = float(rng.uniform(*(order.sigma if gaussian else order.poisson)))
    return RoundDrawn(kernel, factor, method, gaussian, strength, grey, float(rng.uniform(*order.jpeg_quality)))


def _draw_factor(rng: np.random.Generator, order: Round) -> float:
    low, high = order.factor
    chance = rng.random()
    if chance < order.enlarge:
        return float(rng.uniform(1, high))
    return float(rng.uniform(low, 1)) if chance < order.enlarge + order.shrink else 1.0


def _through(
    picture: Picture, base: tuple[int, int], drawn: RoundDrawn, kernel: Kernel | None, rng: np.random.Generator
) -> Picture:
    """Blur, resize to the drawn multiple of `base` (height, width), and noise: all of a round but its JPEG."""
    if kernel is not None:
        picture = filter2d(picture, kernel)
    height, width = (max(1, round(side * drawn.factor)) for side in base)
    picture = rescale(picture, height, width, drawn.method)
    if drawn.gaussian:
        return add_gaussian(picture, rng, sigma=drawn.strength / 255, grey=drawn.grey)
    return add_poisson(picture, rng, strength=drawn.strength, grey=drawn.grey)


def _settled(picture: Picture, low: tuple[int, int], method: str, kernel: Kernel | None) -> Picture:
    """Brought to the low-resolution size, then perhaps ringing."""
    picture = rescale(picture, *low, method)
    return picture if kernel is None else filter2d(picture, kernel)
