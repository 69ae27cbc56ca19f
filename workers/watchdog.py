"""Ends the process whose main loop has stopped going round: nothing else can be sure to. Knows no loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Self

import structlog

from pipeline.periodic import Periodic

log = structlog.get_logger(__name__)

LIMIT_S = 60.0
EXIT_CODE = 70  # EX_SOFTWARE


def _end() -> None:
    os._exit(EXIT_CODE)  # no clean-up: what hangs would hang it too


class Watchdog(Periodic):
    """A context manager. `beat()` is to be called more often than every `limit_s` while it is open."""

    def __init__(self, name: str, limit_s: float = LIMIT_S, end: Callable[[], None] = _end) -> None:
        super().__init__("watchdog", limit_s / 10, self._watch)
        self._name, self._limit_s, self._end = name, limit_s, end
        self._beat_at = time.monotonic()

    def __enter__(self) -> Self:
        self.beat()
        return super().__enter__()

    def beat(self) -> None:
        self._beat_at = time.monotonic()

    def _watch(self) -> None:
        if time.monotonic() - self._beat_at > self._limit_s:
            log.error("no progress, the process ends", stage="camera", what=self._name, limit_s=self._limit_s)
            self._end()
