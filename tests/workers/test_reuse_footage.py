"""Reuse on real footage of fixed cameras, where that is at hand."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from media.probe import probe
from media.reader import VideoReader
from pipeline.limits import probe_limits
from pipeline.settings import Settings
from tests.workers.still_scene import shown
from workers.reuse import NoisyReuse
from workers.tiles import make_grid

MEDIA = Path(__file__).parents[3] / "shared" / "media"


@pytest.mark.skipif(not MEDIA.exists(), reason="the shared media are not here")
@pytest.mark.parametrize(
    "name", ["train/clips/intel_bottle-detection.mp4", "dev/clips/intel_one-by-one-person-detection.mp4"]
)
def test_a_fifth_of_the_tiles_keeps_42_db(name: str) -> None:
    clip = probe(MEDIA / name, probe_limits(Settings(), max_bytes=None))
    grid = make_grid(clip.width, clip.height, 64, 2, 6)
    with VideoReader(MEDIA / name, clip) as reader:
        frames = [frame.image for frame in islice(reader, 40)]
    pictures, counts = shown(frames, NoisyReuse(grid).changed, grid)
    assert sum(counts[1:]) <= 0.2 * grid.count * len(counts[1:])
    for picture, frame in zip(pictures, frames, strict=True):
        assert np.mean((picture.astype(np.float32) - frame) ** 2) < 4.1
