"""Thin modules that make any network one of RGB in [0, 1]; what a model wants otherwise is known here and only here."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# BT.601 of R, G, B in [0, 1]: Y in [16, 235] / 255, Cb and Cr in [16, 240] / 255 about 128 / 255, as MATLAB's rgb2ycbcr
# and the common ports of ESPCN have it. (The ports' factor of red, 64.738 / 256, is BT.601's 65.738 / 256 with a slip:
# with theirs white comes back a level darker.)
_KR, _KG, _KB = 0.299, 0.587, 0.114
_TO_YCBCR = (
    (219 / 255 * _KR, 219 / 255 * _KG, 219 / 255 * _KB),
    (-112 / 255 * _KR / (1 - _KB), -112 / 255 * _KG / (1 - _KB), 112 / 255),
    (112 / 255, -112 / 255 * _KG / (1 - _KR), -112 / 255 * _KB / (1 - _KR)),
)
_OFFSETS = (16 / 255, 128 / 255, 128 / 255)


class SignedRange(nn.Module):
    """Around a network of (N, C, h, w) in [-1, 1], C 3 or 1 (grey: it sees luma, and its output fills all channels)."""

    def __init__(self, network: nn.Module, channels: int = 3) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise ValueError(f"a network of {channels} channels takes no RGB picture: wanted 3, or 1 for grey")
        self.network = network
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        if self.channels == 1:
            x = (x * x.new_tensor((_KR, _KG, _KB))[:, None, None]).sum(1, keepdim=True)
        out: Tensor = self.network(x * 2 - 1)
        out = (out.float() + 1) / 2
        return out.repeat(1, 3, 1, 1) if self.channels == 1 else out


class LumaOnly(nn.Module):
    """Around a network that enlarges (N, 1, h, w) luma in [0, 1]; chroma is enlarged by bicubic interpolation."""

    def __init__(self, network: nn.Module, scale: int) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        matrix = torch.tensor(_TO_YCBCR, dtype=torch.float64)
        self.register_buffer("to_ycbcr", matrix.float(), persistent=False)
        self.register_buffer("to_rgb", torch.linalg.inv(matrix).float(), persistent=False)
        self.register_buffer("offsets", torch.tensor(_OFFSETS)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            ycbcr = _mixed(x.float(), self.get_buffer("to_ycbcr")) + self.get_buffer("offsets")
        luma: Tensor = self.network(ycbcr[:, :1])
        with torch.autocast(x.device.type, enabled=False):
            size = (x.shape[2] * self.scale, x.shape[3] * self.scale)
            chroma = F.interpolate(ycbcr[:, 1:], size=size, mode="bicubic", align_corners=False)
            enlarged = torch.cat((luma.float(), chroma), dim=1) - self.get_buffer("offsets")
            return _mixed(enlarged, self.get_buffer("to_rgb"))


def _mixed(x: Tensor, matrix: Tensor) -> Tensor:
    """(N, 3, h, w), channels mixed by a 3x3 matrix; no convolution, which a GPU may compute in a lower precision."""
    return (matrix[:, :, None, None] * x[:, None]).sum(2)
