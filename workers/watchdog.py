"""Ends the process whose main loop has stopped going round: nothing else can be sure to. Knows no loop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

log = structlog.get_logger(__name__)

LIMIT_S = 60.0
EXIT_CODE = 70  # EX_SOFTWARE


def _end() -> None:
    os._exit(EXIT_CODE)  # no clean-up: what hangs would hang it too


class Watchdog:
    """A context manager. `beat()` is to be called more often than every `limit_s` while it is open."""

    def __init__(self, name: str, limit_s: float = LIMIT_S, end: Callable[[], None] = _end) -> None:
        self._name, self._limit_s, self._end = name, limit_s, end
        self._beat_at = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self.beat()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def beat(self) -> None:
        self._beat_at = time.monotonic()

    def _watch(self) -> None:
        while not self._ended.wait(self._limit_s / 10):
            if time.monotonic() - self._beat_at > self._limit_s:
                log.error("no progress, the process ends", stage="camera", what=self._name, limit_s=self._limit_s)
                self._end()
                return
