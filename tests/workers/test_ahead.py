"""Items made ahead: in order, never more than allowed, errors in their place, and no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from workers.ahead import Ahead

WaitFor = Callable[..., None]


def threads() -> int:
    return sum(thread.name == "ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("most", [1, 3])
def test_items_come_in_order_and_no_more_are_made_than_may_be(most: int, wait_for: WaitFor) -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for n in range(20):
            made.append(n)
            yield n

    with Ahead(source(), most) as ahead:
        for taken, item in enumerate(ahead):
            assert item == taken
            wait_for(lambda taken=taken: len(made) >= min(20, taken + 1 + most))
            assert len(made) <= taken + 2 + most  # one more is in hand, waiting for its place
    assert made == list(range(20))
    assert threads() == 0


def test_an_error_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("third")

    with Ahead(source(), 5) as ahead:
        items = iter(ahead)
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(KeyError, match="third"):
            next(items)


def test_leaving_early_ends_the_thread_though_its_queue_is_full(wait_for: WaitFor) -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for n in range(10**9):
            made.append(n)
            yield n

    with pytest.raises(ValueError, match="enough"), Ahead(source(), 2) as ahead:  # noqa: PT012
        next(iter(ahead))
        wait_for(lambda: len(made) >= 4)
        raise ValueError("enough")
    assert threads() == 0
    assert len(made) < 100


def test_nothing_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Ahead([], 0)
