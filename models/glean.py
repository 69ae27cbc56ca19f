"""GLEAN: an encoder, a StyleGAN2 generator as a bank of textures, and a decoder, with connections between them.

Source: Chan et al., "GLEAN: Generative Latent Bank for Large-Factor Image Super-Resolution" (CVPR 2021). State keys
are exactly those of mmagic's GLEANStyleGANv2. Knows nothing of files, tiles or 8-bit images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.rrdb import RrdbFeatures
from models.stylegan2 import SMALLEST, NoiseMode, StyleGan2, StyleGan2Sizes, channel_table, check_size

SLOPE = 0.2  # plain leaky ReLU; only the bank multiplies by sqrt 2
LAST_WIDTH = 64  # channels before the picture


@dataclass(frozen=True, slots=True)
class GleanConfig:
    """Everything the network's shape depends on; names as in the reference.

    Raises ValueError where the sizes are not powers of two with 4 <= in_size < out_size <= 1024.
    """

    in_size: int  # edge of the input, pixels: exactly this
    out_size: int  # edge of the output
    img_channels: int = 3  # of input and output; the bank's own pictures are RGB always
    rrdb_channels: int = 64
    num_rrdbs: int = 23
    style_channels: int = 512
    num_mlps: int = 8  # of the bank's mapping, which GLEAN never runs
    channel_multiplier: int = 2
    channel_cap: int | None = None  # upper bound of every feature's channels, for small networks
    table: tuple[int, ...] | None = None  # channels at 4, 8, ..., out_size as they are, instead of multiplier and cap
    clamp: float | None = None  # the bank's conv_clamp, where it was trained with one

    def __post_init__(self) -> None:
        check_size("in_size", self.in_size)
        check_size("out_size", self.out_size)
        if self.in_size >= self.out_size:
            raise ValueError(f"in_size must be below out_size, not {self.in_size} -> {self.out_size}")
        if self.table is not None:
            object.__setattr__(self, "table", tuple(self.table))  # JSON has lists
            if len(self.table) != (sizes := (self.out_size // SMALLEST).bit_length()) or min(self.table) < 1:
                raise ValueError(f"{self.out_size} pixels take channels at {sizes} sizes, not {self.table}")

    @property
    def scale(self) -> int:
        return self.out_size // self.in_size

    def channels(self) -> dict[int, int]:
        """Feature channels at 4, 8, ..., out_size pixels."""
        table = self.table or channel_table(self.out_size, self.channel_multiplier, self.channel_cap)
        return {SMALLEST << i: count for i, count in enumerate(table)}


class PixelShuffleUp(nn.Module):
    """(N, C, r, r) -> (N, C_out, 2r, 2r): convolution, pixel shuffle, no activation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.upsample_conv = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shuffle(self.upsample_conv(x))
        return out


