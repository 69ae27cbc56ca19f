"""How much nearer to the truth than bicubic a network is, on dev scenes that it was never trained on.

A quick look while training: one still a scene, its middle, a clean and a surveillance condition. What is published is
measured elsewhere, on whole pictures and clips. Knows tiles only as far as a fixed input size asks for them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.degradation import profiles
from models.training.data import Item, items, read_still

CONDITIONS = {"clean": "clean-bicubic", "crf28": "surveillance-crf28"}  # by short name
SEED = 20_000

Enlarge = Callable[[Tensor], Tensor]  # (N, 3, t, t) in [-1, 1] -> (N, 3, s·t, s·t)


@dataclass(frozen=True, slots=True)
class Scene:
    name: str
    low: dict[str, Tensor]  # by condition, (1, 3, e, e) in [-1, 1]
    target: dict[str, Tensor]  # (1, 3, s·e, s·e)


@dataclass(frozen=True, slots=True)
class Gain:
    """Over bicubic, RGB PSNR in dB."""

    mean: float
    better: float  # share of scenes on which it is above 0
    psnr: float  # mean of the network's own


def dev_scenes(data: Path, scale: int, tile: int) -> list[Scene]:
    """One dev still a scene: its middle, 1.5 tiles wide, so two by two that overlap. Smaller stills are left out."""
    edge = tile * 3 // 2 * scale
    found: list[Scene] = []
    for index, item in enumerate(_one_a_scene(data)):
        picture = read_still(item.path)
        height, width, _ = picture.shape
        if min(height, width) < edge:
            continue
        y, x = (height - edge) // 2, (width - edge) // 2
        middle = picture[y : y + edge, x : x + edge]
        pairs = {name: profiles.degrade(middle, profile, scale, SEED + index) for name, profile in CONDITIONS.items()}
        found.append(
            Scene(
                item.path.stem,
                {name: _tensor(made.low) for name, made in pairs.items()},
                {name: _tensor(made.target) for name, made in pairs.items()},
            )
        )
    return found


@torch.no_grad()
def gains(scenes: Sequence[Scene], enlarge: Enlarge, tile: int) -> dict[str, Gain]:
    """By condition. The outermost 4 output pixels are left out."""
    found: dict[str, list[tuple[float, float]]] = {}
    for scene in scenes:
        for name, low in scene.low.items():
            target = scene.target[name]
            scale = target.shape[2] // low.shape[2]
            ours = _psnr(whole(low, enlarge, tile), target)
            bicubic = _psnr(F.interpolate(low, scale_factor=float(scale), mode="bicubic", align_corners=False), target)
            found.setdefault(name, []).append((ours, ours - bicubic))
    return {
        name: Gain(
            mean=math.fsum(gain for _, gain in values) / len(values),
            better=sum(gain > 0 for _, gain in values) / len(values),
            psnr=math.fsum(ours for ours, _ in values) / len(values),
        )
        for name, values in found.items()
    }


def whole(low: Tensor, enlarge: Enlarge, tile: int) -> Tensor:
    """low (1, 3, e, e), e = 1.5 tiles, through four tiles whose outer eighth is thrown away."""
    halo = tile // 8
    step = tile - 2 * halo
    wide = F.pad(low, (halo,) * 4, mode="replicate")
    tiles = torch.cat([wide[..., y : y + tile, x : x + tile] for y in (0, step) for x in (0, step)])
    large = enlarge(tiles)
    scale = large.shape[2] // tile
    inner = large[..., halo * scale : -halo * scale, halo * scale : -halo * scale]
    upper, lower = torch.cat(list(inner[:2]), dim=2), torch.cat(list(inner[2:]), dim=2)
    return torch.cat((upper, lower), dim=1)[None]


def _one_a_scene(data: Path) -> list[Item]:
    """The first still, by path, of every dev scene; files without a named scene are scenes of their own."""
    entries = json.loads((data / "manifest.json").read_text("utf-8"))["files"]
    scene_of = {data / entry["file"]: entry.get("scene") or entry["file"] for entry in entries}
    first: dict[str, Item] = {}
    for item in items(data, "dev"):
        if item.kind == "still":
            first.setdefault(scene_of[item.path], item)
    return list(first.values())


def _tensor(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float().div_(127.5).sub_(1)


def _psnr(made: Tensor, target: Tensor) -> float:
    """Of pictures rounded to 8 bits."""
    inner = (..., slice(4, -4), slice(4, -4))
    levels = made[inner].clamp(-1, 1).add(1).mul(127.5).round()
    error = float((levels - target[inner].add(1).mul(127.5)).div(255).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)
