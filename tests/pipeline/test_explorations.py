"""Explorations as jobs: their record, their tie to the clip, their progress, and what recovery makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from redis import Redis

from pipeline.explore_progress import ExploreProgress
from pipeline.files import JobFiles
from pipeline.frames import make_frame_store
from pipeline.job import ClipOptions, ExploreOptions, Job, JobKind, JobState, TransitionError
from pipeline.job_keys import all_keys
from pipeline.jobs import JobStore, StaleAttempt, UnknownJob
from pipeline.queue import FrameQueue
from pipeline.recovery import Action, Do, decide, reconcile
from pipeline.rqjobs import FUNCTIONS
from pipeline.rqueue import ClipQueue


def make_clip(job_id: str = "clip", **fields: Any) -> Job:
    about = {"source_name": "yard.mp4", "source_sha256": "0" * 64, "source_bytes": 1, "clip": {}, "created_at": 1000.0}
    return Job(id=job_id, options=ClipOptions(model="lanczos"), scale=2, **(about | fields))


def make_exploration(job_id: str = "look", clip: str = "clip", **fields: Any) -> Job:
    wanted = ExploreOptions(clip=clip, frame=3, box=(8, 4, 16, 16), count=2, model="bank", seed=0, steps=10)
    return make_clip(job_id, kind=JobKind.EXPLORE, exploration=wanted, **fields)


@pytest.fixture
def store(redis: Redis) -> JobStore:
    return JobStore(redis)


def test_a_record_survives_its_form_and_older_records_are_read() -> None:
    job = make_exploration()
    assert Job.model_validate_json(job.model_dump_json()) == job
    assert job.explored.box == (8, 4, 16, 16)
    older = json.loads(make_clip().model_dump_json())
    del older["exploration"]
    assert Job.model_validate(older) == make_clip()
    with pytest.raises(ValueError, match="no exploration"):
        _ = make_clip().explored
    with pytest.raises(ValidationError):
        ExploreOptions(clip="clip", frame=-1, box=(0, 0, 4, 4), count=17, model="bank", seed=0, steps=10)


def test_a_clip_knows_its_explorations_newest_first(store: JobStore) -> None:
    store.create(make_clip())
    store.create(make_clip("other"))
    for number in range(3):
        store.create(make_exploration(f"look-{number}", created_at=2000.0 + number))
    store.create(make_exploration("elsewhere", "other"))
    assert store.exploration_ids("clip") == ["look-0", "look-1", "look-2"]
    page, cursor = store.list(2, explorations_of="clip")
    assert [job.id for job in page] == ["look-2", "look-1"]
    assert [job.id for job in store.list(2, cursor, explorations_of="clip")[0]] == ["look-0"]
    store.delete("look-1")
    assert store.exploration_ids("clip") == ["look-0", "look-2"]
    assert [job.id for job in store.list(explorations_of="nothing")[0]] == []


def test_a_clip_that_is_gone_cannot_be_explored(store: JobStore) -> None:
    with pytest.raises(UnknownJob):
        store.create(make_exploration())
    assert store.list()[0] == []


def test_nothing_is_left_of_a_deleted_one(store: JobStore, redis: Redis) -> None:
    store.create(make_clip())
    store.create(make_exploration())
    store.transition("look", JobState.PLANNING)
    store.set_exploring("look", ExploreProgress(1, 2, best_error=0.5), attempt=store.begin_attempt("look", 0))
    store.delete("look")
    assert not redis.exists(*all_keys("look"))
    assert not [key for key in redis.keys("*") if b"look" in key]
    assert store.exploration_ids("clip") == []
    store.delete("clip")
    assert redis.keys("gleaner:job*") == []


def test_progress_is_kept_and_told(store: JobStore) -> None:
    store.create(make_clip())
    store.create(make_exploration())
    assert store.exploring("look") == ExploreProgress()
    store.transition("look", JobState.PLANNING)
    progress = ExploreProgress(candidate=2, count=4, best_error=0.01, share=0.25, elapsed_s=3.0)
    store.set_exploring("look", progress, attempt=store.begin_attempt("look", 0))
    assert store.exploring("look") == progress
    assert store.read_events("look")[-1].data["best_error"] == 0.01
    assert progress.eta_s == pytest.approx(9.0)
    assert ExploreProgress().eta_s is None


def test_an_attempt_that_is_not_the_latest_and_a_job_that_has_ended_take_no_report(store: JobStore) -> None:
    store.create(make_clip())
    store.create(make_exploration())
    first = store.begin_attempt("look", 0)
    second = store.begin_attempt("look", 0)
    with pytest.raises(StaleAttempt):
        store.set_exploring("look", ExploreProgress(1, 2), attempt=first)
    store.transition("look", JobState.CANCELLED)
    with pytest.raises(TransitionError):
        store.set_exploring("look", ExploreProgress(1, 2), attempt=second)
    assert store.exploring("look") == ExploreProgress()


def test_its_function_is_on_the_list_and_its_step_is_queued_by_kind(redis: Redis) -> None:
    queue = ClipQueue(redis)
    queue.enqueue_first(make_exploration())
    assert queue.states("look") == {"look-explore": "queued"}
    assert "workers.explore.run" in FUNCTIONS


def test_a_clip_is_kept_while_it_is_explored() -> None:
    busy = make_exploration()
    assert decide([busy], {"look": {"look-explore": "started"}}, set(), ["clip", "other"], 5000.0) == [
        Action(Do.DELETE, "other")
    ]


@pytest.mark.parametrize("ended", [JobState.DONE, JobState.FAILED])
def test_recovery_starts_fails_and_deletes_them(store: JobStore, redis: Redis, tmp_path: Path, ended: JobState) -> None:
    queue, files = ClipQueue(redis), JobFiles(tmp_path / "data")
    parts = (
        redis,
        store,
        queue,
        FrameQueue(redis, 10, 3),
        make_frame_store("shared", tmp_path / "frames", redis),
        files,
    )
    store.create(make_clip())
    store.transition("clip", JobState.FAILED, finished_at=2000.0)
    files.create("clip")
    store.create(make_exploration())
    files.create_exploration("look")
    files.exploration("look", "sheet").write_bytes(b"x")
    files.exploration("look", "candidate", 3).write_bytes(b"x")
    assert reconcile(*parts, retention_s=100.0, now=5000.0) == [Action(Do.START, "look")]
    assert queue.states("look") == {"look-explore": "queued"}
    if ended is JobState.FAILED:
        redis.hset("rq:job:look-explore", "status", "failed")
        assert reconcile(*parts, retention_s=1e9, now=5000.0) == [Action(Do.FAIL, "look", "explore")]
        problem = store.get("look").problem
        assert problem is not None
        assert problem.code == "step-given-up"
    else:
        store.transition("look", JobState.PLANNING)
        store.transition("look", JobState.DONE)
    assert [action.job_id for action in reconcile(*parts, retention_s=100.0, now=5000.0)] == ["clip"]
    assert files.job_ids() == set()
    assert store.list()[0] == []


def test_pictures_have_safe_names(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    folder = files.create_exploration("look")
    assert files.create_exploration("look") == folder
    assert folder.stat().st_mode & 0o777 == folder.parent.stat().st_mode & 0o777 == 0o700
    assert files.exploration("look", "candidate", 3) == folder / "candidate-3.png"
    for which, number in (("../a", None), ("sheet", -1), ("", None)):
        with pytest.raises(ValueError, match=r"no (picture|segment)"):
            files.exploration("look", which, number)
