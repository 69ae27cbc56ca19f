"""The job store against a real Redis: transitions, races, order, progress, events."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from redis import Redis

from pipeline.connection import connect
from pipeline.job import ClipOptions, Job, JobState, Problem, TransitionError
from pipeline.jobs import CursorError, JobExists, JobStore, StaleAttempt, UnknownJob, new_id
from pipeline.progress import SegmentProgress


def make_job(job_id: str | None = None, created_at: float = 1000.0, **fields: Any) -> Job:
    options = ClipOptions(model="lanczos")
    about = {"source_name": "yard.mp4", "source_sha256": "0" * 64, "source_bytes": 1, "clip": {"width": 64}}
    return Job(id=job_id or new_id(), options=options, scale=2, created_at=created_at, **(about | fields))


@pytest.fixture
def store(redis: Redis) -> JobStore:
    return JobStore(redis)


def states(store: JobStore, job_id: str) -> list[str]:
    return [event.data["state"] for event in store.read_events(job_id) if event.kind == "state"]


def test_ids_sort_by_time_and_cannot_be_guessed() -> None:
    ids = [new_id(now=moment) for moment in (1.0, 1.001, 2.0, 4e9)]
    assert ids == sorted(ids)
    assert len({new_id(now=1.0) for _ in range(1000)}) == 1000
    assert all(len(id) == 26 and set(id) <= set("0123456789abcdefghjkmnpqrstvwxyz") for id in ids)


def test_a_job_walks_to_its_end(store: JobStore) -> None:
    job = store.create(make_job())
    assert store.create(job) == job == store.get(job.id)
    planned = store.transition(job.id, JobState.PLANNING)
    assert planned.started_at is not None
    assert store.active_ids() == [job.id]
    store.transition(job.id, JobState.RUNNING, segments=2, frames_total=60)
    store.transition(job.id, JobState.FINISHING)
    done = store.transition(job.id, JobState.DONE, result={"file": "result.mp4"})
    assert done == store.get(job.id)
    assert (done.segments, done.frames_total, done.result) == (2, 60, {"file": "result.mp4"})
    assert done.finished_at is not None
    assert done.started_at == planned.started_at
    assert store.active_ids() == []
    assert states(store, job.id) == ["queued", "planning", "running", "finishing", "done"]


def test_another_job_cannot_take_an_id(store: JobStore) -> None:
    job = store.create(make_job())
    with pytest.raises(JobExists):
        store.create(make_job(job.id, source_name="other.mp4"))
    assert store.get(job.id) == job


def test_repeats_change_nothing(store: JobStore) -> None:
    job = store.create(make_job())
    first = store.transition(job.id, JobState.PLANNING)
    assert store.transition(job.id, JobState.PLANNING) == first
    store.transition(job.id, JobState.RUNNING, segments=3)
    store.transition(job.id, JobState.RUNNING)
    assert store.get(job.id).segments == 3
    problem = Problem(code="disk-full", detail="no space left")
    failed = store.transition(job.id, JobState.FAILED, problem=problem)
    assert store.transition(job.id, JobState.FAILED, problem=problem) == failed
    assert states(store, job.id) == ["queued", "planning", "running", "failed"]
    assert store.read_events(job.id)[-1].data["problem"] == {"code": "disk-full", "detail": "no space left"}
    with pytest.raises(TransitionError):
        store.transition(job.id, JobState.FAILED, problem=Problem(code="other", detail="later"))


def test_what_may_not_follow_is_refused_and_changes_nothing(store: JobStore) -> None:
    job = store.create(make_job())
    with pytest.raises(TransitionError, match="queued"):
        store.transition(job.id, JobState.DONE, result={})
    assert store.get(job.id) == job
    with pytest.raises(TypeError, match="state"):
        store.update(job.id, state=JobState.DONE)
    with pytest.raises(TypeError, match="sgements"):
        store.update(job.id, sgements=1)
    assert store.update(job.id, frames_total=7).frames_total == 7


def test_a_cancellation_wins_over_a_worker(store: JobStore) -> None:
    job = store.create(make_job())
    store.transition(job.id, JobState.PLANNING)
    cancelled = store.transition(job.id, JobState.CANCELLED)
    assert store.transition(job.id, JobState.CANCELLED) == cancelled  # to cancel twice is fine
    for step in (
        lambda: store.transition(job.id, JobState.RUNNING),
        lambda: store.set_segment(job.id, 0, SegmentProgress(1)),
        lambda: store.begin_attempt(job.id, 0),
    ):
        with pytest.raises(TransitionError, match="cancelled"):
            step()
    assert store.progress(job.id).frames_done == 0


def test_of_many_at_once_exactly_one_ends_the_job(store: JobStore, redis_url: str) -> None:
    job = store.create(make_job())
    store.transition(job.id, JobState.PLANNING)
    endings = [(JobState.CANCELLED, {}), (JobState.DONE, {"result": {"file": "a"}})] * 4
    start, outcomes = threading.Barrier(len(endings)), []

    def end(state: JobState, changes: dict[str, Any]) -> None:
        with connect(redis_url) as client:
            mine = JobStore(client)
            start.wait()
            try:
                outcomes.append(mine.transition(job.id, state, **changes).state)
            except TransitionError:
                outcomes.append(None)

    threads = [threading.Thread(target=end, args=ending) for ending in endings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    final = store.get(job.id)
    assert set(outcomes) == {final.state, None}
    assert states(store, job.id) == ["queued", "planning", final.state]


def test_changes_bridge_a_restart_of_redis(own_redis_server: Any) -> None:
    with connect(own_redis_server.url) as client:
        store = JobStore(client)
        job = store.create(make_job())
        own_redis_server.kill()
        threading.Timer(0.5, own_redis_server.start).start()
        assert store.transition(job.id, JobState.PLANNING).state is JobState.PLANNING
        assert store.get(job.id).state is JobState.PLANNING


def test_listing_is_newest_first_and_stable_while_jobs_come_in(store: JobStore) -> None:
    same_moment = [store.create(make_job(f"same-{n:03}", created_at=500.0)).id for n in range(105)]
    later = [store.create(make_job(f"later-{n}", created_at=600.0 + n)).id for n in range(5)]
    expected = later[::-1] + same_moment[::-1]
    seen: list[str] = []
    cursor = None
    for page_number in range(100):
        page, cursor = store.list(limit=7, cursor=cursor)
        seen += [job.id for job in page]
        store.create(make_job(f"new-{page_number}", created_at=1e6 + page_number))
        if cursor is None:
            break
    assert seen == expected
    store.delete("same-050")
    assert len(store.list(limit=1000)[0]) == 110 - 1 + page_number + 1


def test_listing_by_state(store: JobStore) -> None:
    jobs = [store.create(make_job(created_at=float(n))) for n in range(6)]
    for job in jobs[::2]:
        store.transition(job.id, JobState.CANCELLED)
    cancelled, cursor = store.list(limit=2, state=JobState.CANCELLED)
    assert [job.id for job in cancelled] == [jobs[4].id, jobs[2].id]
    rest, end = store.list(limit=2, cursor=cursor, state=JobState.CANCELLED)
    assert ([job.id for job in rest], end) == ([jobs[0].id], None)
    assert [job.id for job in store.list(state=JobState.QUEUED)[0]] == [jobs[5].id, jobs[3].id, jobs[1].id]
    assert store.list(state=JobState.DONE) == ([], None)


@pytest.mark.parametrize("cursor", ["x", "!!", "W10", "WyJhIiwgImIiXQ", "W05hTiwgImEiXQ", "WzEsICIuLi94Il0"])
def test_a_made_up_cursor_is_refused(store: JobStore, cursor: str) -> None:
    with pytest.raises(CursorError):
        store.list(cursor=cursor)


def test_progress_is_the_sum_of_absolute_values(store: JobStore) -> None:
    job = store.create(make_job())
    for _ in range(2):  # a report sent again changes nothing
        store.set_segment(job.id, 0, SegmentProgress(frames_done=10, tiles_total=40, tiles_reused=30, finished=True))
    store.set_segment(job.id, 1, SegmentProgress(frames_done=5, frames_resized=1))
    store.set_segment(job.id, 1, SegmentProgress(frames_done=2))  # a new attempt starts again
    progress = store.progress(job.id)
    assert (progress.frames_done, progress.frames_resized, progress.segments_finished) == (12, 0, 1)
    assert (progress.tiles_total, progress.tiles_reused) == (40, 30)
    assert store.segments(job.id)[1] == SegmentProgress(frames_done=2)
    told = [event.data for event in store.read_events(job.id) if event.kind == "progress"]
    assert told[0]["frames_done"] == 10
    assert len(told) < 4  # not one for each report


def test_a_later_attempt_makes_earlier_ones_stale(store: JobStore) -> None:
    job = store.create(make_job())
    assert store.current_attempt(job.id, 0) is None
    assert (store.begin_attempt(job.id, 0), store.begin_attempt(job.id, 0), store.begin_attempt(job.id, 1)) == (1, 2, 1)
    assert store.current_attempt(job.id, 0) == 2
    with pytest.raises(StaleAttempt):
        store.set_segment(job.id, 0, SegmentProgress(9), attempt=1)
    store.set_segment(job.id, 0, SegmentProgress(3), attempt=2)
    assert store.progress(job.id).frames_done == 3


def test_events_resume_where_a_reader_left(store: JobStore) -> None:
    job = store.create(make_job())
    first = store.read_events(job.id)
    assert store.read_events(job.id, first[-1].id, block_ms=20) == []
    store.transition(job.id, JobState.PLANNING)
    after = store.read_events(job.id, first[-1].id)
    assert [event.data["state"] for event in after] == ["planning"]
    assert store.read_events(job.id, "no such id") == store.read_events(job.id, None) == first + after


def test_a_reader_that_waits_is_told(store: JobStore, redis_url: str) -> None:
    job = store.create(make_job())
    last = store.read_events(job.id)[-1].id
    threading.Timer(0.1, store.transition, (job.id, JobState.PLANNING)).start()
    assert [event.data["state"] for event in store.read_events(job.id, last, block_ms=5000)] == ["planning"]


def test_delete_leaves_nothing_and_late_reports_bring_nothing_back(store: JobStore, redis: Redis) -> None:
    job = store.create(make_job())
    store.begin_attempt(job.id, 0)
    store.set_segment(job.id, 0, SegmentProgress(1))
    store.delete(job.id)
    store.delete(job.id)
    for step in (
        lambda: store.get(job.id),
        lambda: store.transition(job.id, JobState.RUNNING),
        lambda: store.set_segment(job.id, 0, SegmentProgress(2)),
        lambda: store.begin_attempt(job.id, 0),
    ):
        with pytest.raises(UnknownJob, match=job.id):
            step()
    store.publish(job.id, "progress", {})
    assert redis.keys("gleaner:job*") == []


def test_ended_before(store: JobStore) -> None:
    old, new = store.create(make_job(created_at=1.0)), store.create(make_job(created_at=2.0))
    store.create(make_job(created_at=3.0))
    store.transition(old.id, JobState.CANCELLED, finished_at=10.0)
    store.transition(new.id, JobState.CANCELLED, finished_at=20.0)
    assert [job.id for job in store.ended_before(15.0)] == [old.id]
    assert [job.id for job in store.ended_before(25.0)] == [old.id, new.id]


def test_an_id_that_is_none_reaches_no_key(store: JobStore) -> None:
    with pytest.raises(ValueError, match="is no job id"):
        store.get("x:events")
