"""Only tiles whose input changed are enhanced again."""

import numpy as np

from workers.motion import ExactReuse
from workers.tiles import make_grid

GRID = make_grid(300, 200, 64, 4)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (200, 300, 3), dtype=np.uint8)


def test_first_frame_is_enhanced_whole_and_a_copy_of_it_not_at_all() -> None:
    reuse = ExactReuse(GRID)
    assert len(reuse.changed(picture())) == GRID.count
    assert len(reuse.changed(picture())) == 0


def test_one_changed_pixel_brings_back_every_tile_that_sees_it() -> None:
    reuse = ExactReuse(GRID)
    image = picture()
    reuse.changed(image)
    x = GRID.x.starts[1] + 2  # in the overlap of the first two columns
    image[5, x] ^= 255
    assert reuse.changed(image).tolist() == [0, 1]
    assert reuse.changed(image).tolist() == []


def test_forgotten_tiles_are_enhanced_although_nothing_moved() -> None:
    reuse = ExactReuse(GRID)
    reuse.changed(picture())
    reuse.forget(np.array([2, 3]))
    assert reuse.changed(picture()).tolist() == [2, 3]
    assert reuse.changed(picture()).tolist() == []


def test_the_caller_may_overwrite_its_image() -> None:
    reuse = ExactReuse(GRID)
    image = picture()
    reuse.changed(image)
    image[...] = 0
    assert reuse.changed(picture()).tolist() == []
