"""A stretch of a camera's frame log summed up. Pure: knows neither files nor routes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from service.report_schemas import LagBody, RungReportBody, SummaryBody

EVENTS_LISTED = 500


class Lags:
    """A distribution to the millisecond, as lags are logged, of as many counts as there are different values."""

    def __init__(self) -> None:
        self._counts: Counter[float] = Counter()  # by seconds, as logged

    def add(self, lag_s: float | None) -> None:
        if lag_s is not None:
            self._counts[lag_s] += 1

    def take(self, other: Lags) -> None:
        self._counts.update(other._counts)

    def body(self) -> LagBody | None:
        """None where there is none. The p-th percentile is the least value that p % of the frames do not exceed."""
        number = self._counts.total()
        if not number:
            return None
        p50, p95 = (self._within(-(-number * share // 100)) for share in (50, 95))
        return LagBody(frames=number, p50_s=p50, p95_s=p95, max_s=max(self._counts))

    def _within(self, rank: int) -> float:
        seen = 0
        for value in sorted(self._counts):
            seen += self._counts[value]
            if seen >= rank:
                return value
        raise ValueError(f"there is no value of rank {rank} among {seen}")


class RungSum:
    def __init__(self) -> None:
        self.how: Counter[str] = Counter()
        self.lags, self.encoded = Lags(), Lags()

    def add(self, line: Mapping[str, Any]) -> None:
        self.how[line["how"]] += 1
        self.lags.add(line.get("lag_s"))
        self.encoded.add(line.get("encoded_s"))

    def take(self, other: RungSum) -> None:
        self.how.update(other.how)
        self.lags.take(other.lags)
        self.encoded.take(other.encoded)

    def body(self) -> RungReportBody:
        lag, encoded = self.lags.body(), self.encoded.body()
        return RungReportBody(frames=self.how.total(), how=dict(self.how), lag=lag, encoded=encoded)


class Summary:
    """Of lines as `workers/live_log.py` makes them."""

    def __init__(self) -> None:
        self._rungs: dict[str, RungSum] = {}
        self._first: str | None = None
        self._last: str | None = None
        self._tiles = self._changed = self._dropped = self._damaged = self._captured = self._lost = 0
        self._looked = self._fused = 0
        self._noise = 0.0
        self._observations: float | None = None  # None: nothing was fused
        self._kinds: Counter[str] = Counter()
        self._events: list[dict[str, Any]] = []
        self._events_left_out = 0
        self._gaps_s = 0.0

    def add(self, line: Mapping[str, Any]) -> None:
        """Raises KeyError, TypeError where it is no line of a log."""
        self._dropped += line.get("dropped", 0)
        self._lost += line.get("lost", 0)
        self._events_left_out += line.get("events_left_out", 0)
        for event in line.get("events", ()):
            self._add_event(event)
        if "pts" in line:
            self._add_frame(line)

    def body(self) -> SummaryBody:
        whole = RungSum()
        for rung in self._rungs.values():
            whole.take(rung)
        return SummaryBody(
            first_frame_at=self._first,
            last_frame_at=self._last,
            frames=whole.how.total(),
            how=dict(whole.how),
            rungs={name: rung.body() for name, rung in self._rungs.items()},
            dropped=self._dropped,
            damaged=self._damaged,
            with_capture_time=self._captured,
            recomputed_share=round(self._changed / self._tiles, 4) if self._tiles else None,
            noise=round(self._noise / self._looked, 2) if self._looked else None,
            fused_share=None if self._observations is None else round(self._fused / self._tiles, 4),
            most_observations=self._observations,
            lag=whole.lags.body(),
            encoded=whole.encoded.body(),
            gaps=self._kinds["gap"],
            gaps_s=round(self._gaps_s, 3),
            event_counts=dict(self._kinds),
            events=self._events,
            events_left_out=self._events_left_out,
            lines_lost=self._lost,
        )

    def _add_frame(self, line: Mapping[str, Any]) -> None:
        rung = self._rungs.get(line["rung"])
        if rung is None:
            rung = self._rungs[line["rung"]] = RungSum()
        rung.add(line)
        at = line["arrived_at"]
        self._first = at if self._first is None else min(at, self._first)
        self._last = at if self._last is None else max(at, self._last)
        self._tiles += line["tiles"]
        self._changed += line["changed"]
        self._damaged += bool(line.get("damaged"))
        self._captured += "captured_at" in line
        if "look" in line:
            self._add_look(line["look"])

    def _add_look(self, look: Mapping[str, Any]) -> None:
        self._looked += 1
        self._noise += look["noise"]
        if "fused" in look:
            self._fused += look["fused"]
            self._observations = max(self._observations or 1.0, look["observations"])

    def _add_event(self, event: dict[str, Any]) -> None:
        self._kinds[event["kind"]] += 1
        if event["kind"] == "gap":
            self._gaps_s += event["seconds"]
        if len(self._events) < EVENTS_LISTED:
            self._events.append(event)
        else:
            self._events_left_out += 1
