"""How far made pictures are from real ones as textures, scale by scale, without any downloaded network.

Source: Karras et al., "Progressive Growing of GANs" (2018): sliced Wasserstein distance of Laplacian pyramids' patches.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.stylegan2_ops import fir_kernel, upfirdn, upsample

PATCH = 7  # pixels
PATCHES = 64  # of each picture and level
SMALLEST = 16  # edge of the pyramid's last level
DIRECTIONS = 256


def distances(real: Tensor, made: Tensor, seed: int = 0) -> dict[int, float]:
    """{edge of the level: distance x 1000} of equally many pictures (N, 3, S, S); equal seeds compare equal places.

    Fine levels tell of textures, coarse ones of arrangement and colour. Patches are normalised by the mean and
    deviation of each set's channels, as in the source.
    """
    if real.shape != made.shape:
        raise ValueError(f"as many pictures of both kinds are needed, not {tuple(real.shape)} and {tuple(made.shape)}")
    generator = torch.Generator().manual_seed(seed)
    found: dict[int, float] = {}
    for a, b in zip(pyramid(real), pyramid(made), strict=True):
        n, _, edge, _ = a.shape
        corners = torch.randint(edge - PATCH + 1, (2, n, PATCHES), generator=generator)
        directions = torch.randn(3 * PATCH * PATCH, DIRECTIONS, generator=generator)
        directions /= directions.norm(dim=0, keepdim=True)
        lines = [(_patches(level.cpu(), corners) @ directions).sort(dim=0).values for level in (a, b)]
        found[edge] = 1000 * float((lines[0] - lines[1]).abs().mean())
    return found


def pyramid(x: Tensor) -> list[Tensor]:
    """(N, 3, S, S) -> what each size adds to the next smaller one, S first; the last level, of 16 pixels, is plain."""
    kernel = fir_kernel().to(x)
    levels: list[Tensor] = []
    while x.shape[2] > SMALLEST:
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        small = upfirdn(padded, kernel / 4, down=2, pad=(0, 0, 0, 0))
        wide = F.pad(small, (1, 1, 1, 1), mode="replicate")
        levels.append(x - upsample(wide, kernel)[:, :, 2:-2, 2:-2])
        x = small
    return [*levels, x]


def _patches(x: Tensor, corners: Tensor) -> Tensor:
    """(N·PATCHES, 3·PATCH²), normalised by channel over all of them."""
    line = torch.arange(PATCH)
    rows, columns = (corner[..., None] + line for corner in corners)  # (N, PATCHES, PATCH)
    picture = torch.arange(x.shape[0])[:, None, None, None]
    found = x[picture, :, rows[..., :, None], columns[..., None, :]]  # (N, PATCHES, PATCH, PATCH, 3)
    found = found.flatten(0, 1)
    spread, mean = torch.std_mean(found, dim=(0, 1, 2))
    return ((found - mean) / (spread + 1e-8)).flatten(1)
