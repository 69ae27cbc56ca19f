"""A loop that stands still ends its process; one that goes round does not."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

from workers.watchdog import EXIT_CODE, Watchdog

STUCK = """
import threading
from workers.watchdog import Watchdog
with Watchdog("cam", limit_s=0.2):
    threading.Event().wait(30)
"""


def test_a_process_that_stands_still_is_ended() -> None:
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", STUCK], timeout=30, check=False).returncode == EXIT_CODE
    assert time.monotonic() - began < 20


def test_one_that_goes_round_goes_on(wait_for: Callable[..., None]) -> None:
    ended = threading.Event()
    began = time.monotonic()
    with Watchdog("cam", limit_s=2.0, end=ended.set) as watchdog:
        wait_for(lambda: watchdog.beat() or time.monotonic() - began > 3.0, 10)
        assert not ended.is_set()
        wait_for(ended.is_set, 10)
