"""Networks rebuilt for inference on a CPU: the same function within float32's rounding, nearer to the machine's peak.

`quick_form` gives it for ESPCN and the slim GLEAN; whether it is used is decided in `models/forms.py`. Knows no files.

- Activations are computed within the convolutions, weights of 0.2 of residuals are folded into them, and so is the
  residual's sum.
- tanh(x) = 2 sigmoid(2x) - 1, whose factors go into the weights around it: a third of the time of tanh.
- The step from [0, 1] to [-1, 1] and back is folded, and the bicubic enlargement that the network's output is added to
  is a convolution at low resolution with a pixel shuffle after it.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.adapters import LumaOnly, SignedRange
from models.espcn import Espcn
from models.folding import FoldedConv
from models.glean import SLOPE, PixelShuffleUp
from models.glean_light import IMAGE_CHANNELS, FoldedGleanLight, check_input
from models.glean_silent import SilentGleanLight
from models.quick_conv import QuickConv, RowConv, join, rounded_up, shuffle, shuffle_order, takes
from models.rrdb import RESIDUAL, DenseBlock, Rrdb, RrdbFeatures
from models.rrdb import SLOPE as RRDB_SLOPE

REACH = 2  # input pixels that a bicubic enlargement looks at, each way


def quick_form(network: nn.Module) -> nn.Module | None:
    """The network of RGB in [0, 1] in its quick form, None where it has none. A copy."""
    with torch.no_grad():
        if isinstance(network, Espcn):
            return QuickEspcn(network).eval()
        if isinstance(network, LumaOnly) and isinstance(network.network, Espcn):
            return LumaOnly(QuickEspcn(network.network), network.scale).eval()
        if isinstance(network, SignedRange) and isinstance(network.network, SilentGleanLight | FoldedGleanLight):
            return QuickGleanLight(network.network).eval()
    return None


class QuickEspcn(nn.Module):
    """The function of an Espcn."""

    def __init__(self, network: Espcn) -> None:
        super().__init__()
        self.scale = network.scale
        self.channels = network.first.in_channels
        # h = sigmoid(2x) - 1/2 is half of tanh(x): the next layer's weights are doubled instead.
        first, second, last = (
            (conv.weight, cast(Tensor, conv.bias)) for conv in (network.first, network.second, network.last)
        )
        self.first = RowConv(2 * first[0], 2 * first[1], "sigmoid")
        self.second = QuickConv(4 * second[0], 2 * second[1], (1, 1), "sigmoid")
        self.last = QuickConv(*shuffle_order(2 * last[0], last[1], self.scale), (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(_typed(x)).sub_(0.5)
        h = self.second(h).sub_(0.5)
        return shuffle(self.last(h), self.channels, self.scale).float()


class QuickDenseBlock(nn.Module):
    """The function of a DenseBlock."""

    def __init__(self, block: DenseBlock) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            _leaky(conv, RRDB_SLOPE) for conv in (block.conv1, block.conv2, block.conv3, block.conv4)
        )
        last = block.conv5
        self.last = QuickConv(last.weight * RESIDUAL, cast(Tensor, last.bias) * RESIDUAL, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in self.convs:
            seen = join(seen, conv(seen))
        out: Tensor = self.last(seen, x)
        return out


class QuickFeatures(nn.Module):
    """The function of RrdbFeatures."""

    def __init__(self, features: RrdbFeatures) -> None:
        super().__init__()
        self.first = _plain(features.conv_first)
        self.body = nn.ModuleList(
            nn.ModuleList(QuickDenseBlock(block) for block in (rrdb.rdb1, rrdb.rdb2, rrdb.rdb3))
            for rrdb in cast(list[Rrdb], features.body)
        )
        self.last = _plain(features.conv_body)

    def forward(self, x: Tensor) -> Tensor:
        shallow: Tensor = self.first(x)
        deep = shallow
        for rrdb in self.body:
            h = deep
            for block in cast(nn.ModuleList, rrdb):
                h = block(h)
            deep = torch.add(deep, h, alpha=RESIDUAL)
        out: Tensor = self.last(deep, shallow)
        return out


class QuickGleanLight(nn.Module):
    """The function of a folded or silent slim GLEAN and of the SignedRange around it: [0, 1] to about [0, 1]."""

    base: Tensor | None

    def __init__(self, network: SilentGleanLight | FoldedGleanLight) -> None:
        super().__init__()
        self.config = config = network.config
        features, conv, _ = cast(tuple[RrdbFeatures, nn.Conv2d, nn.Module], tuple(network.encoder))
        self.features, self.encode = QuickFeatures(features), _leaky(conv, SLOPE)
        *ups, end = network.decoder
        self.ups = nn.ModuleList(
            QuickConv(*shuffle_order(conv.weight, conv.bias, 2), (1, 1))
            for conv in (up.upsample_conv for up in cast(list[PixelShuffleUp], ups))
        )
        before, _, last = cast(tuple[nn.Conv2d, nn.Module, nn.Conv2d], tuple(cast(nn.Sequential, end)))
        self.before = _leaky(before, SLOPE)
        # (y + 1) / 2: of the network's part the half; of the enlargement it is added to, that of [0, 1] itself.
        bias = cast(Tensor, last.bias) / 2 + (0 if config.residual else 0.5)
        self.last = QuickConv(*rounded_up(last.weight / 2, bias), (1, 1))
        self.enlarge = bicubic(config.scale) if config.residual else None
        bank = network if isinstance(network, FoldedGleanLight) else None
        base = None if bank is None else bank.base.contiguous(memory_format=torch.channels_last)
        self.register_buffer("base", base)
        self.fusion = None if bank is None else _plain(bank.fusion)
        self.bank = nn.ModuleList() if bank is None else bank.convs

    def forward(self, x: Tensor) -> Tensor:
        check_input(x, self.config)
        signed = _typed(x * 2 - 1)
        h: Tensor = self.encode(self.features(signed))
        textures = self._textures(h)
        for up, width in zip(self.ups, self.config.widths, strict=True):
            h = shuffle(up(h), width, 2)
            if textures:
                h = join(h, textures.pop(h.shape[2]).to(h.dtype))
        out: Tensor = self.last(self.before(h))[:, :IMAGE_CHANNELS].float()
        if self.enlarge is None:
            return out.contiguous(memory_format=torch.channels_last)
        return shuffle(self.enlarge(x.float()), IMAGE_CHANNELS, self.config.scale).add_(out)

    def _textures(self, feature: Tensor) -> dict[int, Tensor]:
        """The bank's features above in_size, {edge r: (N, C(r), r, r)}; none where there is no bank."""
        textures: dict[int, Tensor] = {}
        if self.fusion is None or self.base is None:
            return textures
        base = self.base.to(feature.dtype).expand(feature.shape[0], -1, -1, -1)
        fine: Tensor = self.fusion(feature, base.contiguous(memory_format=torch.channels_last))
        for conv in self.bank:
            fine = cast(FoldedConv, conv)(fine)
            textures[fine.shape[2]] = fine
        return textures


