"""Tiles in, larger tiles out: precision, batching and recovery around a network. Knows no frames, queues or files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models import added_detail
from models.cells import cells
from models.consistency import project
from models.facts import ModelFacts

DARK = 8 / 255  # mean of a block, over all channels, below which the picture counts as dark and may come out black
BLACK = 1 / 255  # mean of a block below which it counts as black
CPU_PIXELS = 4 * 128 * 128  # input pixels computed at once on a CPU: more leave its caches and take longer per tile
BLOCKS = 8  # each tile is looked at in BLOCKS x BLOCKS blocks


class TileError(ValueError):
    """Tiles have a shape or dtype that the enhancer does not take."""


class EnhanceError(Exception):
    """The device could not enhance even one tile."""


@dataclass(frozen=True, slots=True)
class EnhanceResult:
    pixels: NDArray[Any]  # (N, s·h, s·w, 3), dtype of the input; undefined (black) where `failed`
    redone: NDArray[np.bool_]  # (N,) tiles computed once more in float32, because the first result was broken
    failed: NDArray[np.bool_]  # (N,) tiles whose float32 result was broken too: the caller resizes them by Lanczos
    added: NDArray[np.float32]  # (N, cells(h), cells(w), 2) error and detail, see models/added_detail.py; NaN if failed
    halved: int  # times the batch was halved because memory ran out
    seconds: float  # wall time of the whole call

    @property
    def ok(self) -> bool:
        return not bool(self.failed.any())


@dataclass(frozen=True, slots=True)
class _Outputs:
    """Arrays of a batch, or of a part of one, to be filled."""

    pixels: NDArray[Any]
    redone: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    added: NDArray[np.float32]

    def part(self, s: slice) -> _Outputs:
        return _Outputs(self.pixels[s], self.redone[s], self.failed[s], self.added[s])


class Enhancer:
    """A network with its facts, on a device. Not for use by several threads at once."""

    def __init__(
        self, facts: ModelFacts, scale: int, network: nn.Module, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.facts = facts
        self.scale = scale
        self.device = device
        self.dtype = dtype  # that the network computes in; what is redone is redone in float32
        # Channels last is what bfloat16 kernels want, and what the CPU's convolutions were measured quicker in.
        self._layout = torch.channels_last if facts.learned else torch.contiguous_format
        self._most = CPU_PIXELS if device.type == "cpu" else None
        # Kernels choose their algorithm, and so the last bits, by the batch's size; within one size no tile's result
        # depends on its place or on the others. A CPU is no quicker with more tiles than one at once.
        self._fixed = None if facts.batch is None else 1 if device.type == "cpu" else facts.batch
        self._network = network.to(device).eval().requires_grad_(False)
        for parameter in self._network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=self._layout)

    def enhance(self, tiles: NDArray[Any], *, consistency: bool = False) -> EnhanceResult:
        """Enlarge equal tiles, each on its own: a tile's result does not depend on what else is in the batch.

        One thing can change it: where memory ran out and the model's facts fix a batch, a smaller one is kept to from
        then on, and low bits may differ from before.

        tiles: (N, h, w, 3) uint8 or uint16 RGB. A tile that is exactly grey (R = G = B) comes back exactly grey: the
        mean of the network's three channels. With `consistency` the result is changed until it shrinks to the input
        (models/consistency.py). Raises TileError on other input, EnhanceError if memory does not even do for one tile.
        """
        started = time.perf_counter()
        if tiles.ndim != 4 or tiles.shape[3] != 3 or tiles.dtype not in (np.uint8, np.uint16):
            raise TileError(f"tiles must be (N, h, w, 3) uint8 or uint16, not {tiles.shape} {tiles.dtype}")
        n, h, w, _ = tiles.shape
        outputs = _Outputs(
            np.empty((n, h * self.scale, w * self.scale, 3), tiles.dtype),
            np.zeros(n, np.bool_),
            np.zeros(n, np.bool_),
            np.empty((n, cells(h), cells(w), 2), np.float32),
        )
        at_once = self.at_once(h, w) or max(1, n)
        halved = 0
        for first in range(0, n, at_once):
            s = slice(first, first + at_once)
            halved += self._run(tiles[s], outputs.part(s), consistency)
        return EnhanceResult(
            outputs.pixels, outputs.redone, outputs.failed, outputs.added, halved, time.perf_counter() - started
        )

    @property
    def network(self) -> nn.Module:
        """As it runs; for measurements. Not to be changed."""
        return self._network

    def at_once(self, height: int, width: int) -> int | None:
        """Tiles of this size that are taken at once; None: as many as come."""
        return max(1, self._most // (height * width)) if self._most and height * width else None

    @torch.inference_mode()
    def compute(self, x: Tensor) -> Tensor:
        """The network alone, as `enhance` runs it: (N, 3, h, w) float32 in [0, 1] -> (N, 3, s·h, s·w), not clamped."""
        return self._compute(x, self.dtype)

    def _run(self, tiles: NDArray[Any], outputs: _Outputs, consistency: bool) -> int:
        """Fill the outputs; returns how often the batch was halved."""
        try:
            self._fill(tiles, outputs, consistency)
            return 0
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            message = str(error)
        # Outside of the handler, whose traceback would keep the failed attempt's tensors alive.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if self._fixed is not None and self._fixed > 1:
            self._fixed //= 2
        elif len(tiles) == 1:
            raise EnhanceError(
                f"{self.facts.name} ran out of memory on {self.device} with a single tile of {tiles.shape[1:3]} pixels"
                f" ({message}): give it more memory or use a smaller model"
            )
        middle = len(tiles) // 2
        parts = [slice(0, middle), slice(middle, len(tiles))] if middle else [slice(0, 1)]
        return 1 + sum(self._run(tiles[s], outputs.part(s), consistency) for s in parts)

    @torch.inference_mode()
    def _fill(self, tiles: NDArray[Any], outputs: _Outputs, consistency: bool) -> None:
        peak = float(np.iinfo(tiles.dtype).max)
        x = self._upload(tiles).permute(0, 3, 1, 2).to(torch.float32).div(peak)
        y = self._compute(x, self.dtype)
        bad = broken(x, y)
        if bool(bad.any()):
            outputs.redone[:] = bad.cpu().numpy()
            again = self._compute(x[bad], torch.float32)
            y[bad] = again
            still = torch.zeros_like(bad)
            still[bad] = broken(x[bad], again)
            outputs.failed[:] = still.cpu().numpy()
        if consistency:
            y = project(y.contiguous(), x.contiguous(), self.scale)
        if outputs.failed.any():
            y[torch.from_numpy(outputs.failed)] = 0
        grey = ((x[:, 0] == x[:, 1]) & (x[:, 1] == x[:, 2])).flatten(1).all(1)
        if bool(grey.any()):
            y[grey] = y[grey].mean(1, keepdim=True).expand(-1, 3, -1, -1)
        y = y.clamp_(0, 1)
        outputs.added[:] = added_detail.measure(x, y, self.scale, self.facts.halo).cpu().numpy()
        outputs.added[outputs.failed] = np.nan
        y = y.mul_(peak).add_(0.5)  # half up: what follows cuts off
        y = y.permute(0, 2, 3, 1).to(torch.uint8 if tiles.dtype == np.uint8 else torch.int32).contiguous()
        outputs.pixels[:] = y.cpu().numpy()

    def _compute(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """The network's output in float32, a fresh tensor."""
        if not self.facts.learned and self.scale == 1:
            return x.clone()
        size = self._fixed or len(x)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            parts = [
                self._network(self._whole(x[first : first + size], size))[: len(x) - first]
                for first in range(0, len(x), size)
            ]
        out: Tensor = (parts[0] if len(parts) == 1 else torch.cat(parts)).to(torch.float32)
        return out

    def _whole(self, x: Tensor, size: int) -> Tensor:
        """x (n, C, h, w), filled up to (size, C, h, w) by repeating its first tile."""
        if len(x) < size:
            x = torch.cat((x, x[:1].expand(size - len(x), -1, -1, -1)))
        return x.contiguous(memory_format=self._layout)

    def _upload(self, tiles: NDArray[Any]) -> Tensor:
        # torch's uint16 has few kernels: 16-bit samples travel as int32.
        array = np.ascontiguousarray(tiles if tiles.dtype == np.uint8 else tiles.astype(np.int32))
        return torch.from_numpy(array if array.flags.writeable else array.copy()).to(self.device)


