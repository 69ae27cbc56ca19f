"""What is decided, and that doing it twice changes nothing more."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from pipeline.files import JobFiles
from pipeline.frames import FrameStore, make_frame_store
from pipeline.job import ClipOptions, Job, JobKind, JobState
from pipeline.jobs import JobStore, UnknownJob
from pipeline.queue import FrameQueue
from pipeline.recovery import Action, Do, decide, reconcile
from pipeline.rqueue import ClipQueue
from pipeline.tasks import FrameTask, SegmentKey


def make_job(job_id: str, created_at: float = 1000.0, **fields: Any) -> Job:
    about = {"source_name": "yard.mp4", "source_sha256": "0" * 64, "source_bytes": 1, "clip": {}}
    options = ClipOptions(model="lanczos")
    return Job(id=job_id, options=options, scale=2, created_at=created_at, **(about | fields))


def test_decide() -> None:
    active = [make_job("fine"), make_job("lost"), make_job("broken"), make_job("new", created_at=1995.0)]
    steps = {
        "fine": {"fine-seg-00000": "started", "fine-finish": "deferred"},
        "broken": {"broken-seg-00000": "queued", "broken-seg-00003": "failed"},
        "lost": {},
    }
    actions = decide(active, steps, stored={"fine", "ended"}, expired=["old", "fine"], now=2000.0)
    assert actions == [
        Action(Do.START, "lost"),
        Action(Do.FAIL, "broken", "seg-00003"),
        Action(Do.SWEEP, "ended"),
        Action(Do.DELETE, "old"),
    ]
    assert decide([], {}, set(), [], 2000.0) == []


class House:
    """All parts that recovery works on."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        self.redis = redis
        self.jobs, self.queue, self.files = JobStore(redis), ClipQueue(redis), JobFiles(folder / "data")
        self.frames = FrameQueue(redis, lease_s=10, max_deliveries=3)
        self.store: FrameStore = make_frame_store("shared", folder / "frames", redis)

    def add(self, job_id: str, **fields: Any) -> Job:
        self.files.create(job_id)
        self.files.source(job_id).write_bytes(b"x")
        return self.jobs.create(make_job(job_id, **fields))

    def put_frame(self, job_id: str) -> None:
        key = SegmentKey(job_id, 0, 1)
        self.store.open_segment(key)
        self.store.put(key, 0, "in", b"pixels")
        self.frames.put(FrameTask(job=job_id, segment=0, attempt=1, frame=0, model="m", scale=2, tiles=1, tile=8))

    def reconcile(self, now: float | None = None) -> list[Action]:
        parts = (self.redis, self.jobs, self.queue, self.frames, self.store, self.files)
        return reconcile(*parts, retention_s=100.0, now=now)


@pytest.fixture
def house(redis: Redis, tmp_path: Path) -> House:
    return House(redis, tmp_path)


def test_a_job_without_steps_begins_again(house: House) -> None:
    house.add("clip")
    house.add("look", kind=JobKind.PREVIEW)
    assert {action.job_id for action in house.reconcile()} == {"clip", "look"}
    assert house.queue.states("clip") == {"clip-plan": "queued"}
    assert house.queue.states("look") == {"look-preview": "queued"}
    assert house.reconcile() == []


def test_a_job_with_a_step_given_up_fails_with_a_reason(house: House) -> None:
    house.add("clip")
    house.queue.enqueue_segments("clip", range(2))
    house.redis.hset("rq:job:clip-seg-00001", "status", "failed")
    house.put_frame("clip")
    assert [action.do for action in house.reconcile()] == [Do.FAIL]
    job = house.jobs.get("clip")
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert (job.problem.code, "seg-00001" in job.problem.detail) == ("step-given-up", True)
    assert house.queue.states("clip") == {}
    assert house.store.jobs() == set()
    assert house.frames.depth() == 0
    assert house.files.source("clip").exists()  # kept for its retention time
    assert house.reconcile() == []


def test_leftovers_of_ended_jobs_are_swept_and_those_of_others_are_not(house: House) -> None:
    house.add("runs")
    house.queue.enqueue_plan("runs")
    house.add("ended")
    house.jobs.transition("ended", JobState.CANCELLED)
    for job_id in ("runs", "ended", "unknown"):
        house.put_frame(job_id)
    assert house.reconcile() == [Action(Do.SWEEP, "ended"), Action(Do.SWEEP, "unknown")]
    assert house.store.jobs() == {"runs"}
    assert house.frames.depth() == 1
    assert house.reconcile() == []


def test_after_its_retention_nothing_is_left_of_a_job(house: House) -> None:
    house.add("old")
    house.queue.enqueue_plan("old")
    house.jobs.transition("old", JobState.CANCELLED, finished_at=5000.0)
    assert house.reconcile(now=5050.0) == []
    assert house.reconcile(now=5101.0) == [Action(Do.DELETE, "old")]
    with pytest.raises(UnknownJob):
        house.jobs.get("old")
    assert not house.files.folder("old").exists()
    assert house.redis.keys("*old*") == []


def test_files_without_a_record_go_once_they_are_old(house: House) -> None:
    folder = house.files.create("orphan")
    assert house.reconcile() == []
    os.utime(folder, (time.time() - 7200, time.time() - 7200))
    assert house.reconcile() == [Action(Do.DELETE, "orphan")]
    assert not folder.exists()


def test_only_one_process_at_a_time(house: House) -> None:
    house.add("clip")
    house.redis.set("gleaner:recovery", "another")
    assert house.reconcile() == []
    assert house.redis.get("gleaner:recovery") == b"another"  # and it stays theirs
    house.redis.delete("gleaner:recovery")
    assert len(house.reconcile()) == 1
    assert not house.redis.exists("gleaner:recovery")
