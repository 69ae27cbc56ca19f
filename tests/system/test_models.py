"""A model imported into a running service is served at once by name; one removed or replaced is not served any more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from media.probe import probe
from media.reader import VideoReader
from models.catalog import Catalog
from models.importing import import_model
from service.client import Client
from tests.media.clips import LIMITS, write_clip
from tests.models.model_maker import write_glean
from tests.system.conftest import Service
from tests.system.test_command import gleaner

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def listed(service: Service) -> dict[str, Any]:
    return {model["name"]: model for model in httpx2.get(f"{service.url}/v1/models").json()["models"]}


def finished(service: Service, clip: Path, **options: str) -> dict[str, Any]:
    with Client(service.url) as client:
        return list(client.follow(client.submit(clip, options)["id"]))[-1]


def pixels(path: Path) -> str:
    digest = hashlib.sha256()
    with VideoReader(path, probe(path, LIMITS)) as reader:
        for frame in reader:
            digest.update(frame.image.tobytes())
    return digest.hexdigest()


def test_an_imported_glean_is_served_at_once_and_forgotten_at_once(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service()
    here, catalog = {"GLEANER_DATA_DIR": str(service.data)}, Catalog(service.data / "models")
    clip = write_clip(tmp_path / "in.mp4", size=(40, 32), frames=6)
    wish = {"model": "tiny", "codec": "ffv1"}
    refused = httpx2.post(f"{service.url}/v1/clips", files={"file": clip.read_bytes()}, data=wish)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown-model")
    made = {}
    for seed in (0, 1):
        write_glean(tmp_path / "glean.pth", seed=seed)
        if seed == 0:
            done = gleaner("models", "import", tmp_path / "glean.pth", "--as", "tiny", **here)
            assert done.returncode == 0, done.stderr
        else:
            import_model(tmp_path / "glean.pth", "tiny", catalog)
        entry = listed(service)["tiny"]
        assert (entry["scales"], entry["tile"], entry["learned"]) == ([4], 16, True)
        job = finished(service, clip, **wish)
        assert job["state"] == "done", f"{job['problem']}; log:\n{service.log.read_text()[-5000:]}"
        out, report = tmp_path / f"{seed}.mkv", tmp_path / f"{seed}.json"
        with Client(service.url) as client:
            client.download(job["id"], "result", out)
            client.download(job["id"], "report", report)
        told = json.loads(report.read_text())
        assert told["model"]["weights_sha256"] == entry["weights_sha256"]
        assert (told["frames"]["written"], told["frames"]["resized_only"]) == (6, 0)
        after = probe(out, LIMITS)
        assert (after.width, after.height) == (160, 128)
        made[seed] = pixels(out)
        if seed == 0:
            alone = tmp_path / "alone.mkv"
            done = gleaner("enhance", clip, alone, "--model", "tiny", "--codec", "ffv1", **here)
            assert done.returncode == 0, done.stderr
            assert pixels(alone) == made[seed]
        catalog.remove("tiny")
        assert "tiny" not in listed(service)
    assert made[0] != made[1], "the second set of weights was loaded although a worker had the first"
    import_model(tmp_path / "glean.pth", "tiny", catalog)
    fails_if_the_model_is_removed_meanwhile(
        service, catalog, write_clip(tmp_path / "l.mp4", size=(160, 120), frames=60)
    )
    assert finished(service, clip, model="lanczos", scale="1")["state"] == "done"


def fails_if_the_model_is_removed_meanwhile(service: Service, catalog: Catalog, clip: Path) -> None:
    with Client(service.url) as client:
        for now in client.follow(client.submit(clip, {"model": "tiny"})["id"]):
            if now["frames_done"] and "tiny" in listed(service):
                catalog.remove("tiny")
    assert now["state"] == "failed"
    assert now["problem"]["code"] == "model-removed"
    assert "tiny" in now["problem"]["detail"]
