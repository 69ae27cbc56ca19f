"""The route of the figures for Prometheus: what all processes counted together, and how the queue stands now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric as PrometheusMetric

from pipeline.metrics import Family, Histogram, snapshot
from service.backend import Given

router = APIRouter(tags=["service"])


@router.get("/metrics", summary="Figures", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(backend: Given) -> Response:
    """In Prometheus's text format. The same from every process of the service; nothing about single clips."""
    return Response(rendered(await backend.ask(snapshot, backend.redis)), media_type=CONTENT_TYPE_LATEST)


class _Snapshot:
    """A collector of what was counted elsewhere."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[PrometheusMetric]:
        return map(_translated, self._families)


def rendered(families: Iterable[Family]) -> bytes:
    """The families as text."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(families))
    return generate_latest(registry)


def _translated(family: Family) -> PrometheusMetric:
    metric = family.metric
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for values, sample in family.samples.items():
            if isinstance(sample, Histogram):
                histogram.add_metric(values, list(sample.buckets), sample.sum)
        return histogram
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    plain = make(metric.name, metric.help, labels=metric.labels)
    for values, sample in family.samples.items():
        if isinstance(sample, float):
            plain.add_metric(values, sample)
    return plain
