"""Batches of equal tiles from the tiles of many frames. Pure decisions."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Slice(NamedTuple):
    """Tiles lo..hi of the item with number `item`."""

    item: int
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Tiles that go through the network together, in order; slices of the same item are in ascending order."""

    kind: Hashable
    slices: tuple[Slice, ...]

    @property
    def tiles(self) -> int:
        return sum(s.hi - s.lo for s in self.slices)


def plan_batches(items: Sequence[tuple[Hashable, int]], limit: int) -> list[Batch]:
    """Cut items into batches of at most `limit` tiles, each of one kind.

    items: (kind, tiles) each; only tiles of equal kind (model, scale, size, sample type) may share a batch. A batch
    holds tiles of as many items as fit, and an item's tiles may spread over several batches.
    """
    if limit < 1:
        raise ValueError(f"a batch of at most {limit} tiles holds none")
    batches: list[Batch] = []
    for kind in dict.fromkeys(kind for kind, _ in items):
        slices: list[Slice] = []
        room = limit
        for item, (of_kind, tiles) in enumerate(items):
            lo = 0
            while of_kind == kind and lo < tiles:
                hi = min(tiles, lo + room)
                slices.append(Slice(item, lo, hi))
                room -= hi - lo
                lo = hi
                if room == 0:
                    batches.append(Batch(kind, tuple(slices)))
                    slices, room = [], limit
        if slices:
            batches.append(Batch(kind, tuple(slices)))
    return batches


def frames_to_claim(tiles_wanted: int, tiles_per_frame: float) -> int:
    """How many frames to ask for so that a batch fills: at least two, so that batches of several clips mix."""
    return max(2, min(64, round(tiles_wanted / max(1.0, tiles_per_frame))))
