"""Running sums of a live stream: rates, lags by rung, what became of frames. Of fixed size, however long it runs."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

from workers.live_frames import Shown

RATE_S = 5.0
RECENT = 512  # lags, for the percentile
HOUR_S = 3600.0
BOUNDS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0)
_BIN_S = 0.5
_SHARE = 0.02  # of the newest frame in the running share of tiles


class Rate:
    """Events a second over the last RATE_S."""

    def __init__(self) -> None:
        self._bins: deque[tuple[float, int]] = deque(maxlen=round(RATE_S / _BIN_S) + 2)
        self._since: float | None = None

    def add(self, now: float, count: int) -> None:
        if not count:
            return
        if self._since is None:
            self._since = now
        if self._bins and now - self._bins[-1][0] < _BIN_S:
            at, before = self._bins.pop()
            self._bins.append((at, before + count))
        else:
            self._bins.append((now, count))

    def per_s(self, now: float) -> float:
        if self._since is None:
            return 0.0
        total = sum(count for at, count in self._bins if now - at <= RATE_S)
        return total / min(RATE_S, max(1.0, now - self._since))


@dataclass(slots=True)
class Lags:
    """A distribution: counts by BOUNDS_S and one above, cumulative only when asked."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    total_s: float = 0.0
    longest_s: float = 0.0

    def add(self, lag_s: float) -> None:
        self.counts[bisect_left(BOUNDS_S, lag_s)] += 1
        self.total_s += lag_s
        self.longest_s = max(self.longest_s, lag_s)

    @property
    def number(self) -> int:
        return sum(self.counts)

    def within_s(self, share: float) -> float:
        """The least of BOUNDS_S that so large a share stayed within; the longest where it is beyond them."""
        wanted, seen = share * self.number, 0
        for bound_s, count in zip(BOUNDS_S, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return min(bound_s, self.longest_s)
        return self.longest_s


class LiveTally:
    """Sums since the stream began here. Times are of the loop's clock."""

    def __init__(self) -> None:
        self.frames = self.dropped = self.late = 0
        self.tiles = self.computed = self.reconnects = 0
        self.how: dict[str, int] = {}
        self.lags: dict[str, Lags] = {}  # by rung: from a frame's arrival until its part could be fetched
        self.segment_lags: dict[str, Lags] = {}  # the same until its whole segment could be
        self.lag_s: float | None = None
        self.recomputed_share: float | None = None  # of the last minute or so
        self.fused_share: float | None = None  # the same of tiles shown of several frames; None without fusion
        self._in, self._out = Rate(), Rate()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._reconnects: deque[float] = deque(maxlen=4096)

    def arrived(self, now: float, received: int, dropped: int) -> None:
        self._in.add(now, received)
        self.dropped += dropped

    def shown(self, now: float, shown: Shown) -> None:
        self.frames += 1
        self._out.add(now, 1)
        self.late += shown.how == "late"
        self.how[shown.how] = self.how.get(shown.how, 0) + 1
        self.tiles += shown.tiles
        self.computed += shown.changed
        self.recomputed_share = _running(self.recomputed_share, shown.changed / shown.tiles)
        if shown.look is not None and shown.look.fused is not None:
            self.fused_share = _running(self.fused_share, shown.look.fused / shown.tiles)

    def available(self, rung: str, lag_s: float, *, whole: bool = False) -> None:
        """A frame could be fetched `lag_s` after its arrival; whole: with all of its segment."""
        if whole:
            self.segment_lags.setdefault(rung, Lags()).add(lag_s)
            return
        self.lag_s = lag_s
        self._recent.append(lag_s)
        self.lags.setdefault(rung, Lags()).add(lag_s)

    def reconnected(self, now: float) -> None:
        self.reconnects += 1
        self._reconnects.append(now)

    def fps_in(self, now: float) -> float:
        return self._in.per_s(now)

    def fps_out(self, now: float) -> float:
        return self._out.per_s(now)

    def lag_p95_s(self) -> float | None:
        lags = sorted(self._recent)
        return lags[min(len(lags) - 1, round(0.95 * len(lags)))] if lags else None

    def reconnects_1h(self, now: float) -> int:
        while self._reconnects and now - self._reconnects[0] > HOUR_S:
            self._reconnects.popleft()
        return len(self._reconnects)


def _running(before: float | None, share: float) -> float:
    return share if before is None else before + _SHARE * (share - before)
