"""Batches made ahead of their step by threads, in order. A batch depends on its step alone, so nothing is stored."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """`make(step)` for steps in order; with workers, some steps early. Use as a context manager."""

    def __init__(self, make: Callable[[int], T], workers: int) -> None:
        self._make = make
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers) if workers else None
        self._waiting: dict[int, Future[T]] = {}

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __call__(self, step: int) -> T:
        if self._pool is None:
            return self._make(step)
        for coming in range(step, step + 2 * self._workers):
            if coming not in self._waiting:
                self._waiting[coming] = self._pool.submit(self._make, coming)
        return self._waiting.pop(step).result()
