"""Community upscalers through spandrel, an optional extra: recognised, built and run by it. Knows no files.

spandrel gets tensors only, read and checked by us. It is imported when a model needs it and never before.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from models.torchvision_names import import_with_torchvision

EXTRA = "requirements/spandrel.txt"
TILE = 96  # input pixels, where the network allows it
HALO_STEP = 4
WORST_HALO = 24
SURROUND = 32  # pixels added around a tile, to see how far they reach into it
SEEN = 0.5 / 255  # a change of the output that no 8-bit level shows


class ExtraMissing(ImportError):
    """spandrel is not installed here; the message says how to install it."""


class CommunityError(ValueError):
    """spandrel does not know the network, or it is not one that enlarges tiles of frames."""


@dataclass(frozen=True, slots=True)
class Upscaler:
    network: nn.Module  # (1, 3, tile, tile) RGB in [0, 1] -> (1, 3, s·tile, s·tile) in [0, 1]
    identity: str  # spandrel's name of the architecture
    scale: int
    tile: int


class _Described(nn.Module):
    """spandrel's descriptor as a module; a grey network sees luma, and its output fills all channels."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network: nn.Module = descriptor.model
        self._descriptor = descriptor

    def forward(self, x: Tensor) -> Tensor:
        grey = self._descriptor.input_channels == 1
        if grey:
            x = (x * x.new_tensor((0.299, 0.587, 0.114))[:, None, None]).sum(1, keepdim=True)
        y: Tensor = self._descriptor(x)
        return y.repeat(1, 3, 1, 1) if grey else y


def is_installed() -> bool:
    return find_spec("spandrel") is not None


def build(state: Mapping[str, Tensor]) -> Upscaler:
    """The network whose weights these are. Raises ExtraMissing, CommunityError."""
    spandrel = import_spandrel()
    try:
        with warnings.catch_warnings():  # of torch, about how its networks are written
            warnings.simplefilter("ignore")
            descriptor = spandrel.MAIN_REGISTRY.load(dict(state))
    except spandrel.UnsupportedModelError:
        raise CommunityError("spandrel does not know these keys either") from None
    except Exception as error:  # keys of one network with the shapes of another make it raise anything
        raise CommunityError(f"spandrel cannot build it ({type(error).__name__}: {error})") from error
    channels = (getattr(descriptor, "input_channels", 0), getattr(descriptor, "output_channels", 0))
    if getattr(descriptor, "purpose", "") not in ("SR", "Restoration") or channels not in ((1, 1), (3, 3)):
        raise CommunityError(
            f"{descriptor.architecture.name} is for {getattr(descriptor, 'purpose', 'something else')} with {channels}"
            " channels in and out: wanted one that enlarges or restores pictures, 3 and 3, or 1 and 1"
        )
    needs = descriptor.size_requirements
    tile = math.ceil(max(TILE, needs.minimum) / needs.multiple_of) * needs.multiple_of
    return Upscaler(_Described(descriptor.float()), str(descriptor.architecture.id), int(descriptor.scale), tile)


@torch.inference_mode()
def measured_halo(upscaler: Upscaler) -> tuple[int, bool]:
    """Rows at a tile's edge that what lies beyond the tile changes visibly, and whether no row further in changes.

    Nominal receptive fields are useless here: RRDBNet's reaches 350 pixels, SwinIR's everywhere. So it is measured, on
    one picture of noise smoothed a little, as the largest change between the tile alone and the tile in its surround;
    at most WORST_HALO, where the second value is False.
    """
    edge = upscaler.tile + 2 * SURROUND
    random = torch.Generator().manual_seed(0)
    picture = nn.functional.avg_pool2d(torch.rand(1, 3, edge + 2, edge + 2, generator=random), 3, stride=1)
    inner = slice(SURROUND, SURROUND + upscaler.tile)
    alone = upscaler.network(picture[:, :, inner, inner].contiguous())
    s = upscaler.scale
    cut = slice(SURROUND * s, (SURROUND + upscaler.tile) * s)
    change = (upscaler.network(picture)[:, :, cut, cut] - alone).abs().amax((0, 1))
    for halo in range(0, WORST_HALO + 1, HALO_STEP):
        kept = change[halo * s : (upscaler.tile - halo) * s, halo * s : (upscaler.tile - halo) * s]
        if float(kept.max()) <= SEEN:
            return halo, True
    return WORST_HALO, False


def import_spandrel() -> ModuleType:
    """spandrel itself; takes seconds the first time. Raises ExtraMissing."""
    if not is_installed():
        raise ExtraMissing(f"it may be a community model; to read those, install {EXTRA}")
    return import_with_torchvision("spandrel")
