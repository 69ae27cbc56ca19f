"""Counters of the whole service, kept in Redis so that processes on every host add to the same ones. Knows no HTTP.

gleaner:metrics    hash: field is the JSON list [name, label value, ...] (histograms: name:sum and name:le, with a
                   bucket's upper bound as last value), value a number, of gauges "number at-Unix-second"

Processes gather what they count and send it at most once a second, so counting costs no round trip. That a number is
sent twice because its reply was lost, or lost with a killed process, is accepted: these are for watching, not billing.
"""

from __future__ import annotations

import json
import os
import threading
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import structlog
from redis import Redis
from redis.exceptions import RedisError

from pipeline import heartbeat
from pipeline.queue import FrameQueue
from pipeline.stream import StreamState
from pipeline.streams import StreamStore

KEY = "gleaner:metrics"
FLUSH_S = 1.0
GAUGE_STALE_S = 60.0  # a gauge not set for this long is taken to be of a process long gone

Kind = Literal["counter", "histogram", "gauge"]
Values = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()  # upper bounds, without infinity


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("gleaner_frames_total", "counter", "Frames by what became of them.", ("outcome",)),
        Metric("gleaner_tiles_total", "counter", "Tiles the network computed.", ("model",)),
        Metric("gleaner_tiles_reused_total", "counter", "Tiles taken from the frame before, being equal to it."),
        Metric("gleaner_batches_total", "counter", "Batches the network computed.", ("model",)),
        Metric("gleaner_batch_tiles", "histogram", "Tiles in a batch.", (), (1, 2, 4, 8, 16, 32, 64, 128, 256)),
        Metric("gleaner_batch_jobs", "histogram", "Different jobs in a batch.", (), (1, 2, 3, 4, 6, 8, 12, 16)),
        Metric("gleaner_network_seconds_total", "counter", "Time spent in the network.", ("model",)),
        Metric("gleaner_float32_redone_total", "counter", "Tiles computed again in float32.", ("model",)),
        Metric("gleaner_oom_halvings_total", "counter", "Batches halved for want of memory.", ("model",)),
        Metric("gleaner_jobs_total", "counter", "Jobs by the state they came to.", ("state",)),
        Metric("gleaner_segments_total", "counter", "Attempts at segments by their result.", ("result",)),
        Metric("gleaner_frames_reclaimed_total", "counter", "Frames taken over after a worker's lease ran out."),
        Metric("gleaner_dead_letters_total", "counter", "Frames given up after too many deliveries."),
        Metric("gleaner_upload_bytes_total", "counter", "Bytes of clips accepted."),
        Metric("gleaner_stream_frames_total", "counter", "Frames of cameras by what became of them.", ("result",)),
        Metric("gleaner_stream_steps_total", "counter", "Changes of cameras' rungs, by direction.", ("direction",)),
        Metric("gleaner_stream_reconnects_total", "counter", "Connections to cameras made again."),
        Metric(
            "gleaner_stream_lag_seconds",
            "histogram",
            "From a camera's frame's arrival until it was written.",
            (),
            (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60),
        ),
        Metric("gleaner_streams", "gauge", "Streams by state.", ("state",)),
        Metric("gleaner_worker_up", "gauge", "Workers heard of lately.", ("kind",)),
        Metric("gleaner_queue_depth_frames", "gauge", "Frames waiting for an enhance worker."),
        Metric("gleaner_queue_pending_frames", "gauge", "Frames being computed."),
        Metric("gleaner_queue_oldest_age_seconds", "gauge", "Age of the oldest frame not yet done."),
    )
}
WORKER_KINDS = ("clip", "enhance", "camera")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Histogram:
    buckets: tuple[tuple[str, float], ...]  # (upper bound, observations up to it), the last bound "+Inf"
    sum: float


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its samples by label values, as prometheus_client's metric families take them."""

    metric: Metric
    samples: dict[Values, float | Histogram]


class MetricError(ValueError):
    """A metric was used otherwise than METRICS says. The message names both."""


