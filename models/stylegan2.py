"""StyleGAN2's generator: mapping, W and W+ latents, style mixing, truncation, noise modes, features on the way.

State keys are those of mmagic; `checkpoints.keys` translates the others. Knows nothing of files, images or GLEAN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.stylegan2_ops import EqualLinear, PixelNorm, PixelNormForm, StyleConv, ToRgb

SMALLEST = 4  # pixels, edge of the learned constant
LARGEST = 1024
MAPPING_RATE = 0.01  # learning rate multiplier of the mapping network
MEAN_SAMPLES = 4096  # latents averaged for truncation


class NoiseMode(StrEnum):
    STORED = "stored"  # the buffers of the checkpoint: the picture depends on nothing else
    NONE = "none"
    RANDOM = "random"  # drawn anew for every call and sample


@dataclass(frozen=True, slots=True)
class StyleGan2Sizes:
    """What the shapes of a generator's weights tell."""

    channels: tuple[int, ...]  # of the features at 4, 8, 16, ... pixels; the last is of the output's size
    style_dim: int = 512  # of w
    latent_dim: int = 512  # of z
    mapping_layers: int = 8

    @property
    def size(self) -> int:
        """Edge of the output, pixels."""
        return SMALLEST << (len(self.channels) - 1)

    @property
    def latents(self) -> int:
        """Styles a W+ latent holds."""
        return 2 * len(self.channels)


@dataclass(frozen=True, slots=True)
class Synthesis:
    image: Tensor  # (N, 3, size, size) RGB, about [-1, 1], not clamped
    features: dict[int, Tensor]  # edge r -> (N, C(r), r, r), after the last convolution of that size


def channel_table(size: int, multiplier: int = 2, cap: int | None = None) -> tuple[int, ...]:
    """Channels at 4, 8, ..., `size` pixels as StyleGAN2's configurations have them, none above `cap`.

    Raises ValueError where the size is not a power of two from 4 to 1024.
    """
    check_size("size", size)
    table = {64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}
    sizes = [SMALLEST << i for i in range(size.bit_length() - SMALLEST.bit_length() + 1)]
    channels = [table[edge] * multiplier if edge in table else 512 for edge in sizes]
    return tuple(channels if cap is None else [min(count, cap) for count in channels])


def check_size(name: str, size: int) -> None:
    """Raises ValueError where `size` is not a power of two from 4 to 1024."""
    if not SMALLEST <= size <= LARGEST or size & (size - 1):
        raise ValueError(f"{name} must be a power of two from {SMALLEST} to {LARGEST}, not {size}")


def truncate(latents: Tensor, psi: float, toward: Tensor) -> Tensor:
    """Latents (N, D) or (N, K, D) moved toward `toward`, which broadcasts to them; psi 1 leaves them as they are."""
    return toward + psi * (latents - toward)


