"""The degradation that GLEAN's blind face model was trained with: once through blur, shrink, noise and JPEG.

Chan et al., "GLEAN", TPAMI 2022, as its published training configuration has it. Knows no other profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from models.degradation.blur import Picture
from models.degradation.codec import Bytes, jpeg
from models.degradation.kernel_mix import KernelChoice, KernelMix, Range, choose_kernel
from models.degradation.kernels import filter2d
from models.degradation.pixel_noise import add_gaussian
from models.degradation.rescale import draw_filter, rescale, rescale_by
from models.degradation.surveillance import crop_to_multiple, to_bytes, to_float

KERNELS = KernelMix(sizes=(41,), sigma=(0.2, 10.0))  # isotropic or not, equally often


@dataclass(frozen=True, slots=True)
class GleanBlindDrawn:
    kernel: KernelChoice
    factor: float
    down: str  # a key of `rescale.FILTERS`
    noise: float  # 8-bit levels
    quality: int
    up: str
    scale: int

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        """The picture is enlarged back to the sharp one's size and rounded to 8 bits before it is shrunk by area."""
        kernel = self.kernel.make()
        for frame in frames:
            height, width, _ = frame.shape
            small = rescale_by(filter2d(frame, kernel), self.factor, self.down)
            small = add_gaussian(small, rng, sigma=self.noise / 255, grey=False)
            packed = to_float(jpeg(to_bytes(small), self.quality))
            large = to_float(to_bytes(rescale(packed, height, width, self.up)))
            yield rescale(large, height // self.scale, width // self.scale, "area")


@dataclass(frozen=True, slots=True)
class GleanBlind:
    """Kernel and factor are meant for sharp pictures of 1024 pixels, from which the model's 128 are made (scale 8)."""

    kernels: KernelMix = KERNELS
    factor: Range = (1 / 32, 1.0)  # of the size, before the picture is enlarged again
    noise: Range = (0.0, 50.0)  # standard deviation in 8-bit levels, never grey
    jpeg_quality: tuple[int, int] = (5, 50)  # both may occur

    def draw(self, rng: np.random.Generator, scale: int) -> GleanBlindDrawn:
        low, high = self.jpeg_quality
        return GleanBlindDrawn(
            kernel=choose_kernel(rng, self.kernels),
            factor=float(rng.uniform(*self.factor)),
            down=draw_filter(rng),
            noise=float(rng.uniform(*self.noise)),
            quality=int(rng.integers(low, high + 1)),
            up=draw_filter(rng),
            scale=scale,
        )


DEFAULT = GleanBlind()


def degrade(image: Bytes, scale: int, seed: int, *, parameters: GleanBlind = DEFAULT) -> Bytes:
    """(H, W, 3) uint8 -> (H//scale, W//scale, 3) uint8, of the image cropped to a multiple of `scale`.

    Equal seeds give equal bytes. A low picture may hold far less than its size says. JPEG is libjpeg's in 4:2:0.
    """
    rng = np.random.default_rng(seed)
    picture = to_float(crop_to_multiple(image, scale))
    return to_bytes(next(parameters.draw(rng, scale).run([picture], rng)))
