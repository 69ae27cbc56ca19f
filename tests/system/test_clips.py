"""The whole service: a clip goes in, an enhanced clip comes out, whatever is killed meanwhile."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from media.probe import probe
from media.reader import VideoReader
from pipeline.connection import connect
from service.client import Client
from tests.media.clips import LIMITS, write_clip
from tests.system.conftest import Service

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
StartService = Callable[..., Service]
SIZE = (320, 240)
LEFTOVERS = ("gleaner:pixels:*", "gleaner:rq:*", "rq:job:*", "rq:execution*")  # of jobs that are done


def frame_hashes(path: Path) -> list[tuple[int, str]]:
    """(pts, SHA-256 of the pixels) of every frame."""
    with VideoReader(path, probe(path, LIMITS)) as reader:
        return [(frame.pts, hashlib.sha256(frame.image.tobytes()).hexdigest()) for frame in reader]


def run(service: Service, clip: Path, out: Path, **options: str) -> dict[str, Any]:
    with Client(service.url) as client:
        job = client.submit(clip, {"scale": "2"} | options)
        job = list(client.follow(job["id"]))[-1]
        assert job["state"] == "done", f"{job['problem']}; log:\n{service.log.read_text()[-5000:]}"
        client.download(job["id"], "result", out)
    return job


def metric(service: Service, name: str, **labels: str) -> float:
    """A metric's value; of a histogram, name it with its suffix (_sum, _count, _bucket)."""
    text = httpx2.get(f"{service.url}/metrics").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_a_clip_is_enhanced_with_its_sound_and_times(start_service: StartService, tmp_path: Path) -> None:
    service = start_service()
    clip = write_clip(tmp_path / "in.mp4", size=SIZE, frames=60, audio=True)
    job = run(service, clip, tmp_path / "out.mp4")
    assert job["frames_done"] == job["frames_total"] == 60
    assert job["segments"]["done"] == job["segments"]["total"] > 1
    assert hashlib.sha256((tmp_path / "out.mp4").read_bytes()).hexdigest() == job["result"]["sha256"]
    before, after = probe(clip, LIMITS), probe(tmp_path / "out.mp4", LIMITS)
    with VideoReader(clip, before) as one, VideoReader(tmp_path / "out.mp4", after) as other:
        assert [f.pts * before.time_base for f in one] == [f.pts * after.time_base for f in other]
    with Client(service.url) as client:
        client.download(job["id"], "report", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["frames"]["written"] == len(report["frame_log"]) == 60
    assert report["model"]["name"] == "lanczos"
    assert report["source"]["estimate"] == job["estimate"]
    assert job["estimate"]["frames"] == 9
    assert report["outside_envelope"] == job["outside_envelope"] == []
    assert service.frames_left() == set()
    assert service.stop() == 0
    log = service.log.read_text()
    assert "Traceback" not in log
    assert "level=error" not in log


@pytest.mark.timeout(420)
def test_killed_processes_change_nothing_in_the_result(
    start_service: StartService, wait_for: Any, tmp_path: Path
) -> None:
    service = start_service()
    clip = write_clip(tmp_path / "in.mp4", size=SIZE, frames=120)
    run(service, clip, tmp_path / "calm.mp4")
    calm = frame_hashes(tmp_path / "calm.mp4")
    seed = random.SystemRandom().randrange(1000)
    chance = random.Random(seed)
    for kind in ("clip", "enhance", "redis"):
        with Client(service.url) as client:
            job_id = client.submit(clip, {"scale": "2"})["id"]
            after = chance.randrange(1, 80)
            for job in client.follow(job_id):
                if job["frames_done"] >= after and job["state"] == "running":
                    service.kill(kind)
                    break
                assert job["state"] != "done", "the job was too quick to be disturbed"
            job = list(client.follow(job_id))[-1]
            assert job["state"] == "done", f"{kind}, seed {seed}: {job['problem']}\n{service.log.read_text()[-5000:]}"
            client.download(job_id, "result", tmp_path / f"{kind}.mp4")
        assert frame_hashes(tmp_path / f"{kind}.mp4") == calm, f"killed {kind}, seed {seed}"
    assert service.frames_left() == set()
    assert metric(service, "gleaner_queue_depth_frames") == 0
    with connect(service.own_redis_url()) as redis:  # a step's end is noted moments after its job's
        wait_for(lambda: not [key for pattern in LEFTOVERS for key in redis.keys(pattern)])


def test_a_cancelled_clip_frees_everything(start_service: StartService, wait_for: Any, tmp_path: Path) -> None:
    service = start_service(default_model="espcn-x4", window_frames="4")
    clip = write_clip(tmp_path / "in.mp4", size=SIZE, frames=120)
    with Client(service.url) as client:
        job_id = client.submit(clip, {})["id"]
        wait_for(lambda: service.frames_left() == {job_id})
        assert httpx2.delete(f"{service.url}/v1/clips/{job_id}").status_code == 204
        assert next(iter(client.follow(job_id)))["state"] == "cancelled"
    began = time.monotonic()
    wait_for(lambda: not service.frames_left(), 10)
    wait_for(lambda: metric(service, "gleaner_queue_depth_frames") == 0, 10)
    wait_for(lambda: not list((service.data / "jobs").glob("*/source")), 10)
    assert time.monotonic() - began < 10


def test_batches_mix_tiles_of_two_clips(start_service: StartService, wait_for: Any, tmp_path: Path) -> None:
    # One segment a clip, so that each of the two clip workers has a clip of its own in hand.
    service = start_service(clip_workers="2", enhance_workers="2", segment_s="60")
    clips = [write_clip(tmp_path / f"{n}.mp4", size=SIZE, frames=48) for n in range(2)]
    with Client(service.url) as client:
        ids = [client.submit(clip, {"scale": "2"})["id"] for clip in clips]
        for job_id in ids:
            assert list(client.follow(job_id))[-1]["state"] == "done"
    wait_for(lambda: metric(service, "gleaner_frames_total", outcome="enhanced") == 96)
    batches = metric(service, "gleaner_batch_jobs_count")
    assert batches > metric(service, "gleaner_batch_jobs_bucket", le="1.0")
    assert metric(service, "gleaner_worker_up", kind="enhance") == 2


def test_sigterm_hands_the_work_over(start_service: StartService, tmp_path: Path) -> None:
    """Stopping and starting the service in the middle of a job loses nothing."""
    service = start_service()
    clip = write_clip(tmp_path / "in.mp4", size=SIZE, frames=120)
    with Client(service.url) as client:
        job_id = client.submit(clip, {"scale": "2"})["id"]
        for job in client.follow(job_id):
            if job["frames_done"] > 5:
                break
    assert service.stop() == 0
    assert not service.pids("redis")
    again = start_service(data_dir=str(service.data), frame_store_dir=str(service.frames))
    with Client(again.url) as client:
        job = list(client.follow(job_id))[-1]
    assert job["state"] == "done", again.log.read_text()[-5000:]
    assert job["frames_done"] == 120


def test_dry_run_shows_samples_and_an_estimate(start_service: StartService, tmp_path: Path) -> None:
    service = start_service()
    clip = write_clip(tmp_path / "in.mp4", size=SIZE, frames=48)
    response = httpx2.post(
        f"{service.url}/v1/clips", params={"dry_run": "true", "scale": "2"}, content=clip.read_bytes(), timeout=60,
        headers={"Content-Type": "video/mp4"},
    )  # fmt: skip
    assert response.status_code == 200, response.text
    preview = response.json()
    assert preview["output"]["width"] == 640
    assert preview["estimate"]["low"] <= preview["estimate"]["seconds"] <= preview["estimate"]["high"]
    assert len(preview["samples"]) == 3
    assert preview["degradation"]["quantiser"] > 10
    for picture in (s[which] for s in preview["samples"] for which in ("before", "after")):
        answer = httpx2.get(f"{service.url}{picture}")
        assert answer.headers["content-type"] == "image/png"
        assert answer.content.startswith(b"\x89PNG")


def test_redis_keeps_nothing_of_a_finished_clip_but_its_record(
    own_redis_server: Any, start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(redis_url=own_redis_server.url)
    job = run(service, write_clip(tmp_path / "in.mp4", size=SIZE, frames=30), tmp_path / "out.mp4")
    with connect(own_redis_server.url) as redis:
        ours = {key.decode() for key in redis.keys("*") if job["id"].encode() in key}
        assert ours <= {f"gleaner:job:{job['id']}{part}" for part in ("", ":events", ":progress", ":attempts", ":told")}
        assert not redis.keys("rq:job:*")


def test_an_open_event_stream_does_not_keep_the_service_from_stopping(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service()
    clip = write_clip(tmp_path / "in.mp4", size=SIZE, frames=120)
    with Client(service.url) as client:
        job_id = client.submit(clip, {"scale": "4"})["id"]
    with httpx2.stream("GET", f"{service.url}/v1/clips/{job_id}/events", timeout=30) as events:
        lines = events.iter_lines()
        while not next(lines).startswith("event: state"):
            pass
        service.process.terminate()
        for _ in lines:  # the stream ends by itself, and in order
            pass
    assert service.stop() == 0
    assert "graceful shutdown exceeded" not in service.log.read_text()


def test_a_disk_that_fills_up_fails_the_clip_and_not_the_service(start_service: StartService, tmp_path: Path) -> None:
    service = start_service()
    clip = write_clip(tmp_path / "in.mp4", size=SIZE, frames=48)
    (worker,) = service.pids("clip")
    before = psutil.Process(worker).rlimit(psutil.RLIMIT_FSIZE)
    psutil.Process(worker).rlimit(psutil.RLIMIT_FSIZE, (64 << 10, before[1]))  # its jobs inherit it
    with Client(service.url) as client:
        job = list(client.follow(client.submit(clip, {"scale": "4", "codec": "ffv1"})["id"]))[-1]
        assert (job["state"], job["problem"]["code"]) == ("failed", "disk-full"), job["problem"]
        assert str(service.data) not in job["problem"]["detail"]
        psutil.Process(worker).rlimit(psutil.RLIMIT_FSIZE, before)
        assert list(client.follow(client.submit(clip, {"scale": "2"})["id"]))[-1]["state"] == "done"
    assert service.frames_left() == set()
