"""Batches fill with equal tiles of any frames."""

import pytest

from workers.batching import frames_to_claim, plan_batches


def test_tiles_of_several_items_share_a_batch() -> None:
    batches = plan_batches([("a", 3), ("a", 2), ("a", 4)], limit=8)
    assert [b.tiles for b in batches] == [8, 1]
    assert {s.item for s in batches[0].slices} == {0, 1, 2}


def test_kinds_never_share_a_batch() -> None:
    batches = plan_batches([("a", 1), ("b", 1), ("a", 1)], limit=8)
    assert [(b.kind, [s.item for s in b.slices]) for b in batches] == [("a", [0, 2]), ("b", [1])]


@pytest.mark.parametrize("limit", [1, 2, 5, 16])
def test_every_tile_is_in_exactly_one_batch(limit: int) -> None:
    items = [("a", 7), ("b", 3), ("a", 1), ("a", 20), ("b", 5)]
    seen = [(s.item, tile) for batch in plan_batches(items, limit) for s in batch.slices for tile in range(s.lo, s.hi)]
    assert sorted(seen) == [(item, tile) for item, (_, tiles) in enumerate(items) for tile in range(tiles)]
    assert all(batch.tiles <= limit for batch in plan_batches(items, limit))


def test_a_batch_of_no_tiles_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 0 tiles"):
        plan_batches([("a", 1)], 0)


def test_at_least_two_frames_are_claimed_so_that_clips_mix() -> None:
    assert frames_to_claim(16, 18.0) == 2
    assert frames_to_claim(16, 2.0) == 8
    assert frames_to_claim(16, 0.0) == 16
