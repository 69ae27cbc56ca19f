"""Waiting for a condition. Not a test file."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], seconds: float = 60.0, *, pause_s: float = 0.01, why: object = "") -> T:
    """What the condition gives once that is true. Fails the test if it never is; `why` is told, or called for it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            told = why() if callable(why) else why
            raise AssertionError(f"condition not met within {seconds} s. {told}")
        time.sleep(pause_s)
    return found