def bicubic(scale: int) -> RowConv:
    """torch's bicubic enlargement of an RGB picture as a convolution, before `shuffle`."""
    impulse = torch.zeros(1, 1, 1, 2 * REACH + 1, dtype=torch.float64)
    taps = []
    for at in range(2 * REACH + 1):
        line = torch.zeros_like(impulse).expand(1, 1, 4 * REACH + 1, -1).contiguous()
        line[..., at] = 1
        wide = F.interpolate(line, scale_factor=float(scale), mode="bicubic", align_corners=False)
        taps.append(wide[0, 0, 0, REACH * scale : (REACH + 1) * scale])
    kernel = torch.stack(taps, dim=1)  # (s, 5): weights of the input pixels about one, for each output pixel in it
    weight = torch.zeros(scale, scale, IMAGE_CHANNELS, IMAGE_CHANNELS, 2 * REACH + 1, 2 * REACH + 1)
    for channel in range(IMAGE_CHANNELS):
        weight[:, :, channel, channel] = torch.einsum("yi,xj->yxij", kernel, kernel).float()
    rows, _ = rounded_up(weight.flatten(0, 2), None)
    return RowConv(rows, None, replicate=True)


def _typed(x: Tensor) -> Tensor:
    """In bfloat16 where autocast asks for it and the fused calls take it; autocast itself does not know them."""
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and takes(torch.bfloat16):
        return x.to(torch.bfloat16)
    return x


def _plain(conv: nn.Conv2d) -> QuickConv:
    return QuickConv(conv.weight, conv.bias, (1, 1))


def _leaky(conv: nn.Conv2d, slope: float) -> QuickConv:
    return QuickConv(conv.weight, conv.bias, (1, 1), "leaky_relu", slope)
