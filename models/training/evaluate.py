"""Quality on the development pictures, clean and as cameras show them, shared by training and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from models.degradation import surveillance
from models.degradation.resize import shrink
from models.lanczos import Lanczos
from models.metrics import Scores, compare, psnr
from models.training.data import items, read_frames, read_still

Bytes = NDArray[np.uint8]
Upscale = Callable[[Bytes], Bytes]  # (h, w, 3) -> (s·h, s·w, 3)

LONG_EDGE = 720  # of a target: larger pictures are cropped to their middle, so that no picture outweighs others in time
CONDITIONS = ("bicubic", "area", "surveillance")  # how the low-resolution picture was made
SEED = 20_000  # of the degradations of picture 0; picture i takes SEED + i


@dataclass(frozen=True, slots=True)
class Pair:
    name: str
    kind: str  # "still" or "clip"
    condition: str
    low: Bytes
    target: Bytes


def dev_pairs(data: Path, scale: int, *, conditions: Sequence[str] = CONDITIONS, every: int = 1) -> list[Pair]:
    """Pairs of every `every`-th dev still and two frames of each dev clip, always the same ones.

    Frames of clips are compressed already; they are halved before they serve as targets.
    """
    sources: list[tuple[str, str, Bytes]] = []
    for item in items(data, "dev")[::every]:
        if item.kind == "still":
            sources.append((item.path.stem, "still", read_still(item.path)))
            continue
        for index, frame in enumerate(read_frames(item.path, 2, item.frames)):
            half = cv2.resize(frame, (frame.shape[1] // 2, frame.shape[0] // 2), interpolation=cv2.INTER_AREA)
            sources.append((f"{item.path.stem}#{index}", "clip", np.asarray(half, dtype=np.uint8)))
    pairs = []
    for index, (name, kind, picture) in enumerate(sources):
        image = surveillance.crop_to_multiple(_middle(picture), scale)
        for condition in conditions:
            low, target = degrade(image, scale, condition, SEED + index)
            pairs.append(Pair(name, kind, condition, low, target))
    return pairs


def degrade(image: Bytes, scale: int, condition: str, seed: int) -> tuple[Bytes, Bytes]:
    """(low, target) of a picture whose sizes are multiples of `scale`."""
    if condition == "surveillance":
        return surveillance.degrade(image, scale, seed)
    return surveillance.to_bytes(shrink(surveillance.to_float(image), scale, condition)), image


def measure(pairs: Sequence[Pair], upscale: Upscale, scale: int) -> list[Scores]:
    """Scores of each pair; `scale` pixels are left out at the edges, as the literature does."""
    return [compare(upscale(pair.low), pair.target, border=scale) for pair in pairs]


def mean_psnr(pairs: Sequence[Pair], upscale: Upscale, scale: int) -> dict[str, float]:
    """Mean RGB PSNR in dB of each condition among the pairs: the quick look that training takes."""
    found: dict[str, list[float]] = {}
    inner = slice(scale, -scale)
    for pair in pairs:
        low, high = (torch.from_numpy(i[inner, inner].copy()) / 255 for i in (upscale(pair.low), pair.target))
        found.setdefault(pair.condition, []).append(psnr(low, high))
    return {condition: fmean(values) for condition, values in found.items()}


def mean(pairs: Sequence[Pair], scores: Sequence[Scores], *, condition: str, kind: str | None = None) -> Scores:
    chosen = [
        s for p, s in zip(pairs, scores, strict=True) if p.condition == condition and (kind is None or p.kind == kind)
    ]
    if not chosen:
        raise ValueError(f"no pairs of condition {condition!r} and kind {kind!r} were measured")
    return Scores(*(fmean(getattr(s, field) for s in chosen) for field in ("psnr", "psnr_y", "ssim", "ssim_y")))


def network_upscale(network: nn.Module, halo: int) -> Upscale:
    """Whole pictures through a network, edges repeated by `halo` first, as tiles of a frame are."""

    def upscale(low: Bytes) -> Bytes:
        x = torch.from_numpy(np.ascontiguousarray(low.transpose(2, 0, 1)))[None].float() / 255
        with torch.inference_mode():
            y = network(F.pad(x, (halo,) * 4, mode="replicate"))
        s = y.shape[-1] // (x.shape[-1] + 2 * halo)
        inner = y[0, :, halo * s : y.shape[2] - halo * s, halo * s : y.shape[3] - halo * s]
        image: NDArray[Any] = inner.clamp(0, 1).mul(255).add(0.5).floor().to(torch.uint8).permute(1, 2, 0).numpy()
        return np.ascontiguousarray(image)

    return upscale


def bicubic_upscale(scale: int) -> Upscale:
    """OpenCV's bicubic (a = -0.75): what a player would show."""

    def upscale(low: Bytes) -> Bytes:
        size = (low.shape[1] * scale, low.shape[0] * scale)
        return np.asarray(cv2.resize(low, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)

    return upscale


def lanczos_upscale(scale: int) -> Upscale:
    return network_upscale(Lanczos(scale), 0)


def _middle(picture: Bytes) -> Bytes:
    height, width, _ = picture.shape
    y, x = max(0, height - LONG_EDGE) // 2, max(0, width - LONG_EDGE) // 2
    return picture[y : y + LONG_EDGE, x : x + LONG_EDGE]
