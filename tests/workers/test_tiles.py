"""Tiles cover every pixel, overlap enough, and blend without a trace."""

import numpy as np
import pytest

from models.facts import RAMP
from workers.canvas import Canvas
from workers.tiles import TileGrid, make_grid, ramp_weights

SIZES = [(640, 360), (129, 127), (128, 128), (130, 300), (1, 1), (37, 500), (257, 1000), (176, 144)]


def all_tiles(grid: TileGrid) -> np.ndarray:
    return np.arange(grid.count)


@pytest.mark.parametrize(("tile", "halo", "ramp"), [(64, 6, RAMP), (128, 6, RAMP), (16, 2, 4), (32, 4, 6), (64, 8, 10)])
@pytest.mark.parametrize("size", SIZES)
def test_cells_partition_each_axis_and_stay_clear_of_halos(
    size: tuple[int, int], tile: int, halo: int, ramp: int
) -> None:
    grid = make_grid(*size, tile, halo, ramp)
    for axis in (grid.x, grid.y):
        assert axis.cells[0].lo == 0
        assert axis.cells[-1].hi == axis.length
        assert all(a.hi == b.lo for a, b in zip(axis.cells, axis.cells[1:], strict=False))
        for cell in axis.cells:
            assert not cell.ramp or cell.hi - cell.lo == ramp
            for index in range(cell.tile, cell.tile + 1 + cell.ramp):
                start = axis.starts[index]
                assert cell.lo >= (0 if start == 0 else start + halo)
                assert cell.hi <= (axis.length if index == len(axis.starts) - 1 else start + tile - halo)


@pytest.mark.parametrize("size", SIZES)
def test_cut_and_update_give_the_picture_back_exactly(size: tuple[int, int]) -> None:
    width, height = size
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    grid = make_grid(width, height, 64, 6)
    canvas = Canvas(grid, 1, np.uint8)
    canvas.update(all_tiles(grid), grid.cut(image, all_tiles(grid)))
    assert np.array_equal(canvas.image, image)


def test_scaled_tiles_land_where_the_scaled_picture_has_them() -> None:
    image = np.random.default_rng(2).integers(0, 65536, (150, 201, 3), dtype=np.uint16)
    grid = make_grid(201, 150, 64, 4)
    canvas = Canvas(grid, 3, np.uint16)
    canvas.update(all_tiles(grid), grid.cut(image, all_tiles(grid)).repeat(3, axis=1).repeat(3, axis=2))
    assert np.array_equal(canvas.image, image.repeat(3, axis=0).repeat(3, axis=1))


