"""Tiles that suit the way of reuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.catalog import Catalog
from models.registry import load
from pipeline.job import Reuse as Mode
from tests.workers.still_scene import HEIGHT, WIDTH, psnr, street
from workers.canvas import Canvas
from workers.reusing import tile_for
from workers.tiles import make_grid


def test_tiles_are_small_where_they_are_kept_and_the_network_takes_any() -> None:
    espcn, glean = (Catalog(None).enhancer(name) for name in ("espcn-x2", "glean-s-x4"))
    assert [tile_for(espcn, mode) for mode in (Mode.ON, Mode.EXACT, Mode.OFF)] == [64, espcn.tile, espcn.tile]
    assert tile_for(replace(espcn, tile=48), Mode.ON) == 48
    assert tile_for(replace(espcn, halo=16), Mode.ON) == espcn.tile  # most of a small one would be thrown away
    for mode in Mode:
        assert tile_for(glean, mode) == glean.tile


def test_a_picture_of_small_tiles_is_that_of_large_ones() -> None:
    pictures = []
    enhancer = load("espcn-x2", 2, "cpu", threads=1)
    for mode in (Mode.ON, Mode.OFF):
        grid = make_grid(WIDTH, HEIGHT, tile_for(enhancer.facts, mode), enhancer.facts.halo, enhancer.facts.ramp)
        canvas, every = Canvas(grid, 2, np.uint8), np.arange(grid.count)
        canvas.update(every, enhancer.enhance(grid.cut(street(), every)).pixels)
        pictures.append(canvas.image)
    assert psnr(*pictures) > 60
