"""How long to wait before a camera is tried again. Pure: knows neither cameras nor clocks."""

from __future__ import annotations

import random

FIRST_S = 1.0
CAP_S = 60.0
SLOW_S = (60.0, 120.0)  # where trying again soon will not help, and may lock an account
JITTER = 0.5  # waits are drawn from this share of the bound upwards, so that cameras of one switch do not come at once
GOOD_S = 30.0  # frames for so long: the next trouble is a new one


class Backoff:
    """Bounds double from FIRST_S to `cap_s`. Two of the same seed draw the same waits."""

    def __init__(self, seed: int | None = None, cap_s: float = CAP_S) -> None:
        self._random = random.Random(seed)
        self._cap_s = cap_s
        self._failures = 0
        self._frames_since: float | None = None

    @property
    def bound_s(self) -> float:
        """The longest that the next wait can be, unless the trouble is a slow one."""
        return self._bound_s(self._failures + 1)

    def frame(self, now: float) -> None:
        """A frame came; now in seconds of a clock that does not go back."""
        if self._frames_since is None:
            self._frames_since = now
        elif now - self._frames_since >= GOOD_S:
            self._failures = 0

    def failed(self, *, slow: bool = False) -> float:
        """Seconds to wait after the connection failed or ended."""
        self._frames_since = None
        if not slow:
            self._failures += 1
        return self.after(self._failures, slow)

    def after(self, failures: int, slow: bool) -> float:
        """Seconds to wait after the n-th failure in a row, for those who count themselves."""
        if slow:
            return self._random.uniform(*SLOW_S)
        return self._bound_s(failures) * self._random.uniform(JITTER, 1.0)

    def _bound_s(self, failures: int) -> float:
        return min(self._cap_s, FIRST_S * 2.0 ** min(failures - 1, 30))
