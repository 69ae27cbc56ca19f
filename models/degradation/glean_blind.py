"""The degradation that GLEAN's blind face model was trained with: once through blur, shrink, noise and JPEG.

Chan et al., "GLEAN", TPAMI 2022, as its published training configuration has it. Knows no other profile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.degradation.codec import Bytes, jpeg
from models.degradation.kernel_mix import KernelMix, Range, draw_kernel
from models.degradation.kernels import filter2d
from models.degradation.pixel_noise import add_gaussian
from models.degradation.rescale import draw_filter, rescale, rescale_by
from models.degradation.surveillance import crop_to_multiple, to_bytes, to_float

KERNELS = KernelMix(sizes=(41,), sigma=(0.2, 10.0))  # isotropic or not, equally often


@dataclass(frozen=True, slots=True)
class GleanBlind:
    """Kernel and factor are meant for sharp pictures of 1024 pixels, from which the model's 128 are made (scale 8)."""

    kernels: KernelMix = KERNELS
    factor: Range = (1 / 32, 1.0)  # of the size, before the picture is enlarged again
    noise: Range = (0.0, 50.0)  # standard deviation in 8-bit levels, never grey
    jpeg_quality: tuple[int, int] = (5, 50)  # both may occur


DEFAULT = GleanBlind()


def degrade(image: Bytes, scale: int, seed: int, *, parameters: GleanBlind = DEFAULT) -> Bytes:
    """(H, W, 3) uint8 -> (H//scale, W//scale, 3) uint8, of the image cropped to a multiple of `scale`.

    Equal seeds give equal bytes. The picture is enlarged back to the sharp one's size and rounded to 8 bits before it
    is shrunk by area, so a low picture may hold far less than its size says. JPEG is libjpeg's in 4:2:0.
    """
    rng = np.random.default_rng(seed)
    picture = to_float(crop_to_multiple(image, scale))
    height, width, _ = picture.shape
    small = filter2d(picture, draw_kernel(rng, parameters.kernels))
    small = rescale_by(small, float(rng.uniform(*parameters.factor)), draw_filter(rng))
    small = add_gaussian(small, rng, sigma=float(rng.uniform(*parameters.noise)) / 255, grey=False)
    low, high = parameters.jpeg_quality
    packed = jpeg(to_bytes(small), int(rng.integers(low, high + 1)))
    large = to_float(to_bytes(rescale(to_float(packed), height, width, draw_filter(rng))))
    return to_bytes(rescale(large, height // scale, width // scale, "area"))
