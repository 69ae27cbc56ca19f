"""When a run saves, when it ends before its last step, and how its rate falls. Knows no run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Pace:
    """From now on: `over` after each step."""

    def __init__(
        self, save: Callable[[], None], stop: Callable[[], bool], minutes: float | None, save_every_s: float
    ) -> None:
        self._save, self._stop, self._every = save, stop, save_every_s
        self._saved = time.monotonic()
        self._end = math.inf if minutes is None else self._saved + minutes * 60

    def over(self) -> bool:
        """Whether the run is to end now; where it goes on, it is saved if that is due."""
        now = time.monotonic()
        if self._stop() or now > self._end:
            return True
        if now - self._saved > self._every:
            self._save()
            self._saved = now
        return False


def let_down(step: int, steps: int, cooldown: float) -> float:
    """The share of the rate at a step: 1, then over the last `cooldown` of the steps a half cosine to a hundredth."""
    start = steps * (1 - cooldown)
    progress = min(1.0, max(0.0, (step - start) / max(1.0, steps - start)))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
