"""Alive, ready, figures, models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from models.catalog import MODELS
from pipeline.heartbeat import Heartbeat
from pipeline.metrics import METRICS, Metrics


def test_the_process_is_alive_whatever_is_missing(service: Any) -> None:
    assert service.http.get("/livez").json()["status"] == "ok"


def test_ready_needs_a_worker_of_each_kind(service: Any) -> None:
    answer = service.http.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["clip worker", "enhance worker"])
    assert "retry-after" in answer.headers
    for kind in ("clip", "enhance"):
        Heartbeat(service.redis, kind, "one").beat()
    answer = service.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": []})


def test_a_full_disk_is_not_ready(serve: Callable[..., Any]) -> None:
    assert "disk space" in serve(disk_reserve_bytes=1 << 60).http.get("/readyz").json()["missing"]


def test_a_data_directory_that_cannot_be_is_not_ready(serve: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    answer = serve(data_dir=tmp_path / "file" / "data").http.get("/readyz")
    assert "data directory" in answer.json()["missing"]
    assert str(tmp_path) not in answer.text


def test_figures_of_all_processes_are_rendered_for_prometheus(service: Any, clip: Path) -> None:
    counted = Metrics(service.redis)
    counted.inc("gleaner_frames_total", 7, outcome="enhanced")
    counted.observe("gleaner_batch_tiles", 3)
    counted.flush()
    Heartbeat(service.redis, "clip", "one").beat()
    service.submitted(clip)
    answer = service.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value for f in families.values() for sample in f.samples
    }
    assert samples["gleaner_frames_total", "enhanced"] == 7
    assert samples["gleaner_batch_tiles_bucket", "2.0"] == 0
    assert samples["gleaner_batch_tiles_bucket", "4.0"] == 1
    assert samples["gleaner_batch_tiles_sum",] == 3
    assert samples["gleaner_worker_up", "clip"] == 1
    assert samples["gleaner_worker_up", "enhance"] == 0
    assert samples["gleaner_queue_depth_frames",] == 0
    assert samples["gleaner_upload_bytes_total",] == clip.stat().st_size
    assert samples["gleaner_jobs_total", "queued"] == 1
    named = {name.removesuffix("_total") for name in METRICS}
    assert set(families) == named


def test_models_are_listed_with_their_facts(service: Any) -> None:
    models = service.http.get("/v1/models").json()["models"]
    assert {model["name"] for model in models} == {name for name, facts in MODELS.items() if facts.role == "enhancer"}
    assert [model["name"] for model in models if model["default"]] == [service.settings.default_model]
    lanczos = next(model for model in models if model["name"] == "lanczos")
    assert lanczos["learned"] is False
    assert set(lanczos["scales"]) == set(MODELS["lanczos"].scales)
    assert lanczos["limits"] is None
    espcn = next(model for model in models if model["name"] == "espcn-x4")
    limits = MODELS["espcn-x4"].limits
    assert limits is not None
    assert espcn["limits"] == asdict(limits)
    gains = {(gain["scale"], gain["profile"]): gain["mean"] for gain in espcn["gains"]}
    assert gains == {(4, profile): gain.mean for profile, gain in MODELS["espcn-x4"].gains[4].items()}
    assert gains[4, "clean-bicubic"] > 0.3


def test_the_root_says_where_to_go(service: Any) -> None:
    for path in service.http.get("/").json().values():
        assert service.http.get(path).status_code in (200, 503)
