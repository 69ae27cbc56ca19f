"""Items of an iterable made ahead by a thread of its own, a bounded number of them. Knows nothing of what they are."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

DECODED_AHEAD = 4  # frames of a clip: decoding is quick, and a burst of it must not hold up the network

T = TypeVar("T")
_END = object()


class Ahead(Generic[T]):
    """An iterable, to be read once; a context manager: when it is left the thread has ended, whatever it was doing.

    most: items made but not taken, at most. What the source raises is raised here in its place, after the items before.
    The source is touched by the thread alone until the end of the block.
    """

    def __init__(self, source: Iterable[T], most: int) -> None:
        if most < 1:
            raise ValueError(f"{most} items ahead: at least one must be allowed")
        self._source = source
        self._made: queue.Queue[object] = queue.Queue(most)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._make, name="ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        while self._thread.is_alive():
            self._drop_one()
            self._thread.join(0.01)

    def __iter__(self) -> Iterator[T]:
        while (item := self._made.get()) is not _END:
            if isinstance(item, _Raised):
                raise item.error
            yield item  # type: ignore[misc]

    def _make(self) -> None:
        try:
            for item in self._source:
                self._made.put(item)
                if self._left.is_set():
                    return
        except BaseException as error:  # raised where the items are read
            self._made.put(_Raised(error))
        self._made.put(_END)

    def _drop_one(self) -> None:
        try:
            self._made.get_nowait()
        except queue.Empty:
            return


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error
