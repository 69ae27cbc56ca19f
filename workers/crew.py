"""A crew of threads that run a network side by side, each on small pieces of the tiles. Knows no frames or queues.

On a CPU: one call of a network with many threads waits for the slowest of them at every layer, which is costly where an
encoder uses the processors too; pieces wait for nobody. A tile's result does not depend on what it is computed with
(`models/enhancer.py`), so not on pieces either.
"""

from __future__ import annotations

import copy
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from models.enhancer import Enhancer, EnhanceResult

PIECE_PIXELS = 2 * 128 * 128  # input pixels of a piece: a light network is slower with fewer, none is with so few

Done = Callable[[EnhanceResult | BaseException], None]


class Dropped(Exception):
    """Nobody wanted the tiles any more before all of them were computed."""


@dataclass(slots=True, eq=False)
class _Call:
    """Tiles that were given together, and what has come of them so far."""

    enhancers: list[Enhancer]  # one for each member
    tiles: NDArray[Any]
    consistency: bool
    wanted: Callable[[], bool]
    done: Done
    left: int  # pieces
    lock: threading.Lock = field(default_factory=threading.Lock)
    result: EnhanceResult | None = None  # arrays of the whole, filled piece by piece; its sums grow
    error: BaseException | None = None


class Crew:
    """Threads of one process's network. A context manager: leaving it ends them after the pieces in hand.

    size: members. threads: of torch in each (None: as they are). limit: tiles of a piece at most, PIECE_PIXELS aside
    where the crew has one member: then a piece is what a batch is.
    """

    def __init__(self, size: int, limit: int, *, threads: int | None = None) -> None:
        if size < 1 or limit < 1:
            raise ValueError(f"a crew of {size} with pieces of {limit} tiles does nothing")
        self._size, self._limit, self._torch_threads = size, limit, threads
        self._pieces: queue.SimpleQueue[tuple[_Call, slice] | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(member,), name=f"enhance-{member}", daemon=True)
            for member in range(size)
        ]

    @property
    def size(self) -> int:
        return self._size

    def __enter__(self) -> Self:
        if self._torch_threads is not None:
            torch.set_num_threads(self._torch_threads)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for _ in self._threads:
            self._pieces.put(None)
        for thread in self._threads:
            thread.join()

    def submit(
        self,
        enhancer: Enhancer,
        tiles: NDArray[Any],
        done: Done,
        *,
        consistency: bool = False,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Enhance tiles (N >= 1, t, t, 3); `done` is called once, by a member: with all of them or what was raised.

        Calls are taken up in order. wanted: asked before each piece; after a no the rest is left, and `done` gets
        Dropped.
        """
        piece = self._limit
        if self._size > 1:
            piece = min(piece, max(1, PIECE_PIXELS // (tiles.shape[1] * tiles.shape[2])))
        pieces = [slice(lo, min(lo + piece, len(tiles))) for lo in range(0, len(tiles), piece)]
        # Members share the network, which is a function; what else an enhancer knows is each member's own.
        own = [enhancer] if self._size == 1 else [copy.copy(enhancer) for _ in range(self._size)]
        call = _Call(own, tiles, consistency, wanted, done, len(pieces))
        for part in pieces:
            self._pieces.put((call, part))

    def begin(
        self, enhancer: Enhancer, tiles: NDArray[Any], *, consistency: bool = False
    ) -> Callable[[], EnhanceResult]:
        """The same; what is returned waits, and raises what the enhancer raised. To be called once, not by a member."""
        answer: queue.SimpleQueue[EnhanceResult | BaseException] = queue.SimpleQueue()
        self.submit(enhancer, tiles, answer.put, consistency=consistency)

        def wait() -> EnhanceResult:
            result = answer.get()
            if isinstance(result, BaseException):
                raise result
            return result

        return wait

    def enhance(self, enhancer: Enhancer, tiles: NDArray[Any], *, consistency: bool = False) -> EnhanceResult:
        """The same, waited for."""
        return self.begin(enhancer, tiles, consistency=consistency)()

    def _run(self, member: int) -> None:
        while (work := self._pieces.get()) is not None and not self._ended.is_set():
            self._do(member, *work)

    def _do(self, member: int, call: _Call, part: slice) -> None:
        error: BaseException | None = None
        try:
            if call.error is None:
                if not call.wanted():
                    raise Dropped
                found = call.enhancers[member].enhance(call.tiles[part], consistency=call.consistency)
                _put(call, part, found, self._size)
        except BaseException as raised:  # handed to whoever waits, who raises or tells it
            error = raised
        with call.lock:
            call.left -= 1
            call.error = call.error or error
            last = not call.left
        answer = call.error or call.result
        if last and answer is not None:
            call.done(answer)


def _put(call: _Call, part: slice, found: EnhanceResult, members: int) -> None:
    """Copy a piece to its place in the whole. Members work at once, so each one's seconds count by its share."""
    if part.stop - part.start == len(call.tiles):
        call.result = found
        return
    with call.lock:
        if call.result is None:
            pixels, redone, failed, added = (
                np.empty((len(call.tiles), *a.shape[1:]), a.dtype)
                for a in (found.pixels, found.redone, found.failed, found.added)
            )
            call.result = replace(
                found, pixels=pixels, redone=redone, failed=failed, added=added, halved=0, seconds=0.0
            )
        whole = call.result
    whole.pixels[part], whole.added[part] = found.pixels, found.added
    whole.redone[part], whole.failed[part] = found.redone, found.failed
    with call.lock:
        now = call.result
        call.result = replace(now, halved=now.halved + found.halved, seconds=now.seconds + found.seconds / members)