class ConstantInput(nn.Module):
    """The learned 4x4 feature that synthesis starts from, `input` (1, C, 4, 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, SMALLEST, SMALLEST))


class StyleGan2(nn.Module):
    """Pictures from latents; `forward` takes z, `synthesize` takes W+.

    norm: which form of normalisation z goes through. clamp: bound of every layer's output (NVlabs' conv_clamp).
    """

    def __init__(
        self, sizes: StyleGan2Sizes, *, norm: PixelNormForm = PixelNormForm.MMAGIC, clamp: float | None = None
    ) -> None:
        super().__init__()
        check_size("the output's size", sizes.size)
        self.sizes = sizes
        channels, style = sizes.channels, sizes.style_dim
        dims = [sizes.latent_dim] + [style] * sizes.mapping_layers
        self.style_mapping = nn.Sequential(
            PixelNorm(norm),
            *(
                EqualLinear(inputs, style, learning_rate=MAPPING_RATE, activate=True)
                for inputs in dims[: sizes.mapping_layers]
            ),
        )
        self.constant_input = ConstantInput(channels[0])
        self.conv1 = StyleConv(channels[0], channels[0], style, clamp=clamp)
        self.to_rgb1 = ToRgb(channels[0], style, upsample=False, clamp=clamp)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        for inputs, outputs in pairwise(channels):
            self.convs.append(StyleConv(inputs, outputs, style, upsample=True, clamp=clamp))
            self.convs.append(StyleConv(outputs, outputs, style, clamp=clamp))
            self.to_rgbs.append(ToRgb(outputs, style, upsample=True, clamp=clamp))
        for i, shape in enumerate(self.noise_shapes()):
            self.register_buffer(f"injected_noise_{i}", torch.randn(shape))

    def forward(
        self,
        z: Tensor,
        *,
        psi: float = 1.0,
        toward: Tensor | None = None,
        noise: NoiseMode | Sequence[Tensor] = NoiseMode.STORED,
    ) -> Tensor:
        """z (N, latent_dim), unit normal -> (N, 3, size, size), about [-1, 1], not clamped.

        psi: truncation toward the latent `toward` (1, D), or where that is None the mean of random latents.
        """
        w = self.map(z)
        if psi != 1.0:
            w = truncate(w, psi, self.mean_latent() if toward is None else toward)
        return self.synthesize(self.mix([w]), noise).image

    def map(self, z: Tensor) -> Tensor:
        """z (N, latent_dim) -> w (N, style_dim)."""
        if z.ndim != 2 or z.shape[1] != self.sizes.latent_dim:
            raise ValueError(f"z must be (N, {self.sizes.latent_dim}), not {tuple(z.shape)}")
        w: Tensor = self.style_mapping(z)
        return w

    def mean_latent(self, samples: int = MEAN_SAMPLES, generator: torch.Generator | None = None) -> Tensor:
        """(1, D): mean w of random z. It differs from call to call unless a seeded generator is given."""
        like = self.constant_input.input
        z = torch.randn(samples, self.sizes.latent_dim, generator=generator, device=like.device, dtype=like.dtype)
        with torch.no_grad():
            return self.map(z).mean(dim=0, keepdim=True)

    def mix(self, styles: Sequence[Tensor], starts: Sequence[int] = ()) -> Tensor:
        """W+ (N, K, D) of which styles[0] fills the first layers, and styles[i + 1] those from starts[i] on.

        styles: (N, D) each. Raises ValueError where starts are not one fewer than styles, rising, within 1..K-1.
        """
        bounds = [0, *starts, self.sizes.latents]
        if len(bounds) != len(styles) + 1 or any(a >= b for a, b in pairwise(bounds)):
            raise ValueError(
                f"{len(styles)} styles need {len(styles) - 1} rising starts within 1..{self.sizes.latents - 1},"
                f" not {list(starts)}"
            )
        counts = [b - a for a, b in pairwise(bounds)]
        return torch.cat([w[:, None].expand(-1, k, -1) for w, k in zip(styles, counts, strict=True)], dim=1)

    def synthesize(
        self,
        latents: Tensor,
        noise: NoiseMode | Sequence[Tensor] = NoiseMode.STORED,
        *,
        keep: Sequence[int] = (),
        generator: torch.Generator | None = None,
    ) -> Synthesis:
        """Picture of W+ latents (N, K, D), and the features at the sizes named in `keep`.

        noise: a mode, or one map for each of `noise_shapes()`. generator: of random noise.
        """
        sizes = self.sizes
        if latents.ndim != 3 or latents.shape[1:] != (sizes.latents, sizes.style_dim):
            raise ValueError(f"latents must be (N, {sizes.latents}, {sizes.style_dim}), not {tuple(latents.shape)}")
        n = latents.shape[0]
        maps = self.noise_maps(noise, n, generator)
        features: dict[int, Tensor] = {}
        x: Tensor = self.conv1(self.constant_input.input.expand(n, -1, -1, -1), latents[:, 0], maps[0])
        image: Tensor = self.to_rgb1(x, latents[:, 1])
        if SMALLEST in keep:
            features[SMALLEST] = x
        for j, to_rgb in enumerate(self.to_rgbs):
            x = self.convs[2 * j](x, latents[:, 2 * j + 1], maps[2 * j + 1])
            x = self.convs[2 * j + 1](x, latents[:, 2 * j + 2], maps[2 * j + 2])
            image = to_rgb(x, latents[:, 2 * j + 3], image)
            if x.shape[2] in keep:
                features[x.shape[2]] = x
        if missing := sorted(set(keep) - features.keys()):
            raise ValueError(f"there are no features at {missing} pixels in a generator of {sizes.size}")
        return Synthesis(image, features)

    def noise_shapes(self) -> list[tuple[int, int, int, int]]:
        """(1, 1, r, r) of each noise map: one at 4 pixels, two at every larger size."""
        edges = [SMALLEST << ((i + 1) // 2) for i in range(self.sizes.latents - 1)]
        return [(1, 1, edge, edge) for edge in edges]

    def noise_maps(
        self, noise: NoiseMode | Sequence[Tensor], samples: int, generator: torch.Generator | None = None
    ) -> list[Tensor | None]:
        """One map, or None, for each convolution. Raises ValueError where given maps do not fit."""
        shapes = self.noise_shapes()
        if not isinstance(noise, NoiseMode):
            found = [tuple(each.shape) for each in noise]
            fit = len(found) == len(shapes) and all(
                a[1:] == b[1:] and a[0] in (1, samples) for a, b in zip(found, shapes, strict=True)
            )
            if not fit:
                raise ValueError(f"noise maps must have the shapes {shapes}, not {found}")
            return list(noise)
        if noise is NoiseMode.NONE:
            return [None] * len(shapes)
        if noise is NoiseMode.STORED:
            return [self.get_buffer(f"injected_noise_{i}") for i in range(len(shapes))]
        like = self.constant_input.input
        return [
            torch.randn(samples, *shape[1:], generator=generator, device=like.device, dtype=like.dtype)
            for shape in shapes
        ]
