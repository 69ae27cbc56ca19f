"""Counting: that processes add up, that it is cheap, survives Redis and forks, and never lies about the table."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator

import pytest
from redis import Redis

from pipeline.connection import connect
from pipeline.heartbeat import Heartbeat
from pipeline.jobs import new_id
from pipeline.metrics import KEY, METRICS, Histogram, MetricError, Metrics, read_samples, snapshot
from pipeline.queue import FrameQueue
from pipeline.stream import Stream, StreamOptions, StreamState
from pipeline.streams import StreamStore
from pipeline.tasks import FrameTask

LATER = 3600.0  # flush by hand only


@pytest.fixture
def metrics(redis: Redis) -> Metrics:
    return Metrics(redis, flush_s=LATER)


@pytest.fixture
def impatient_client(own_redis_server) -> Iterator[Redis]:
    with connect(own_redis_server.url, patience_s=0.05) as client:
        yield client


def samples(redis: Redis, name: str) -> dict:
    (family,) = [family for family in snapshot(redis) if family.metric.name == name]
    return family.samples


def test_counts_of_several_processes_add_up_by_label(redis: Redis) -> None:
    for amount in (2, 0.5):
        one = Metrics(redis, flush_s=LATER)
        one.inc("gleaner_network_seconds_total", amount, model="espcn-x2")
        one.inc("gleaner_network_seconds_total", model="espcn-x4")
        one.flush()
        one.flush()
    assert samples(redis, "gleaner_network_seconds_total") == {("espcn-x2",): 2.5, ("espcn-x4",): 2.0}


def test_threads_lose_no_count(redis: Redis) -> None:
    metrics = Metrics(redis, flush_s=0.001)

    def count() -> None:
        for _ in range(2000):
            metrics.inc("gleaner_frames_reclaimed_total")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    metrics.flush()
    assert samples(redis, "gleaner_frames_reclaimed_total") == {(): 8000.0}


def test_counting_sends_nothing_until_it_is_due(redis: Redis, metrics: Metrics) -> None:
    metrics.inc("gleaner_dead_letters_total")
    assert redis.hlen(KEY) == 0
    metrics.flush()
    assert redis.hlen(KEY) == 1
    at_once = Metrics(redis, flush_s=0)
    at_once.inc("gleaner_dead_letters_total")
    assert samples(redis, "gleaner_dead_letters_total") == {(): 2.0}


def test_a_histogram_counts_up_to_each_bound(redis: Redis, metrics: Metrics) -> None:
    for jobs in (1, 1, 2, 5, 99):
        metrics.observe("gleaner_batch_jobs", jobs)
    metrics.flush()
    (histogram,) = samples(redis, "gleaner_batch_jobs").values()
    assert histogram.sum == 108
    assert histogram.buckets == (
        ("1.0", 2), ("2.0", 3), ("3.0", 3), ("4.0", 3), ("6.0", 4), ("8.0", 4), ("12.0", 4), ("16.0", 4), ("+Inf", 5)
    )  # fmt: skip


def test_bounds_of_an_older_table_are_kept_in_the_next_larger_one() -> None:
    raw = {b'["gleaner_batch_jobs:le", "5.0"]': b"3", b'["gleaner_batch_jobs:sum"]': b"15"}
    (histogram,) = read_samples(raw, now=0.0)["gleaner_batch_jobs"].values()
    assert isinstance(histogram, Histogram)
    assert dict(histogram.buckets)["4.0"] == 0
    assert dict(histogram.buckets)["6.0"] == 3


def test_what_the_table_does_not_know_is_left_out() -> None:
    raw = {b'["gleaner_gone_total"]': b"3", b'["gleaner_frames_total", "enhanced", "extra"]': b"1"}
    found = read_samples(raw, now=0.0)
    assert found.keys() == METRICS.keys()
    assert found["gleaner_frames_total"] == {}


def test_a_gauge_not_repeated_goes_stale(redis: Redis, metrics: Metrics) -> None:
    metrics.set_gauge("gleaner_worker_up", 3, kind="enhance")
    metrics.flush()
    raw = redis.hgetall(KEY)
    (value,) = raw.values()
    at = float(value.split()[1])
    assert read_samples(raw, now=at + 59)["gleaner_worker_up"] == {("enhance",): 3.0}
    assert read_samples(raw, now=at + 61)["gleaner_worker_up"] == {}


def test_the_state_of_queue_and_workers_is_looked_up(redis: Redis) -> None:
    queue = FrameQueue(redis, 10, 3)
    for frame in range(3):
        queue.put(FrameTask(job="a", segment=0, attempt=1, frame=frame, model="m", scale=2, tiles=1, tile=8))
    queue.claim("c1", 1, 0)
    Heartbeat(redis, "enhance", "one").beat()
    assert samples(redis, "gleaner_queue_depth_frames") == {(): 2.0}
    assert samples(redis, "gleaner_queue_pending_frames") == {(): 1.0}
    assert samples(redis, "gleaner_queue_oldest_age_seconds")[()] >= 0
    assert samples(redis, "gleaner_worker_up") == {("clip",): 0.0, ("enhance",): 1.0, ("camera",): 0.0}


def test_streams_are_counted_by_state(redis: Redis) -> None:
    store = StreamStore(redis)
    for name, enabled in (("yard", True), ("gate", True), ("attic", False)):
        options = StreamOptions(name=name, model="lanczos", enabled=enabled)
        store.create(Stream(id=new_id(), options=options, created_at=0.0, changed_at=0.0))
    store.begin_epoch(store.by_name("gate").id, "worker")
    found = samples(redis, "gleaner_streams")
    assert found.keys() == {(state.value,) for state in StreamState}
    assert {key: count for key, count in found.items() if count} == dict.fromkeys(
        [("waiting",), ("connecting",), ("stopped",)], 1.0
    )


def test_every_metric_is_in_an_empty_snapshot(redis: Redis) -> None:
    families = snapshot(redis)
    assert [family.metric.name for family in families] == list(METRICS)
    assert all(family.samples for family in families if not family.metric.labels)


def test_redis_being_away_loses_no_count_and_breaks_nothing(own_redis_server, impatient_client: Redis) -> None:
    metrics = Metrics(impatient_client, flush_s=0)
    metrics.inc("gleaner_upload_bytes_total", 10)
    own_redis_server.kill()
    metrics.inc("gleaner_upload_bytes_total", 20)
    own_redis_server.start()
    metrics.inc("gleaner_upload_bytes_total", 30)
    assert samples(impatient_client, "gleaner_upload_bytes_total") == {(): 60.0}


def test_a_forked_process_does_not_send_what_its_parent_counted(redis: Redis, redis_url: str) -> None:
    metrics = Metrics(redis, flush_s=LATER)
    metrics.inc("gleaner_upload_bytes_total", 100)
    child = os.fork()
    if child == 0:
        metrics.inc("gleaner_upload_bytes_total", 1)
        metrics.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    metrics.flush()
    assert samples(redis, "gleaner_upload_bytes_total") == {(): 101.0}


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda m: m.inc("gleaner_frame_total"), "gleaner_frame_total is no counter in METRICS; add it there"),
        (lambda m: m.inc("gleaner_batch_jobs"), "it is a histogram"),
        (lambda m: m.inc("gleaner_frames_total"), r"has the labels \['outcome'\], not \[\]"),
        (lambda m: m.inc("gleaner_frames_total", job="x"), r"not \['job'\]"),
        (lambda m: m.inc("gleaner_upload_bytes_total", -1), "cannot grow by -1"),
        (lambda m: m.inc("gleaner_upload_bytes_total", float("nan")), "cannot grow by nan"),
        (lambda m: m.observe("gleaner_batch_jobs", float("inf")), "cannot take inf"),
    ],
)
def test_use_against_the_table_is_refused(metrics: Metrics, use, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        use(metrics)


def test_the_table_keeps_to_the_naming_rules() -> None:
    for metric in METRICS.values():
        assert re.fullmatch(r"gleaner_[a-z0-9_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert bool(metric.buckets) == (metric.kind == "histogram")
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert "job" not in metric.labels  # one line for each job would grow without end
