"""Submitting clips: both ways in, what is answered, and what is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.catalog import MODELS
from pipeline.job import JobState
from tests.service.banks import write_model


def test_detail_is_kept_to_two_decimals_for_a_model_that_has_it(
    serve: Callable[..., Any], clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    facts = write_model(folder, replace(MODELS["espcn-x4"], name="both", vivid_sha256="0" * 64))
    service = serve(models_dir=folder)
    listed = {model["name"]: model["vivid_sha256"] for model in service.http.get("/v1/models").json()["models"]}
    assert (listed["both"], listed["espcn-x4"]) == (facts.vivid_sha256, None)
    answer = service.submit(clip, model="both", detail="0.256")
    assert (answer.status_code, answer.json()["options"]["detail"]) == (202, 0.26)
    assert service.jobs.get(answer.json()["id"]).options.detail == 0.26
    refused = service.submit(clip, model="espcn-x4", detail="0.3")
    assert (refused.status_code, refused.json()["code"]) == (422, "no-vivid-training")


def test_auto_is_kept_as_asked_for_and_pins_no_weights_yet(service: Any, clip: Path) -> None:
    answer = service.submit(clip, model="auto")
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert (body["options"]["model"], body["options"]["scale"], body["choice"]) == ("auto", 4, None)
    kept = service.jobs.get(body["id"])
    assert (kept.options.model, kept.weights_sha256) == ("auto", None)
    choice = {"model": "lanczos", "detail": 0.0, "reason": "lanczos: …", "nearest": "noise-only"}
    choice["others"] = [{"model": "espcn-x4", "why": "noise of about 21 levels; espcn-x4 was measured up to 12"}]
    service.jobs.transition(body["id"], JobState.PLANNING)
    service.jobs.transition(body["id"], JobState.RUNNING, choice=choice, weights_sha256="0" * 64)
    assert service.http.get(f"/v1/clips/{body['id']}").json()["choice"] == choice
    raw = service.http.post("/v1/clips?model=auto&scale=3", content=clip.read_bytes())
    assert (raw.status_code, raw.json()["options"]["scale"]) == (202, 3)
    refused = service.submit(clip, model="auto", scale="8")
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown-scale")
    assert service.submit(clip, model="auto", detail="0.5").status_code == 202  # glean-s-x4 has a vivid training
    refused = service.submit(clip, model="auto", scale="3", detail="0.5")
    assert (refused.status_code, refused.json()["code"]) == (422, "no-vivid-training")


def test_a_form_upload_becomes_a_queued_job(service: Any, clip: Path) -> None:
    answer = service.submit(clip, model="espcn-x4", codec="hevc", keep_audio="false", consistency="true")
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/v1/clips/{body['id']}" == body["links"]["self"]
    assert int(answer.headers["retry-after"]) > 0
    assert body["state"] == "queued"
    assert body["options"] == {
        "model": "espcn-x4",
        "scale": 4,
        "target_height": None,
        "codec": "hevc",
        "quality": "standard",
        "keep_audio": False,
        "consistency": True,
        "reuse": "on",
        "fuse": False,
        "detail": 0.0,
    }
    assert body["source"] == {
        "name": "street.mp4",
        "bytes": clip.stat().st_size,
        "sha256": hashlib.sha256(clip.read_bytes()).hexdigest(),
    }
    assert (body["clip"]["width"], body["clip"]["height"], body["clip"]["frames"]) == (64, 48, 10)
    assert (body["output"]["width"], body["output"]["height"], body["output"]["codec"]) == (256, 192, "hevc")
    assert service.files.source(body["id"]).read_bytes() == clip.read_bytes()
    assert service.queue.states(body["id"]) == {f"{body['id']}-plan": "queued"}
    assert service.jobs.get(body["id"]).state is JobState.QUEUED
    assert service.uploads() == []


@pytest.mark.parametrize("content_type", ["video/mp4", "video/x-whatever", "application/octet-stream"])
def test_a_raw_body_takes_its_options_from_the_query(service: Any, clip: Path, content_type: str) -> None:
    answer = service.http.post(
        "/v1/clips?model=lanczos&target_height=90&name=gate%207.mp4",
        content=clip.read_bytes(),
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert body["source"]["name"] == "gate 7.mp4"
    assert (body["options"]["model"], body["options"]["target_height"]) == ("lanczos", 90)
    assert body["output"]["height"] == 90
    assert service.files.source(body["id"]).read_bytes() == clip.read_bytes()


def test_a_raw_body_may_be_named_by_content_disposition(service: Any, clip: Path) -> None:
    headers = {"Content-Type": "video/mp4", "Content-Disposition": "attachment; filename*=UTF-8''T%C3%BCr.mp4"}
    answer = service.http.post("/v1/clips", content=clip.read_bytes(), headers=headers)
    assert answer.json()["source"]["name"] == "Tür.mp4"


def test_a_chunked_raw_body_is_taken(service: Any, clip: Path) -> None:
    def pieces() -> Iterator[bytes]:
        content = clip.read_bytes()
        yield from (content[at : at + 1000] for at in range(0, len(content), 1000))

    answer = service.http.post("/v1/clips", content=pieces(), headers={"Content-Type": "video/mp4"})
    assert answer.status_code == 202
    assert answer.json()["source"]["bytes"] == clip.stat().st_size


def test_empty_fields_of_a_web_form_mean_the_default(service: Any, clip: Path) -> None:
    answer = service.submit(clip, model="", scale="", target_height="")
    assert answer.json()["options"]["model"] == service.settings.default_model


def test_a_clip_at_the_limit_is_taken_and_one_byte_more_is_not(serve: Callable[..., Any], clip: Path) -> None:
    size = clip.stat().st_size
    assert serve(upload_limit_bytes=size).submit(clip).status_code == 202
    refused = serve(upload_limit_bytes=size - 1).submit(clip)
    assert (refused.status_code, refused.json()["code"]) == (413, "too-large")


def test_the_forms_own_bytes_do_not_count_against_the_limit(serve: Callable[..., Any], clip: Path) -> None:
    service = serve(upload_limit_bytes=clip.stat().st_size)
    assert service.submit(clip, model="lanczos").status_code == 202


def test_an_upload_needs_no_temporary_folder(
    service: Any, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not there"))  # the server is a thread of this process
    assert service.submit(clip).status_code == 202
