"""Explorations in the clip worker: the same outcome whatever is killed, soon over when nobody wants them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from redis import Redis

from media.facts_json import to_json
from media.probe import probe
from models.catalog import Catalog
from models.pulse.search import STATEMENT
from pipeline.job import ClipOptions, ExploreOptions, Job, JobKind, JobState
from pipeline.metrics import read_samples
from tests.media.clips import LIMITS, write_clip
from tests.workers.banks import import_bank
from workers import explore
from workers.room import Room, open_room

CLIP, BANK, SIZE = "clip", "small-bank", 16
FRAMES, LONG = 6, 1000  # steps of a search that no test waits for
# The worker with its patience shortened, so that a test need not wait 10 s until a killed one is missed.
WORKER = """
import pipeline.rqworker as rqworker
rqworker.ABANDONED_S, rqworker.MONITOR_S, rqworker.MAINTENANCE_S = 3, 1, 1
from pipeline.settings import Settings
from workers.clip_process import run_clip_worker
run_clip_worker(Settings())
"""


@dataclass
class Scene:
    room: Room

    def add(self, job_id: str = "look", **changes: Any) -> Job:
        """An exploration of the clip, as the API makes it, not yet queued."""
        wanted = {"clip": CLIP, "frame": 3, "box": (10, 8, 6, 7), "count": 2, "model": BANK, "seed": 5, "steps": 4}
        clip = self.room.jobs.get(CLIP)
        options = ExploreOptions.model_validate(wanted | changes)
        fields = {"id": job_id, "kind": JobKind.EXPLORE, "exploration": options, "created_at": time.time()}
        fields |= {"state": JobState.QUEUED, "finished_at": None}
        self.room.files.create_exploration(job_id)
        return self.room.jobs.create(clip.model_copy(update=fields))

    def done(self, job_id: str, **changes: Any) -> Job:
        """An exploration that has been run in this process."""
        self.add(job_id, **changes)
        explore.run(job_id)
        return self.room.jobs.get(job_id)

    def picture(self, job_id: str, which: str, number: int | None = None) -> Any:
        read = cv2.imread(str(self.room.files.exploration(job_id, which, number)), cv2.IMREAD_UNCHANGED)
        assert read is not None
        return read

    def pictures(self, job_id: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.room.files.folder(job_id) / "exploration").iterdir()}


@pytest.fixture
def scene(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A clip, a bank, and nothing explored yet."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("GLEANER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GLEANER_FRAME_STORE_DIR", str(tmp_path / "frames"))
    monkeypatch.setenv("GLEANER_DEVICE", "cpu")
    monkeypatch.setenv("GLEANER_THREADS", "1")
    import_bank(tmp_path / "data" / "models", BANK, SIZE)
    with open_room() as room:
        room.files.create(CLIP)
        write_clip(tmp_path / "in.mp4", frames=FRAMES).rename(room.files.source(CLIP))
        job = Job(
            id=CLIP,
            state=JobState.DONE,  # or recovery would have the workers enhance it, and they would wait for a network
            finished_at=time.time(),
            options=ClipOptions(model="lanczos", scale=2),
            scale=2,
            source_name="in.mp4",
            source_sha256="0" * 64,
            source_bytes=1,
            clip=to_json(probe(room.files.source(CLIP), LIMITS)),
            created_at=time.time(),
        )
        room.jobs.create(job)
        yield Scene(room)


def states(scene: Scene, job_id: str) -> list[str]:
    return [event.data["state"] for event in scene.room.jobs.read_events(job_id) if event.kind == "state"]


def test_it_is_searched_drawn_and_described(scene: Scene, redis: Redis) -> None:
    job = scene.done("look")
    assert states(scene, "look") == ["queued", "planning", "running", "finishing", "done"]
    result = job.result
    assert result is not None
    assert result["statement"] == STATEMENT
    assert (result["frame"], result["time_s"], result["seed"], result["region"]) == (3, 0.12, 5, [9, 8, 8, 8])
    facts = Catalog(scene.room.settings.models_dir).bank(BANK)
    assert result["bank"] == {
        "name": BANK,
        "size": SIZE,
        "sha256": facts.sha256,
        "licence": facts.licence,
        "trained_on": facts.trained_on,
    }
    numbers = [each["number"] for each in result["candidates"]]
    assert sorted(numbers) == [0, 1]
    assert result["distances"][0][1] > 0.01
    candidates = [scene.picture("look", "candidate", number) for number in numbers]
    assert all(each.shape == (SIZE, SIZE, 3) for each in candidates)
    assert not np.array_equal(*candidates)
    assert scene.picture("look", "spread").dtype == np.uint16
    assert scene.picture("look", "sheet").shape[1] > 2 * 224
    progress = scene.room.jobs.exploring("look")
    assert (progress.candidate, progress.count, progress.share) == (2, 2, 1.0)
    assert progress.best_error is not None
    counted = read_samples(redis.hgetall("gleaner:metrics"), 0.0)["gleaner_jobs_total"]
    assert counted[("done",)] == 1
    assert redis.keys("gleaner:rq:*") == []


def test_run_again_after_a_crash_it_comes_to_the_same(scene: Scene) -> None:
    scene.done("first")
    scene.add("second")
    scene.room.jobs.begin_attempt("second", 0)  # an attempt that died in the middle, with a picture half written
    scene.room.jobs.transition("second", JobState.PLANNING)
    scene.room.jobs.transition("second", JobState.RUNNING)
    part = scene.room.files.exploration("second", "sheet")
    part.with_name(part.name + ".part").write_bytes(b"half")
    explore.run("second")
    explore.run("second")  # a repeat of what is done changes nothing
    assert scene.pictures("second") == scene.pictures("first")
    first, second = (scene.room.jobs.get(id).result for id in ("first", "second"))
    assert first == second


def test_what_cannot_succeed_fails_with_words_for_clients(scene: Scene) -> None:
    weights = scene.room.settings.models_dir / f"{BANK}.safetensors"
    whole = weights.read_bytes()
    cases: list[tuple[str, dict[str, Any], str, str]] = [
        ("late", {"frame": FRAMES}, "frame-out-of-range", f"the clip has {FRAMES} frames"),
        ("outside", {"box": (90, 8, 20, 7)}, "box-out-of-range", "not within the picture"),
        ("gone", {"model": "other"}, "unknown-model", "the bank has been removed"),
        ("torn", {}, "bank-unusable", "the file was changed or damaged"),
    ]
    for job_id, change, code, words in cases:
        weights.write_bytes(whole if job_id != "torn" else whole[:-4] + b"\xff\xff\xff\xff")
        job = scene.done(job_id, **change)
        assert (job.state, job.problem and job.problem.code) == (JobState.FAILED, code)
        assert job.problem is not None
        assert words in job.problem.detail
        assert str(scene.room.settings.data_dir) not in job.problem.detail
        assert scene.pictures(job_id) == {}


def test_a_search_that_is_no_longer_wanted_stops_and_leaves_no_picture(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.room.ASK_EVERY_S", 0.0)
    monkeypatch.setattr(explore, "REPORT_S", 0.0)
    tell = scene.room.jobs.set_exploring.__func__  # type: ignore[attr-defined]
    steps = 0

    def cancel_in_the_middle(jobs: Any, job_id: str, progress: Any, *, attempt: int) -> None:
        nonlocal steps
        tell(jobs, job_id, progress, attempt=attempt)
        steps += progress.step > 0
        if steps == 3:
            jobs.transition(job_id, JobState.CANCELLED)

    monkeypatch.setattr("pipeline.jobs.JobStore.set_exploring", cancel_in_the_middle)
    job = scene.done("look", steps=LONG)
    assert job.state is JobState.CANCELLED
    assert steps == 3
    assert scene.pictures("look") == {}


class Workers:
    """Clip workers as processes."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        self.started.append(subprocess.Popen([sys.executable, "-c", WORKER], stderr=subprocess.DEVNULL))
        return self.started[-1]


