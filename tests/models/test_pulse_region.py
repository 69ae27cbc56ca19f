"""The square that is explored: it holds the box, lies in the picture, and fits the bank."""

import numpy as np
import pytest

from models.pulse.region import SMALLEST, Box, RegionError, region_for


def test_the_square_is_the_smallest_power_of_two_around_the_box() -> None:
    assert region_for(Box(10, 20, 5, 7), 100, 80, 64) == Box(9, 20, 8, 8)
    assert region_for(Box(10, 20, 8, 8), 100, 80, 64) == Box(10, 20, 8, 8)
    assert region_for(Box(10, 20, 9, 4), 100, 80, 64) == Box(7, 14, 16, 16)


def test_the_square_stays_in_the_picture() -> None:
    assert region_for(Box(95, 75, 5, 5), 100, 80, 64) == Box(92, 72, 8, 8)
    assert region_for(Box(0, 0, 5, 5), 100, 80, 64) == Box(0, 0, 8, 8)


def test_every_box_is_held_by_its_square() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        width, height = (int(v) for v in random.integers(64, 200, 2))
        w, h = (int(v) for v in random.integers(SMALLEST, 33, 2))
        x, y = int(random.integers(0, width - w + 1)), int(random.integers(0, height - h + 1))
        found = region_for(Box(x, y, w, h), width, height, 128)
        assert found.width == found.height
        assert found.width in (4, 8, 16, 32, 64)
        assert found.width // 2 < max(w, h) <= found.width
        assert 0 <= found.x <= x
        assert 0 <= found.y <= y
        assert x + w <= found.x + found.width <= width
        assert y + h <= found.y + found.height <= height


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (Box(0, 0, 3, 9), "3x9.*4x4.*larger"),
        (Box(-1, 0, 8, 8), r"\(-1, 0\).*100x80"),
        (Box(95, 0, 8, 8), "within.*at most 100"),
        (Box(0, 75, 8, 8), "at most 80"),
        (Box(0, 0, 40, 8), "64 pixels.*32 at most.*larger bank"),
    ],
)
def test_boxes_that_cannot_be_explored_are_named_with_the_remedy(box: Box, words: str) -> None:
    with pytest.raises(RegionError, match=words):
        region_for(box, 100, 80, 64)


def test_a_picture_too_small_for_the_square_is_named() -> None:
    with pytest.raises(RegionError, match=r"60x40.*32 pixels or fewer"):
        region_for(Box(0, 0, 33, 33), 60, 40, 256)
