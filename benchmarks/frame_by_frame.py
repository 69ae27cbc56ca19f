"""The baseline: Real-ESRGAN's published way of working on a video, rebuilt with any of our networks. Not its code.

As its `inference_realesrgan_video.py` and `RealESRGANer` are described: a frame is decoded, scaled to [0, 1], given to
the network in float32 as a whole (`tile` 0, the default) or in tiles of `tile` pixels that see `pad` more on each side,
clamped, rounded, handed to the encoder; then the next frame. Nothing overlaps and nothing is kept from frame to frame.
Half precision is left out: on a CPU it has none, and the issue compares with float32.

A network that takes tiles of one size only gets tiles of that size, `pad` of it seen on each side, the last ones moved
back into the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from media.output import decide, output_size
from media.probe import probe
from media.reader import VideoReader
from media.writer import VideoWriter
from models.catalog import Catalog
from models.registry import build, read_state
from pipeline.limits import probe_limits
from pipeline.settings import Settings

PAD = 10  # `tile_pad` as published


@dataclass(frozen=True, slots=True)
class FrameByFrame:
    """A network, as written and in torch's own layout, and how pictures are given to it."""

    network: nn.Module
    scale: int
    tile: int = 0  # 0: whole frames
    fixed: bool = False  # the network takes exactly tiles of tile + 2·pad

    def run(self, clip: Path, out: Path) -> int:
        """Enhance a clip; returns its frames."""
        facts = probe(clip, probe_limits(Settings(), max_bytes=None))
        settings = decide(facts, *output_size(facts, self.scale, None), "auto", "standard")
        frames = 0
        with VideoReader(clip, facts) as reader, VideoWriter(out, settings) as writer:
            for frame in reader:
                writer.write(self.enhance(frame.image), frame.pts)
                frames += 1
        return frames

    @torch.inference_mode()
    def enhance(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(h, w, 3) uint8 RGB to (s·h, s·w, 3)."""
        x = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div(255)[None]
        y = self._tiled(x) if self.tile else self.network(x)
        return (y[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()

    def _tiled(self, x: Tensor) -> Tensor:
        s, (height, width) = self.scale, x.shape[2:]
        out = x.new_empty(1, 3, height * s, width * s)
        for top in range(0, height, self.tile):
            for left in range(0, width, self.tile):
                bottom, right = min(top + self.tile, height), min(left + self.tile, width)
                (y0, y1), (x0, x1) = self._seen(top, bottom, height), self._seen(left, right, width)
                part = x[:, :, y0:y1, x0:x1]
                if self.fixed and part.shape[2:] != (side := (self.tile + 2 * PAD,) * 2):
                    more = (0, side[1] - part.shape[3], 0, side[0] - part.shape[2])  # a picture smaller than a tile
                    part = nn.functional.pad(part, more, mode="replicate")
                y = self.network(part)
                inner = y[:, :, (top - y0) * s : (bottom - y0) * s, (left - x0) * s : (right - x0) * s]
                out[:, :, top * s : bottom * s, left * s : right * s] = inner
        return out

    def _seen(self, begin: int, end: int, length: int) -> tuple[int, int]:
        """What the network sees of an axis for the pixels begin..end."""
        if not self.fixed:
            return max(0, begin - PAD), min(length, end + PAD)
        side = self.tile + 2 * PAD
        first = max(0, min(begin - PAD, length - side))
        return first, min(length, first + side)


def baseline(model: str, scale: int, catalog: Catalog) -> FrameByFrame:
    """The same network and weights as `gleaner enhance --model` has; whole frames where the network takes any size."""
    facts = catalog.enhancer(model)
    network = build(facts, scale, read_state(catalog, facts)).eval()
    fixed = facts.batch is not None  # it sees a tile as a whole
    return FrameByFrame(network, scale, facts.tile - 2 * PAD if fixed else 0, fixed)
