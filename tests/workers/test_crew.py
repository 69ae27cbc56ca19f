"""A crew: pieces come back together as if computed at once, and failures reach whoever waits."""

from __future__ import annotations

import queue

import numpy as np
import pytest
import torch

from models.enhancer import EnhanceError, EnhanceResult
from models.registry import load
from tests.workers.rig import Doubling, NanOnMark, RaisingOnMark, Waiting, doubled, enhancer, picture_tiles
from workers.crew import Crew, Dropped


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 4, 11])
def test_tiles_come_back_as_from_the_enhancer_itself(size: int, count: int) -> None:
    tiles = picture_tiles(count)
    model = enhancer(Doubling())
    with Crew(size, 4) as crew:
        result = crew.enhance(model, tiles)
    direct = model.enhance(tiles)
    assert np.array_equal(result.pixels, doubled(tiles))
    assert np.array_equal(result.added, direct.added)
    assert not result.failed.any()
    assert not result.redone.any()
    assert result.seconds > 0


def test_real_tiles_do_not_depend_on_the_crew() -> None:
    model = load("espcn-x2", 2, "cpu", threads=1)
    tiles = picture_tiles(5, edge=128)
    results = []
    for size in (1, 2, 3):
        with Crew(size, 3, threads=1) as crew:
            results.append(crew.enhance(model, tiles))
    assert all(np.array_equal(results[0].pixels, other.pixels) for other in results[1:])
    assert all(np.array_equal(results[0].added, other.added) for other in results[1:])


def test_calls_of_many_are_all_answered_each_with_its_own() -> None:
    model = enhancer(Doubling())
    found: queue.SimpleQueue[tuple[int, EnhanceResult]] = queue.SimpleQueue()
    with Crew(3, 2) as crew:
        for n in range(20):
            crew.submit(model, picture_tiles(n % 5 + 1, n), lambda result, n=n: found.put((n, result)))
        answers = dict(found.get(timeout=20) for _ in range(20))
    assert sorted(answers) == list(range(20))
    assert all(np.array_equal(r.pixels, doubled(picture_tiles(n % 5 + 1, n))) for n, r in answers.items())


def test_what_the_network_raises_is_raised_and_the_next_call_goes_on() -> None:
    model = enhancer(RaisingOnMark())
    with Crew(2, 1) as crew:
        bad = np.concatenate([picture_tiles(3), picture_tiles(1, mark=True), picture_tiles(2)])
        with pytest.raises(RuntimeError, match="does not agree"):
            crew.enhance(model, bad)
        assert np.array_equal(crew.enhance(model, picture_tiles(3)).pixels, doubled(picture_tiles(3)))


def test_tiles_that_failed_are_told_one_by_one() -> None:
    tiles = np.concatenate([picture_tiles(3), picture_tiles(1, mark=True), picture_tiles(2)])
    with Crew(2, 1) as crew:
        result = crew.enhance(enhancer(NanOnMark()), tiles)
    assert result.failed.tolist() == [False, False, False, True, False, False]
    assert result.redone.tolist() == [False, False, False, True, False, False]


def test_what_nobody_wants_is_not_computed() -> None:
    network = Waiting()
    found: queue.SimpleQueue[EnhanceResult | BaseException] = queue.SimpleQueue()
    wanted = True
    with Crew(1, 1) as crew:
        crew.submit(enhancer(network), picture_tiles(3), found.put, wanted=lambda: wanted)
        assert network.begun.wait(10)
        wanted = False
        network.may_end.set()
        assert isinstance(found.get(timeout=10), Dropped)
    assert network.batches == [1]


def test_leaving_does_not_wait_for_what_has_not_begun() -> None:
    network = Doubling()
    crew = Crew(1, 1)
    crew.submit(enhancer(network), picture_tiles(4), lambda _: None)
    crew._ended.set()  # as `__exit__` does first
    with crew:
        pass
    assert len(network.batches) <= 1


def test_a_tile_too_large_for_memory_is_told_as_by_the_enhancer() -> None:
    class Never(Doubling):
        def spoil(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with Crew(2, 4) as crew, pytest.raises(EnhanceError):
        crew.enhance(enhancer(Never()), picture_tiles(8))


@pytest.mark.parametrize(("size", "limit"), [(0, 1), (1, 0)])
def test_a_crew_of_nothing_is_refused(size: int, limit: int) -> None:
    with pytest.raises(ValueError, match="does nothing"):
        Crew(size, limit)
