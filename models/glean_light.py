"""A slim GLEAN: fewer and narrower blocks, and a bank whose latents are learned constants. Knows no files or tiles.

Source: Chan et al., "GLEAN: Generative Latent Bank for Image Super-Resolution and Beyond" (TPAMI 2023), whose abstract
says of LightGLEAN: 21 % of GLEAN's parameters and 35 % of its FLOPs, at comparable quality. The recipe as a reading
note of the paper gives it: the coarse connections from encoder to bank are dropped, only the finest feature f_0 stays,
and the latents become learned parameters. No code or weights of it are public.

Ours beyond that: the dense blocks' growth and the decoder's width are settings (with GLEAN's own decoder no reading
comes below 82 % of its MACs), f_0 joins the bank at in_size through one convolution as in GLEAN, and the output may be
added to a bicubic enlargement.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.folding import fold_style_conv
from models.glean import SLOPE, PixelShuffleUp
from models.rrdb import GROWTH, RrdbFeatures
from models.stylegan2 import SMALLEST, NoiseMode, StyleGan2, StyleGan2Sizes, check_size
from models.stylegan2_ops import StyleConv

IMAGE_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class GleanLightConfig:
    """Everything the network's shape depends on. Lists, as JSON has them, are taken for tuples.

    Raises ValueError where sizes are not powers of two with 4 <= in_size < out_size <= 1024, or widths do not fit them.
    """

    in_size: int  # edge of the input, pixels: exactly this
    out_size: int
    rrdb_channels: int = 32
    num_rrdbs: int = 3
    growth: int = GROWTH  # channels each dense convolution adds
    channels: tuple[int, ...] = (64, 64, 64, 64, 48, 24, 12)  # of the bank at 4, 8, ..., out_size
    style_channels: int = 128
    num_mlps: int = 2  # of the bank's mapping, which never runs here
    decoder_width: int | tuple[int, ...] = (32, 24)  # channels at 2·in_size, ..., out_size; one number for all of them
    residual: bool = True  # the network's output is added to the bicubic enlargement of its input
    clamp: float | None = None  # the bank's conv_clamp

    def __post_init__(self) -> None:
        check_size("in_size", self.in_size)
        check_size("out_size", self.out_size)
        if self.in_size >= self.out_size:
            raise ValueError(f"in_size must be below out_size, not {self.in_size} -> {self.out_size}")
        object.__setattr__(self, "channels", tuple(self.channels))
        if not isinstance(self.decoder_width, int):
            object.__setattr__(self, "decoder_width", tuple(self.decoder_width))
        sizes = (self.out_size // SMALLEST).bit_length()
        if len(self.channels) != sizes:
            raise ValueError(f"a bank of {self.out_size} pixels has {sizes} sizes, not channels {self.channels}")
        steps = self.scale.bit_length() - 1
        if len(self.widths) != steps:
            raise ValueError(f"{self.in_size} -> {self.out_size} takes {steps} decoder widths, not {self.widths}")

    @property
    def scale(self) -> int:
        return self.out_size // self.in_size

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the decoder at 2·in_size, 4·in_size, ..., out_size."""
        given = self.decoder_width
        return (given,) * (self.scale.bit_length() - 1) if isinstance(given, int) else given

    def table(self) -> dict[int, int]:
        """Bank channels by edge: 4, 8, ..., out_size pixels."""
        return {SMALLEST << i: count for i, count in enumerate(self.channels)}


# Cost of one tile as models.macs counts it, folded as it is served; a test holds the numbers.
LIGHT_X4 = GleanLightConfig(64, 256, growth=16)
LIGHT_X2 = GleanLightConfig(64, 128, growth=16, channels=(64, 64, 64, 64, 48, 24), decoder_width=24)
LIGHT_X2_128 = GleanLightConfig(
    128, 256, rrdb_channels=24, num_rrdbs=1, growth=12, channels=(64, 64, 64, 64, 48, 24, 12), decoder_width=16
)
MEDIUM_X4 = GleanLightConfig(64, 256, rrdb_channels=48, num_rrdbs=4, growth=16, channels=(64,) * 6 + (32,))
MEDIUM_X2 = GleanLightConfig(64, 128, rrdb_channels=48, num_rrdbs=5, growth=24, channels=(64,) * 6, decoder_width=32)
MEDIUM_X2_128 = GleanLightConfig(128, 256, num_rrdbs=2, growth=16, channels=(64,) * 5 + (48, 24), decoder_width=24)


