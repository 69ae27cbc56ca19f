"""A convolution with its activation, or a sum, in one call of oneDNN; for inference on a CPU. Knows no network.

Measured on AVX2: in channels-last the convolutions themselves reach 90 % of the machine's peak, and what keeps a
network below that is what lies between them. Here activations are computed while a result is still in registers,
weights are laid out once and not at each call, and channels are joined and shuffled in runs that lie in one piece.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["none", "leaky_relu", "sigmoid"]

LANES = 8  # floats in a register of AVX2: with fewer outputs in the last one the kernels are slower, not quicker
WIDEST = 2  # outputs are rounded up to LANES only where that adds no more than 1 / WIDEST of them


def available() -> bool:
    """Whether this build of torch has oneDNN, and the calls of it that fuse."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    names = ("_reorder_convolution_weight", "_convolution_pointwise")
    return all(hasattr(torch.ops.mkldnn, name) for name in names)


def takes(dtype: torch.dtype) -> bool:
    """Whether the fused calls compute in this type on this CPU."""
    if dtype == torch.bfloat16:
        return available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32 and available()


class QuickConv(nn.Module):
    """(N, C, h, w) -> (N, C_out, h', w'), channels-last, stride 1. Weights are packed at the first call of a type."""

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        padding: tuple[int, int],
        activation: Activation = "none",
        slope: float = 0.0,
    ) -> None:
        """weight (C_out, C, kh, kw), bias (C_out,), float32; slope: of the leaky ReLU."""
        super().__init__()
        self.register_buffer("weight", weight.detach().clone())
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        self._padding = list(padding)
        self._activation, self._slope = activation, slope
        self._scalars = [slope] if activation == "leaky_relu" else []
        self._packed: dict[torch.dtype, tuple[Tensor, Tensor | None]] = {}

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """plus: of the result's shape, added to it; only without an activation."""
        if not takes(x.dtype):
            return self._plain(x, plus)
        weight, bias = self._packed.get(x.dtype) or self._pack(x)
        ops: Any = torch.ops.mkldnn._convolution_pointwise
        if plus is None:
            out: Tensor = ops(x, weight, bias, self._padding, [1, 1], [1, 1], 1, self._activation, self._scalars, "")
            return out
        summed: Tensor = ops.binary(x, plus, weight, bias, self._padding, [1, 1], [1, 1], 1, "add", 1.0, None, [], None)
        return summed

    def __getstate__(self) -> dict[str, Any]:
        """For copies: packed weights cannot be copied, and are soon packed again."""
        return self.__dict__ | {"_packed": {}}

    def _pack(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        packed = torch.ops.mkldnn._reorder_convolution_weight(
            self.weight.to(x.dtype), self._padding, [1, 1], [1, 1], 1, list(x.shape)
        )
        self._packed[x.dtype] = packed, bias
        return packed, bias

    def _plain(self, x: Tensor, plus: Tensor | None) -> Tensor:
        """The same by torch's ordinary calls: for types that the fused ones do not take, and under autocast."""
        weight = self.weight.to(x.dtype)
        out = F.conv2d(x, weight, None if self.bias is None else self.bias.to(x.dtype), padding=self._padding)
        if plus is not None:
            return out + plus
        if self._activation == "leaky_relu":
            return F.leaky_relu(out, self._slope)
        return out.sigmoid() if self._activation == "sigmoid" else out


class RowConv(QuickConv):
    """A convolution of few channels, such as of a picture: a row of its window becomes the channels.

    Kernels take channels by eights: of three they fill three eighths, of a row of five pixels of three 15 of 16.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        activation: Activation = "none",
        *,
        replicate: bool = False,
    ) -> None:
        """weight (C_out, C, k, k), k odd; the picture is continued by zeros, or by its edge pixels (`replicate`)."""
        outputs, channels, side, _ = weight.shape
        rows = weight.permute(0, 3, 1, 2).reshape(outputs, side * channels, side, 1)
        super().__init__(rows, bias, (0 if replicate else side // 2, 0), activation)
        self._reach, self._replicate = side // 2, replicate

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        reach = self._reach
        if self._replicate:
            x = F.pad(x, (reach,) * 4, mode="replicate")
            padded = x.permute(0, 2, 3, 1).contiguous()
        else:
            padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, reach, reach)).contiguous()
        n, h, w, c = padded.shape
        # A row of the window lies together in memory, and the next window begins one pixel on.
        windows = padded.as_strided((n, h, w - 2 * reach, (2 * reach + 1) * c), (h * w * c, w * c, c, 1))
        return super().forward(windows.contiguous().permute(0, 3, 1, 2), plus)


def join(*parts: Tensor) -> Tensor:
    """Channels of several (N, C_i, h, w) after one another: three times as quick as torch.cat along dimension 1."""
    return torch.cat([part.permute(0, 2, 3, 1) for part in parts], dim=3).permute(0, 3, 1, 2)


def shuffle_order(weight: Tensor, bias: Tensor | None, scale: int) -> tuple[Tensor, Tensor | None]:
    """Weights before a pixel shuffle in the order `shuffle` wants, (row, column, channel), rounded up to LANES.

    weight (C·s², ...), bias (C·s²,), in the order of nn.PixelShuffle: (channel, row, column).
    """
    count = weight.shape[0]
    order = torch.arange(count).view(-1, scale, scale).permute(1, 2, 0).flatten()
    return rounded_up(weight[order], None if bias is None else bias[order])


def rounded_up(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """With outputs of zero up to a multiple of LANES, where those are few."""
    count = weight.shape[0]
    more = -count % LANES
    if more * WIDEST > count:
        return weight, bias
    weight = torch.cat((weight, weight.new_zeros(more, *weight.shape[1:])))
    return weight, None if bias is None else torch.cat((bias, bias.new_zeros(more)))


def shuffle(x: Tensor, channels: int, scale: int) -> Tensor:
    """(N, s²·channels or more, h, w), ordered by `shuffle_order` -> (N, channels, s·h, s·w): runs of s·channels."""
    n, _, h, w = x.shape
    rows = x.permute(0, 2, 3, 1)[..., : scale * scale * channels].view(n, h, w, scale, scale * channels)
    return rows.transpose(2, 3).reshape(n, h * scale, w * scale, channels).permute(0, 3, 1, 2)