class GleanEncoder(nn.ModuleList):
    """Features of the input at every size from in_size down to 4, and the bank's latents.

    A list, so that its blocks have the reference's keys: RRDB features, halvings, the latent head.
    """

    def __init__(self, config: GleanConfig) -> None:
        channels = config.channels()
        size = config.in_size
        first = nn.Sequential(
            RrdbFeatures(config.img_channels, config.rrdb_channels, config.num_rrdbs),
            nn.Conv2d(config.rrdb_channels, channels[size], 3, padding=1),
            nn.LeakyReLU(SLOPE),
        )
        blocks: list[nn.Module] = [first]
        while size > SMALLEST:
            blocks.append(
                nn.Sequential(
                    nn.Conv2d(channels[size], channels[size // 2], 3, stride=2, padding=1),
                    nn.LeakyReLU(SLOPE),
                    nn.Conv2d(channels[size // 2], channels[size // 2], 3, padding=1),
                    nn.LeakyReLU(SLOPE),
                )
            )
            size //= 2
        latents = 2 * len(channels)
        blocks.append(
            nn.Sequential(
                nn.Conv2d(channels[SMALLEST], channels[SMALLEST], 3, padding=1),
                nn.LeakyReLU(SLOPE),
                nn.Flatten(),
                nn.Linear(SMALLEST * SMALLEST * channels[SMALLEST], latents * config.style_channels),
            )
        )
        super().__init__(blocks)
        self.latents = latents
        self.style_channels = config.style_channels

    def forward(self, x: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """x (N, C, in_size, in_size) -> {edge r: (N, C(r), r, r)}, latents (N, K, style_channels)."""
        features: dict[int, Tensor] = {}
        *blocks, head = self
        for block in blocks:
            x = block(x)
            features[x.shape[2]] = x
        latents: Tensor = head(x)  # (N, K·D)
        return features, latents.view(-1, self.latents, self.style_channels)


class Glean(nn.Module):
    """(N, C, in_size, in_size) in [-1, 1] -> (N, C, out_size, out_size), about [-1, 1], not clamped.

    Deterministic: the bank's noise is the stored buffers, in training too. The bank's mapping and to-RGB layers and
    `fusion_skip` are in every checkpoint and are loaded, but nothing of the output depends on them: they never run.
    """

    def __init__(self, config: GleanConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels()
        style = config.style_channels
        sizes = StyleGan2Sizes(tuple(channels.values()), style, style, config.num_mlps)
        self.generator = StyleGan2(sizes, clamp=config.clamp)
        self.encoder = GleanEncoder(config)
        fused = [edge for edge in channels if edge <= config.in_size]
        self.fusion_out = nn.ModuleList(nn.Conv2d(2 * channels[e], channels[e], 3, padding=1) for e in fused)
        self.fusion_skip = nn.ModuleList(nn.Conv2d(channels[e] + 3, 3, 3, padding=1) for e in fused)
        self.decoder = nn.ModuleList()
        for edge in channels:
            inputs = channels[edge] if edge == config.in_size else 2 * channels[edge]
            if config.in_size <= edge < config.out_size:
                self.decoder.append(PixelShuffleUp(inputs, channels[2 * edge]))
            elif edge == config.out_size:
                self.decoder.append(
                    nn.Sequential(
                        nn.Conv2d(inputs, LAST_WIDTH, 3, padding=1),
                        nn.LeakyReLU(SLOPE),
                        nn.Conv2d(LAST_WIDTH, config.img_channels, 3, padding=1),
                    )
                )

    def forward(self, x: Tensor) -> Tensor:
        wanted = (self.config.img_channels, self.config.in_size, self.config.in_size)
        if x.ndim != 4 or x.shape[1:] != wanted:
            raise ValueError(f"the input must be (N, {', '.join(map(str, wanted))}), not {tuple(x.shape)}")
        features, latents = self.encoder(x)
        textures = self._textures(features, latents)
        h: Tensor = features[self.config.in_size]
        for i, block in enumerate(self.decoder):
            h = block(h if i == 0 else torch.cat((h, textures.pop(h.shape[2])), dim=1))
        return h

    def _textures(self, features: dict[int, Tensor], latents: Tensor) -> dict[int, Tensor]:
        """The bank's features above in_size, {edge r: (N, C(r), r, r)}, fused with the encoder's up to in_size."""
        bank = self.generator
        maps = bank.noise_maps(NoiseMode.STORED, latents.shape[0])
        textures: dict[int, Tensor] = {}
        x: Tensor = bank.constant_input.input.expand(latents.shape[0], -1, -1, -1)
        x = bank.conv1(x, latents[:, 0], maps[0])
        for j in range(len(bank.convs) // 2):
            edge = x.shape[2]
            if edge <= self.config.in_size:
                x = self.fusion_out[j](torch.cat((x, features[edge]), dim=1))
            x = bank.convs[2 * j](x, latents[:, 2 * j + 1], maps[2 * j + 1])
            x = bank.convs[2 * j + 1](x, latents[:, 2 * j + 2], maps[2 * j + 2])
            if x.shape[2] > self.config.in_size:
                textures[x.shape[2]] = x
        return textures