class GleanLight(nn.Module):
    """(N, 3, in_size, in_size) in [-1, 1] -> (N, 3, out_size, out_size), about [-1, 1], not clamped.

    `generator` is the bank, frozen here; `latents` (K, style_channels) are learned and the same for every input. The
    noise is the bank's stored buffers, so the output depends on the input alone.
    """

    def __init__(self, config: GleanLightConfig) -> None:
        super().__init__()
        self.config = config
        table, style, edge = config.table(), config.style_channels, config.in_size
        sizes = StyleGan2Sizes(config.channels, style, style, config.num_mlps)
        self.generator = StyleGan2(sizes, clamp=config.clamp).requires_grad_(False)
        self.latents = nn.Parameter(torch.zeros(sizes.latents, style))  # zero: every style scales by its bias
        self.encoder = nn.Sequential(
            RrdbFeatures(IMAGE_CHANNELS, config.rrdb_channels, config.num_rrdbs, config.growth),
            nn.Conv2d(config.rrdb_channels, table[edge], 3, padding=1),
            nn.LeakyReLU(SLOPE),
        )
        self.fusion = nn.Conv2d(2 * table[edge], table[edge], 3, padding=1)  # bank first, encoder second
        self.decoder = nn.ModuleList()
        inputs = table[edge]
        for width in config.widths:
            self.decoder.append(PixelShuffleUp(inputs, width))
            edge *= 2
            inputs = width + table[edge]
        last = config.widths[-1]
        self.decoder.append(
            nn.Sequential(
                nn.Conv2d(inputs, last, 3, padding=1),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(last, IMAGE_CHANNELS, 3, padding=1),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        check_input(x, self.config)
        feature = self.encoder(x)  # f_0
        coarse = self.coarse().expand(x.shape[0], -1, -1, -1)
        fused = self.fusion(torch.cat((coarse, feature), dim=1))
        return decode(self.config, self.decoder, x, feature, self._textures(fused))

    def coarse(self) -> Tensor:
        """(1, C(in_size), in_size, in_size): the bank's feature before the fusion, which no input changes."""
        bank, w = self.generator, self.latents[None]
        maps = bank.noise_maps(NoiseMode.STORED, 1)
        x: Tensor = bank.conv1(bank.constant_input.input, w[:, 0], maps[0])
        for i, conv in enumerate(bank.convs, start=1):
            if i % 2 and x.shape[2] == self.config.in_size:
                break
            x = conv(x, w[:, i], maps[i])
        return x

    def adopt(self, bank: StyleGan2) -> None:
        """Take over a bank's weights, and begin from its mean latent (4096 samples, seed 0).

        Raises RuntimeError where its shapes are not those of the configuration.
        """
        self.generator.load_state_dict(bank.state_dict(), strict=True)
        device = bank.constant_input.input.device
        mean = bank.mean_latent(generator=torch.Generator(device).manual_seed(0))
        with torch.no_grad():
            self.latents.copy_(mean.expand_as(self.latents))

    def _textures(self, x: Tensor) -> dict[int, Tensor]:
        """The bank's features above in_size, {edge r: (N, C(r), r, r)}, of the fused feature."""
        bank, w = self.generator, self.latents[None]
        maps = bank.noise_maps(NoiseMode.STORED, 1)
        textures: dict[int, Tensor] = {}
        for i in range(first_fine(self.config), len(maps)):
            x = bank.convs[i - 1](x, w[:, i], maps[i])
            textures[x.shape[2]] = x  # the later of the two of a size stays
        return textures


class FoldedGleanLight(nn.Module):
    """The function of a GleanLight, made of plain convolutions and constants; for inference. See `fold`."""

    base: Tensor

    def __init__(self, network: GleanLight) -> None:
        super().__init__()
        config = self.config = network.config
        network = copy.deepcopy(network)
        fusion, bank = network.fusion, network.generator
        maps = bank.noise_maps(NoiseMode.STORED, 1)
        known = config.table()[config.in_size]  # channels of the bank's part of the fusion
        # The fusion is linear: the bank's part of it is a constant map, the encoder's a convolution of half the size.
        with torch.no_grad():
            constant = F.conv2d(network.coarse(), fusion.weight[:, :known], fusion.bias, padding=1)
        self.register_buffer("base", constant)  # (1, C, in_size, in_size)
        self.fusion = nn.Conv2d(known, known, 3, padding=1, bias=False)
        self.fusion.weight = nn.Parameter(fusion.weight[:, known:].contiguous())
        self.convs = nn.ModuleList(
            fold_style_conv(cast(StyleConv, bank.convs[i - 1]), network.latents[i], maps[i])
            for i in range(first_fine(config), len(maps))
        )
        self.encoder, self.decoder = network.encoder, network.decoder
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        check_input(x, self.config)
        feature: Tensor = self.encoder(x)
        textures: dict[int, Tensor] = {}
        fine = self.fusion(feature) + self.base
        for conv in self.convs:
            fine = conv(fine)
            textures[fine.shape[2]] = fine
        return decode(self.config, self.decoder, x, feature, textures)


def fold(network: GleanLight) -> FoldedGleanLight:
    """The same function for inference: the bank up to in_size is one constant map, the rest plain convolutions.

    A copy; later training of `network` does not reach it. Outputs agree within float32's rounding.
    """
    return FoldedGleanLight(network)


def check_input(x: Tensor, config: GleanLightConfig) -> None:
    """Raises ValueError where x is not (N, 3, in_size, in_size)."""
    wanted = (IMAGE_CHANNELS, config.in_size, config.in_size)
    if x.ndim != 4 or x.shape[1:] != wanted:
        raise ValueError(f"the input must be (N, {', '.join(map(str, wanted))}), not {tuple(x.shape)}")


def first_fine(config: GleanLightConfig) -> int:
    """Index of the first latent and noise map above in_size; its convolution is `convs[index - 1]`."""
    return 2 * (config.in_size // SMALLEST).bit_length() - 1


def decode(
    config: GleanLightConfig, decoder: nn.ModuleList, x: Tensor, feature: Tensor, textures: dict[int, Tensor]
) -> Tensor:
    """Picture of f_0 and the bank's features; the decoder starts from f_0, as GLEAN's does."""
    h = feature
    for i, block in enumerate(decoder):
        h = block(h if i == 0 else torch.cat((h, textures[h.shape[2]]), dim=1))
    if not config.residual:
        return h
    return h + F.interpolate(x, scale_factor=float(config.scale), mode="bicubic", align_corners=False)
