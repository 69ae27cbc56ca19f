"""Something done again and again by a thread of its own while a block runs. Knows not what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self


class Periodic:
    """A context manager, for once. do: called every `every_s` seconds, the first time after as many.

    last: called by the same thread when the block is left. leave_s: how long leaving waits for the thread, which may be
    in the middle of either; None: until it has ended. What they raise ends the thread.
    """

    def __init__(
        self,
        name: str,
        every_s: float,
        do: Callable[[], object],
        *,
        last: Callable[[], object] | None = None,
        leave_s: float | None = None,
    ) -> None:
        self._every_s, self._do, self._last, self._leave_s = every_s, do, last, leave_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(self._leave_s)

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self._do()
        if self._last is not None:
            self._last()
