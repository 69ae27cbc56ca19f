"""A loop that stands still ends its process; one that goes round does not."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from workers.watchdog import EXIT_CODE, Watchdog

STUCK = """
import threading
import pytest

from workers.watchdog import Watchdog
with Watchdog("cam", limit_s=0.2):
    threading.Event().wait(30)
"""


def test_a_process_that_stands_still_is_ended() -> None:
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", STUCK], timeout=30, check=False).returncode == EXIT_CODE
    assert time.monotonic() - began < 20


class Clock:
    """Stands still but when it is set. `looks`: how often the watchdog has looked at it."""

    def __init__(self) -> None:
        self.now, self.looks = 0.0, 0

    def monotonic(self) -> float:
        self.looks += threading.current_thread().name == "watchdog"
        return self.now


def test_one_that_goes_round_goes_on(wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    ended, clock = threading.Event(), Clock()
    monkeypatch.setattr("workers.watchdog.time", clock)
    with Watchdog("cam", limit_s=0.2, end=ended.set) as watchdog:
        for _ in range(5):
            clock.now += 0.15
            watchdog.beat()
            looks = clock.looks
            wait_for(lambda looks=looks: clock.looks > looks)
        assert not ended.is_set()
        clock.now += 0.25
        wait_for(ended.is_set)
