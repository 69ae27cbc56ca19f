"""What belongs to what moves."""

from __future__ import annotations

import numpy as np

from tests.workers.still_scene import GRID, noisy, street, with_box
from workers.moving_part import MovingPart
from workers.tile_difference import BLOCK, TileCutter

SIDE = 64 // BLOCK


def test_what_moves_and_its_surroundings_and_nothing_else() -> None:
    part = MovingPart(TileCutter(GRID))
    assert not part.shares(street(), 0.0).any()
    found = part.shares(with_box(100, 60), 0.0)
    for index in range(GRID.count):
        left, top = GRID.origin(index)
        blocks = found[index].reshape(SIDE, SIDE)
        for row in range(SIDE):
            for column in range(SIDE):
                x, y = left + column * BLOCK, top + row * BLOCK
                if x >= 100 and x + BLOCK <= 124 and y >= 60 and y + BLOCK <= 84:
                    assert blocks[row, column] == 1
                elif x + BLOCK < 88 or x > 136 or y + BLOCK < 48 or y > 96:
                    assert blocks[row, column] == 0


def test_noise_does_not_move() -> None:
    part = MovingPart(TileCutter(GRID))
    for frame in noisy([street()] * 3, 12.0):
        assert part.shares(frame, 12.0).mean() < 0.01


def test_sixteen_bits_move_as_eight() -> None:
    eight, sixteen = (MovingPart(TileCutter(GRID)) for _ in range(2))
    for picture in (street(), with_box(100, 60)):
        found = [p.shares(i, 0.0) for p, i in ((eight, picture), (sixteen, picture.astype(np.uint16) * 257))]
    assert np.abs(found[0] - found[1]).mean() < 0.01
