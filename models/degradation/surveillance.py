"""The surveillance profile: how a sharp picture becomes a low-resolution camera's. Seeded; knows nothing of training.

A first, small profile: optics, sampling, sensor, firmware sharpening, then a real codec over several frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.degradation.blur import Picture, blur, gaussian_kernel, motion_kernel, sharpen
from models.degradation.codec import Bytes, h264, jpeg
from models.degradation.noise import poisson_gaussian
from models.degradation.resize import shrink

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
FRAMES = 4  # length of the run that is encoded; the picture kept is drawn from it
CRF = (18.0, 35.0)
JPEG_QUALITY = (40, 90)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One camera's draw. Lengths are in low-resolution pixels, so that one profile serves every scale."""

    sigma_x: float
    sigma_y: float
    angle: float  # radians
    streak: float  # length of motion blur, 0: none
    method: str  # of models.degradation.resize
    shot: float
    read: float
    correlation: float
    grain: float
    halo: float  # amount of unsharp masking, 0: none
    halo_sigma: float
    infrared: bool  # grey picture, grey noise


@dataclass(frozen=True, slots=True)
class CodecDraw:
    kind: str  # "h264", "jpeg" or "none"
    crf: float
    quality: int  # of JPEG
    keep: int  # which frame of the run is kept


def draw(rng: np.random.Generator) -> Recipe:
    """A camera at random: mostly mild, sometimes blurred, dark-noisy, over-sharpened or infrared."""
    sigma = rng.uniform(0.05, 0.45)
    ratio = rng.uniform(0.5, 1.0) if rng.random() < 0.4 else 1.0
    level = rng.beta(1.2, 3.0)  # most cameras by day are quiet
    infrared = bool(rng.random() < 0.15)
    return Recipe(
        sigma_x=float(sigma),
        sigma_y=float(sigma * ratio),
        angle=float(rng.uniform(0, np.pi)),
        streak=float(rng.uniform(0.5, 2.0)) if rng.random() < 0.12 else 0.0,
        method=str(rng.choice(["area", "bicubic", "bilinear"], p=[0.5, 0.3, 0.2])),
        shot=float(0.004 * level * rng.uniform(0.2, 1.0)),
        read=float(0.025 * level),
        correlation=1.0 if infrared else float(rng.uniform(0.2, 0.9)),
        grain=float(rng.uniform(0.35, 0.8)) if rng.random() < 0.5 else 0.0,
        halo=float(rng.uniform(0.2, 1.0)) if rng.random() < 0.4 else 0.0,
        halo_sigma=float(rng.uniform(0.6, 1.4)),
        infrared=infrared,
    )


def draw_codec(rng: np.random.Generator) -> CodecDraw:
    return CodecDraw(
        kind=str(rng.choice(["h264", "jpeg", "none"], p=[0.8, 0.1, 0.1])),
        crf=float(rng.uniform(*CRF)),
        quality=int(rng.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1)),
        keep=int(rng.integers(FRAMES)),
    )


def to_grey(picture: Picture) -> Picture:
    """BT.601 luma in all three channels."""
    return np.repeat((picture @ LUMA)[..., None], 3, axis=2).astype(np.float32)


def see(picture: Picture, scale: int, recipe: Recipe, rng: np.random.Generator) -> Picture:
    """What the camera hands to its encoder: (H, W, 3) -> (H/s, W/s, 3), in [0, 1]. `rng` draws only the noise."""
    if recipe.infrared:
        picture = to_grey(picture)
    picture = blur(picture, gaussian_kernel(recipe.sigma_x * scale, recipe.sigma_y * scale, recipe.angle))
    if recipe.streak > 0:
        picture = blur(picture, motion_kernel(recipe.streak * scale, recipe.angle))
    small = np.clip(shrink(picture, scale, recipe.method), 0, 1)
    small = poisson_gaussian(
        small, rng, shot=recipe.shot, read=recipe.read, correlation=recipe.correlation, grain=recipe.grain
    )
    return sharpen(small, recipe.halo_sigma, recipe.halo) if recipe.halo > 0 else small


def compress(run: list[Bytes], codec: CodecDraw) -> Bytes:
    """The kept frame of a run of `FRAMES` pictures after the drawn codec."""
    if codec.kind == "h264":
        return h264(run, crf=codec.crf)[codec.keep]
    if codec.kind == "jpeg":
        return jpeg(run[codec.keep], codec.quality)
    return run[codec.keep]


def degrade(image: Bytes, scale: int, seed: int, *, codec: CodecDraw | None = None) -> tuple[Bytes, Bytes]:
    """A (low-resolution, target) pair of one sharp picture of a standing camera; equal seeds give equal bytes.

    image: (H, W, 3) uint8, cropped here to a multiple of `scale`. The target is the picture itself, grey where the
    drawn camera is infrared.
    """
    rng = np.random.default_rng(seed)
    recipe, drawn = draw(rng), draw_codec(rng)
    target = crop_to_multiple(image, scale)
    sharp = to_float(target)
    run = [to_bytes(see(sharp, scale, recipe, rng)) for _ in range(FRAMES)]
    return compress(run, codec or drawn), to_bytes(to_grey(sharp)) if recipe.infrared else target


def crop_to_multiple(image: Bytes, scale: int) -> Bytes:
    height, width, _ = image.shape
    return image[: height - height % scale, : width - width % scale]


def to_float(image: Bytes) -> Picture:
    return np.divide(image, np.float32(255), dtype=np.float32)


def to_bytes(picture: Picture) -> Bytes:
    """Clamped and rounded half up."""
    return np.asarray(np.floor(np.clip(picture, 0, 1) * np.float32(255) + np.float32(0.5)), dtype=np.uint8)
