"""Wrong keys, counted by who gave them, so that a key cannot be found by trying. Knows no route and no key.

Whoever asks for somebody else (a media server) may name whom it likes, so its own wrong keys are counted as well.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_S = 60.0
OF_PUBLISHER, OF_PEER = 10, 100  # wrong keys within WINDOW_S, after which no other is looked at
NAMES = 1000  # of which something is remembered; then who was wrong longest ago is forgotten


class Attempts:
    """Those of the last minute. One per app, used in its event loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[tuple[str, ...], deque[float]] = OrderedDict()

    def wait_s(self, peer: str, publisher: str) -> float:
        """Seconds until a key is looked at again; 0: now. peer: who asks; publisher: for whom, as the peer says."""
        since = self._clock() - WINDOW_S
        return max(self._oldest(name, most, since) - since for name, most in _names(peer, publisher))

    def wrong(self, peer: str, publisher: str) -> None:
        """A wrong key was given."""
        for name, most in _names(peer, publisher):
            self._wrong.setdefault(name, deque(maxlen=most)).append(self._clock())
            self._wrong.move_to_end(name)
        while len(self._wrong) > NAMES:
            self._wrong.popitem(last=False)

    def _oldest(self, name: tuple[str, ...], most: int, since: float) -> float:
        """When the first of `most` wrong keys was given; `since` where there were fewer, or that is longer ago."""
        times = self._wrong.get(name)
        return since if times is None or len(times) < most else max(times[0], since)


def _names(peer: str, publisher: str) -> tuple[tuple[tuple[str, ...], int], ...]:
    return ((peer, publisher), OF_PUBLISHER), ((peer,), OF_PEER)