def test_tiles_that_disagree_are_blended_smoothly() -> None:
    grid = make_grid(200, 64, 64, 4)
    canvas = Canvas(grid, 2, np.uint8)
    tiles = np.stack([np.full((128, 128, 3), 40 * i, np.uint8) for i in range(grid.count)])
    canvas.update(all_tiles(grid), tiles)
    row = canvas.image[60, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 40 * (grid.count - 1)
    assert np.abs(np.diff(row)).max() <= 40 * np.pi / 2 / (RAMP * 2) + 1  # the steepest step of a raised cosine


def test_a_wide_ramp_blends_over_its_whole_width() -> None:
    grid = make_grid(102, 64, 64, 8, 10)
    canvas = Canvas(grid, 4, np.uint8)
    canvas.update(all_tiles(grid), np.stack([np.full((256, 256, 3), 100 + 100 * i, np.uint8) for i in range(2)]))
    row = canvas.image[0, :, 0].astype(int)
    assert grid.count == 2
    assert ((row > 100) & (row < 200)).sum() in range(36, 41)  # 40 pixels; the outermost may round to either end
    assert np.abs(np.diff(row)).max() <= 100 * np.pi / 2 / 40 + 1


def test_without_a_ramp_tiles_are_cut_hard() -> None:
    grid = make_grid(112, 64, 64, 8, 0)
    canvas = Canvas(grid, 1, np.uint8)
    canvas.update(all_tiles(grid), np.stack([np.full((64, 64, 3), 50 * i, np.uint8) for i in range(grid.count)]))
    assert set(np.unique(canvas.image)) == {0, 50}


@pytest.mark.parametrize("ramp", [0, 1, 3, 10])
def test_every_length_of_an_axis_is_covered_in_order(ramp: int) -> None:
    tile = 2 * 4 + 3 * ramp + (ramp == 0)  # the least there may be
    for length in range(1, 6 * tile):
        axis = make_grid(length, 1, tile, 4, ramp).x
        assert axis.cells[0].lo == 0
        assert axis.cells[-1].hi == length
        assert all(a.hi == b.lo and a.lo < a.hi for a, b in zip(axis.cells, axis.cells[1:], strict=False))


def test_updating_some_tiles_equals_updating_all() -> None:
    rng = np.random.default_rng(3)
    grid = make_grid(300, 200, 64, 4)
    before, after = (rng.integers(0, 256, (200, 300, 3), dtype=np.uint8) for _ in range(2))
    tiles = grid.cut(before, all_tiles(grid))
    some = np.array([0, 5, 6, grid.count - 1])
    tiles_after = tiles.copy()
    tiles_after[some] = grid.cut(after, some)
    one, other = Canvas(grid, 1, np.uint8), Canvas(grid, 1, np.uint8)
    one.update(all_tiles(grid), tiles)
    one.update(some, tiles_after[some])
    other.update(all_tiles(grid), tiles_after)
    assert np.array_equal(one.image, other.image)


def test_ramp_weights_of_both_tiles_sum_to_one() -> None:
    weights = ramp_weights(16)
    assert np.allclose(weights + weights[::-1], 1)
    assert (np.diff(weights) > 0).all()


@pytest.mark.parametrize(
    ("size", "tile", "halo", "ramp", "scale"),
    [((300, 200), 64, 4, 4, 2), ((201, 97), 32, 2, 8, 1), ((90, 40), 64, 8, 0, 2)],
)
def test_what_is_blended_anew_is_as_if_all_of_it_were_and_lies_in_the_boxes(
    size: tuple[int, int], tile: int, halo: int, ramp: int, scale: int
) -> None:
    """Neighbours that disagree, and only some of them new: a kept tile gives what it gave."""
    rng = np.random.default_rng(4)
    grid = make_grid(*size, tile, halo, ramp)
    now = rng.integers(0, 256, (grid.count, tile * scale, tile * scale, 3), dtype=np.uint8)
    canvas = Canvas(grid, scale, np.uint8)
    canvas.update(all_tiles(grid), now)
    for step in range(8):
        some = np.sort(rng.choice(grid.count, size=min(grid.count, step % 4 + 1), replace=False))
        now[some] = rng.integers(0, 256, (len(some), *now.shape[1:]), dtype=np.uint8)
        before = canvas.image.copy()
        given = now[some]
        boxes = canvas.update(some, given)
        given[...] = 0  # not kept
        whole = Canvas(grid, scale, np.uint8)
        whole.update(all_tiles(grid), now)
        assert np.array_equal(canvas.image, whole.image)
        outside = np.ones(canvas.image.shape[:2], bool)
        for box in boxes:
            outside[box.top : box.bottom, box.left : box.right] = False
        assert np.array_equal(canvas.image[outside], before[outside])
        assert grid.count < 4 or outside.any()


def test_wrong_sizes_are_named() -> None:
    grid = make_grid(100, 100, 64, 4)
    with pytest.raises(ValueError, match="image is 99x100, the grid is for 100x100"):
        grid.cut(np.zeros((100, 99, 3), np.uint8), all_tiles(grid))
    with pytest.raises(ValueError, match="the canvas takes"):
        Canvas(grid, 2, np.uint8).update(np.array([0]), np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="tile of 16 pixels is too small for a halo of 6 and a ramp of 4: 24 wanted"):
        make_grid(100, 100, 16, 6)
    with pytest.raises(ValueError, match="must not be negative, not 2 and -1"):
        make_grid(100, 100, 16, 2, -1)
