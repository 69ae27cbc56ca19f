"""Differences of tiles count by what they change in the picture."""

from __future__ import annotations

import numpy as np

from tests.workers.still_scene import GRID, HEIGHT, WIDTH, noisy, street, with_box
from workers.canvas import Canvas
from workers.reuse import NoisyReuse
from workers.tile_difference import TileCutter, difference


def test_weighted_squares_add_up_to_no_less_than_the_picture_is_off() -> None:
    """Each tile of the canvas is as old as it happens to be; the error that is accounted for is an upper bound."""
    cutter = TileCutter(GRID)
    first, now = (np.repeat(f[..., 1:2], 3, axis=2) for f in noisy([street(), street()], 6.0))
    canvas, every = Canvas(GRID, 1, np.uint8), np.arange(GRID.count)
    canvas.update(every, GRID.cut(first, every))
    kept = every % 3 > 0
    canvas.update(every[~kept], GRID.cut(now, every[~kept]))
    weights = cutter.weights()
    accounted = difference(cutter.planes(now), cutter.planes(first), weights).total[kept].sum() * 64
    off = np.square(canvas.image[..., 1].astype(float) - now[..., 1]).sum()
    assert off <= accounted < 1.8 * off  # what lies near a tile's edge counts too, for a network would look at it
    assert weights.blocks.sum() * 64 < 1.4 * WIDTH * HEIGHT


def test_what_a_tile_hardly_shows_does_not_bring_it_back() -> None:
    """A box in the outermost pixels of a tile, which the picture takes from the tiles beside it."""
    right = int(GRID.x.starts[1])  # where the second tile begins, its first pixels lie in the first tile's ramp
    reuse = NoisyReuse(GRID, refresh_frames=0)
    for _ in range(4):
        reuse.changed(street())
    assert reuse.changed(with_box(right - 24, 20)).tolist() == [0]