class Metrics:
    """What a process counts. Thread-safe, cheap, and never a reason to fail: without Redis it keeps counting.

    Counts of the last second are sent by `flush`, so a process calls it when idle and before it ends.
    """

    def __init__(self, redis: Redis, flush_s: float = FLUSH_S) -> None:
        self._redis: Any = redis  # redis-py types every reply as "awaitable or not"
        self._flush_s = flush_s
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._counts: defaultdict[str, float] = defaultdict(float)
        self._gauges: dict[str, str] = {}
        self._due_at = time.monotonic() + self._flush_s

    def inc(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Adds to a counter. Raises MetricError for a name, a label or a value it cannot have."""
        values = _checked(name, "counter", labels)
        if not 0 <= value < float("inf"):  # also refuses NaN, which would spoil the sum for good
            raise MetricError(f"counter {name} cannot grow by {value}; it takes finite numbers from 0 up")
        self._add({_field(name, values): float(value)})

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Adds an observation to a histogram. Raises MetricError like `inc`."""
        values = _checked(name, "histogram", labels)
        if not abs(value) < float("inf"):
            raise MetricError(f"histogram {name} cannot take {value}; it takes finite numbers")
        bounds = METRICS[name].buckets
        index = bisect_left(bounds, value)
        bound = _bound(bounds[index]) if index < len(bounds) else "+Inf"
        self._add({_field(f"{name}:le", (*values, bound)): 1.0, _field(f"{name}:sum", values): float(value)})

    def set_gauge(self, name: str, value: float, **labels: str) -> None:
        """Sets a gauge; to be repeated within GAUGE_STALE_S for as long as it holds. Raises MetricError like `inc`."""
        values = _checked(name, "gauge", labels)
        self._forget_parent()
        with self._lock:
            self._gauges[_field(name, values)] = f"{value!r} {time.time():.0f}"
        self._flush_if_due()

    def flush(self) -> None:
        """Sends what was counted since the last time. Where Redis will not take it, it is kept for the next."""
        self._forget_parent()
        with self._sending:
            with self._lock:
                counts, gauges = self._counts, self._gauges
                self._counts, self._gauges = defaultdict(float), {}
                self._due_at = time.monotonic() + self._flush_s
            if not counts and not gauges:
                return
            try:
                self._send(counts, gauges)
            except RedisError as error:
                _log.warning("metrics not sent", error=str(error))
                with self._lock:
                    for field, amount in counts.items():
                        self._counts[field] += amount
                    self._gauges = gauges | self._gauges
                    self._due_at = time.monotonic() + self._flush_s

    def _send(self, counts: Mapping[str, float], gauges: Mapping[str, str]) -> None:
        with self._redis.pipeline(transaction=True) as pipe:
            for field, amount in counts.items():
                pipe.hincrbyfloat(KEY, field, amount)
            if gauges:
                pipe.hset(KEY, mapping=gauges)
            pipe.execute()

    def _add(self, amounts: Mapping[str, float]) -> None:
        self._forget_parent()
        with self._lock:
            for field, amount in amounts.items():
                self._counts[field] += amount
        self._flush_if_due()

    def _flush_if_due(self) -> None:
        if time.monotonic() >= self._due_at and not self._sending.locked():
            self.flush()

    def _forget_parent(self) -> None:
        """A forked process starts with counts its parent will send, and with locks a thread of it may hold."""
        if self._pid != os.getpid():
            self._begin()


def snapshot(redis: Redis) -> list[Family]:
    """All METRICS with what they have come to, counted by any process. Those without labels always have a sample."""
    client: Any = redis
    samples = read_samples(client.hgetall(KEY), time.time())
    queue = FrameQueue(redis, lease_s=0, max_deliveries=0)  # only looked at, nothing is claimed
    samples["gleaner_queue_depth_frames"] = {(): float(queue.depth())}
    samples["gleaner_queue_pending_frames"] = {(): float(queue.pending())}
    samples["gleaner_queue_oldest_age_seconds"] = {(): queue.oldest_age_s()}
    samples["gleaner_worker_up"] = {(kind,): float(len(heartbeat.alive(redis, kind))) for kind in WORKER_KINDS}
    samples["gleaner_streams"] = _streams(StreamStore(redis))
    return [Family(metric, samples[metric.name]) for metric in METRICS.values()]


def _streams(store: StreamStore) -> dict[Values, float | Histogram]:
    """How many streams are in each state, those with none too."""
    states = Counter(status.state for status in store.statuses(store.all()).values())
    return {(state.value,): float(states[state]) for state in StreamState}


def read_samples(raw: Mapping[bytes, bytes], now: float) -> dict[str, dict[Values, float | Histogram]]:
    """The hash's content by metric and label values. Leaves out what METRICS does not know, and stale gauges."""
    plain: dict[str, dict[Values, float]] = defaultdict(dict)
    for field, value in raw.items():
        name, *values = json.loads(field)
        number, _, at = value.decode().partition(" ")
        if not at or now - float(at) <= GAUGE_STALE_S:
            plain[name][tuple(values)] = float(number)
    samples: dict[str, dict[Values, float | Histogram]] = {}
    for name, metric in METRICS.items():
        if metric.kind == "histogram":
            sums = plain[f"{name}:sum"] or ({} if metric.labels else {(): 0.0})
            samples[name] = {
                values: _histogram(metric.buckets, plain[f"{name}:le"], values, total) for values, total in sums.items()
            }
        else:
            known = {values: v for values, v in plain[name].items() if len(values) == len(metric.labels)}
            samples[name] = {**known} or ({} if metric.labels or metric.kind == "gauge" else {(): 0.0})
    return samples


def _histogram(bounds: tuple[float, ...], counts: Mapping[Values, float], values: Values, total: float) -> Histogram:
    """Bounds that were counted under an older table go to the next larger bound of this one."""
    per_bucket = [0.0] * (len(bounds) + 1)
    for (*at, bound), count in counts.items():
        if tuple(at) == values:
            per_bucket[bisect_left(bounds, float(bound))] += count
    names = [*map(_bound, bounds), "+Inf"]
    return Histogram(tuple(zip(names, accumulate(per_bucket), strict=True)), total)


def _checked(name: str, kind: Kind, labels: Mapping[str, str]) -> Values:
    metric = METRICS.get(name)
    if metric is None or metric.kind != kind:
        raise MetricError(f"{name} is no {kind} in METRICS; {'it is a ' + metric.kind if metric else 'add it there'}")
    if labels.keys() != set(metric.labels):
        raise MetricError(f"{name} has the labels {list(metric.labels)}, not {sorted(labels)}")
    return tuple(str(labels[label]) for label in metric.labels)


def _field(name: str, values: Values) -> str:
    return json.dumps([name, *values])


def _bound(bound: float) -> str:
    return repr(float(bound))