@pytest.fixture
def workers(scene: Scene) -> Iterator[Workers]:
    made = Workers()
    yield made
    for process in made.started:
        process.kill()
        process.wait()


def loads_torch(pid: int) -> bool:
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


def test_killed_stopped_and_cancelled_workers(scene: Scene, workers: Workers, wait_for: Callable[..., None]) -> None:
    """One story, because each worker that searches takes seconds to import torch."""
    jobs, queue = scene.room.jobs, scene.room.clips
    scene.add("long", steps=LONG, count=16)
    queue.enqueue_exploration("long")

    def searching(attempt: int) -> Callable[[], bool]:
        return lambda: (jobs.current_attempt("long", 0) or 0) >= attempt and jobs.exploring("long").step > 0

    first = workers.start()
    wait_for(searching(1), seconds=60)
    (horse,) = psutil.Process(first.pid).children()
    assert loads_torch(horse.pid)
    assert not loads_torch(first.pid), "the parent forks for each step and must stay small and free of CUDA"

    first.send_signal(signal.SIGTERM)  # an orderly stop hands the step back, and no retry is lost
    assert first.wait(20) == 0
    assert queue.states("long") == {"long-explore": "queued"}

    second = workers.start()
    wait_for(searching(2), seconds=60)
    os.kill(second.pid, signal.SIGKILL)
    third = workers.start()
    wait_for(searching(3), seconds=60)
    (horse,) = psutil.Process(third.pid).children()

    jobs.transition("long", JobState.CANCELLED)
    wait_for(lambda: queue.states("long") == {}, seconds=10)
    wait_for(lambda: not horse.is_running() or horse.status() == psutil.STATUS_ZOMBIE, seconds=10)
    assert scene.pictures("long") == {}
    assert not loads_torch(third.pid)