def broken(x: Tensor, y: Tensor) -> Tensor:
    """(N,) bool: tiles whose output is not finite anywhere, or black in some block where the input is not dark.

    x (N, C, h, w) and y (N, C, s·h, s·w), both about [0, 1].
    """
    down, across = min(BLOCKS, x.shape[2]), min(BLOCKS, x.shape[3])
    seen = _block_means(x, down, across)
    given = _block_means(y, down, across)  # not finite if one pixel of the block is not
    black = (seen > DARK) & (given < BLACK)
    return (~torch.isfinite(given) | black).flatten(1).any(1)


def _block_means(x: Tensor, down: int, across: int) -> Tensor:
    """(N, down, across): means over all channels."""
    n, c, h, w = x.shape
    if h % down or w % across:
        return F.adaptive_avg_pool2d(x, (down, across)).mean(1)
    # Rows of a block lie in one piece: many times as quick as the pooling, which takes channels-last value by value.
    rows = x.permute(0, 2, 3, 1).reshape(n, down, h // down, across, w // across * c)
    return rows.mean((2, 4))


def _out_of_memory(error: BaseException) -> bool:
    """torch has a type for the GPU's; the CPU's allocator and cuDNN only have words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return "can't allocate memory" in text or "not enough memory" in text or "out of memory" in text
