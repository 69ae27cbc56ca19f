"""Figures of tiles put together: areas counted once, maps pooled, what is unknown marked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workers.added import COLUMNS, ROWS, Added, AddedDetail, AddedSummary, decode, encode, map_size
from workers.tiles import make_grid

ALL = np.arange


def figures(count: int, cells: int, error: float, detail: float) -> np.ndarray:
    return np.broadcast_to(np.array([error, detail], np.float32), (count, cells, cells, 2)).copy()


def test_equal_cells_give_their_own_value_however_tiles_overlap() -> None:
    grid = make_grid(201, 155, 64, 4)
    added = AddedDetail(grid)
    added.update(ALL(grid.count), figures(grid.count, 4, 3.0, 1.0))
    assert added.now() == Added(3.0, 1.0, "63" * (12 * 9))


def test_areas_are_counted_once_by_hand() -> None:
    """100 pixels in a row of two tiles of 64 from 0 and 36, meeting in the middle, at 50; the left one has error 2."""
    grid = make_grid(100, 64, 64, 4)
    added = AddedDetail(grid)
    both = np.stack([figures(1, 4, 2.0, 0.0)[0], figures(1, 4, 0.0, 4.0)[0]])
    added.update(ALL(2), both)
    now = added.now()
    assert now.error == pytest.approx(math.sqrt(50 * 4 / 100), abs=1e-3)
    assert now.detail == pytest.approx(math.sqrt(50 * 16 / 100), abs=1e-3)
    rows = [now.map[i : i + 12] for i in range(0, 48, 12)]
    assert len(set(rows)) == 1
    # Six columns of 16.7 pixels: the boundary at 50 lies between the third and the fourth.
    assert rows[0] == "505050" + "070707"


def test_one_cell_shows_where_it_lies() -> None:
    grid = make_grid(64, 64, 64, 4)
    added = AddedDetail(grid)
    values = figures(1, 4, 0.0, 0.0)
    values[0, 2, 1] = [1.0, 8.0]
    added.update(ALL(1), values)
    assert added.now().map == "00" * 9 + "39" + "00" * 6
    assert added.now().error == 0.25


def test_reused_tiles_keep_their_figures_and_resized_ones_have_none() -> None:
    grid = make_grid(100, 64, 64, 4)
    added = AddedDetail(grid)
    added.update(ALL(2), figures(2, 4, 2.0, 1.0))
    added.update(np.array([1]), figures(1, 4, 4.0, 1.0))
    assert added.now().error == pytest.approx(math.sqrt((4 + 16) / 2), abs=1e-3)
    added.update(np.array([1]), None)
    assert added.now().error == 2.0
    assert added.now().map.startswith("535353......")
    added.update(np.array([0]), None)
    assert added.now() == Added(None, None, "." * 48)


def test_cells_beyond_a_small_frame_do_not_count() -> None:
    grid = make_grid(20, 10, 64, 4)
    added = AddedDetail(grid)
    values = figures(1, 4, 9.0, 9.0)
    values[0, 0, 0] = 1.0
    values[0, 0, 1] = 3.0
    added.update(ALL(1), values)
    assert added.now().error == pytest.approx(math.sqrt((16 * 1 + 4 * 9) / 20), abs=1e-3)


@pytest.mark.parametrize(
    ("size", "expected"), [((640, 360), (32, 18)), ((1920, 1080), (32, 18)), ((352, 288), (22, 18)), ((8, 8), (1, 1))]
)
def test_maps_are_small(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert map_size(*size, 128) == expected
    assert expected <= (COLUMNS, ROWS)


def test_digits_go_by_half_octaves_from_half_a_level() -> None:
    values = np.array([0.0, 0.49, 0.5, 0.7, 0.71, 1.0, 2.0, 64.0, 1000.0, math.nan])
    assert encode(values) == "0011235ff."
    back = decode("01f.")
    assert back[0] == 0
    assert 0.5 < back[1] < 0.71
    assert 64 < back[2] < 91
    assert math.isnan(back[3])
    assert encode(decode("0123456789abcdef.")) == "0123456789abcdef."


def test_a_summary_counts_each_frame_with_the_map_it_had() -> None:
    summary = AddedSummary(1, 1)
    summary.add(0, {"error": 1.0, "detail": 2.0, "map": "13"})
    summary.add(40, {"error": 1.0, "detail": 2.0})
    summary.add(80, {"error": 4.0, "detail": 2.0, "map": "13"})
    found = summary.to_json()
    assert found["error"] == {"mean": 2.0, "max": 4.0, "max_pts": 80, "frames": 3}
    assert found["map"]["mean"] == "13"
