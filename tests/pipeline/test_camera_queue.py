"""Cameras' jobs against a real Redis, real worker processes and real signals."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from redis import Redis
from rq.job import Job

from pipeline.camera_queue import QUEUE, CameraQueue, camera_job_id
from pipeline.rqueue import RETRIES
from pipeline.secrets import Vault
from pipeline.stream import StreamState
from pipeline.streams import StreamStore
from tests.pipeline.camera_house import URL, Wait, Workers, add, enable, online, ran, status
from tests.pipeline.camera_steps import PAUSE_S
from tests.redis_contents import contents

# The queue


def test_a_stream_is_queued_once_and_for_ever(redis: Redis, queue: CameraQueue, store: StreamStore) -> None:
    stream_id = add(store)
    assert [queue.enqueue(stream_id) for _ in range(3)] == [True, False, False]
    assert (queue.waiting(), queue.underway(stream_id)) == (1, True)
    job = Job.fetch(camera_job_id(stream_id), connection=redis, serializer="json")
    assert (job.timeout, job.args, job.func_name) == (-1, [stream_id], "workers.camera.run")
    assert (job.retries_left or 0) > 10**8
    assert redis.ttl(job.key) == -1
    queue.remove(stream_id)
    queue.remove(stream_id)
    assert (queue.waiting(), queue.underway(stream_id), status(redis, stream_id)) == (0, False, None)


@pytest.mark.parametrize("left", ["queued", "started", "failed", "finished", "scheduled"])
def test_a_job_that_only_says_it_is_underway_is_queued_again(redis: Redis, queue: CameraQueue, left: str) -> None:
    redis.hset(Job.key_for(camera_job_id("yard")), "status", left)  # in no list and nobody's
    assert not queue.underway("yard")
    assert queue.enqueue("yard")
    assert (queue.waiting(), queue.underway("yard")) == (1, True)


def test_what_a_worker_has_just_taken_is_not_queued_again(redis: Redis, queue: CameraQueue) -> None:
    queue.enqueue("yard")
    redis.lmove(f"rq:queue:{QUEUE}", f"rq:queue:{QUEUE}:intermediate")
    assert not queue.enqueue("yard")
    redis.hset(Job.key_for(camera_job_id("yard")), "status", "started")
    redis.zadd(f"rq:wip:{QUEUE}", {"yard-camera:0123": time.time() + 10})
    redis.delete(f"rq:queue:{QUEUE}:intermediate")
    assert not queue.enqueue("yard")


# Workers


def test_a_stream_runs_until_it_is_stopped(
    redis: Redis, redis_url: str, queue: CameraQueue, store: StreamStore, workers: Workers, wait_for: Wait
) -> None:
    stopped, deleted, wanted = add(store), add(store, "gate"), add(store, "attic")
    for stream_id in (stopped, deleted, wanted):
        queue.enqueue(stream_id)
    enable(store, stopped, False)  # and whoever did it died before taking the job away
    store.delete(deleted)
    workers.start(redis_url)
    wait_for(lambda: online(store, wanted))
    assert [run[0] for run in ran(redis)] == [wanted]
    assert {id.decode() for id in redis.lrange("left", 0, -1)} == {stopped, deleted}
    assert (status(redis, stopped), status(redis, deleted)) == (None, None)
    assert not queue.enqueue(wanted)  # it runs
    enable(store, wanted, False)
    queue.remove(wanted)
    wait_for(lambda: status(redis, wanted) is None)
    assert store.status(wanted).state is StreamState.STOPPED
    enable(store, wanted, True)
    assert queue.enqueue(wanted)
    wait_for(lambda: online(store, wanted))
    store.delete(wanted)
    wait_for(lambda: redis.llen("left") == 4)
    wait_for(lambda: status(redis, wanted) is None)
    assert len(ran(redis)) == 2


def test_a_camera_that_crashes_more_often_than_a_clip_may_is_not_given_up_nor_told_of_with_its_password(
    redis: Redis, redis_url: str, queue: CameraQueue, store: StreamStore, workers: Workers, wait_for: Wait
) -> None:
    stream_id = add(store)
    queue.enqueue(stream_id)
    crashes = ["fail", "die"] * (RETRIES // 2 + 1)
    assert len(crashes) > RETRIES
    redis.rpush(f"do:{stream_id}", *crashes)
    worker = workers.start(redis_url)
    wait_for(lambda: len(ran(redis)) == len(crashes) + 1 and online(store, stream_id))
    epochs = [int(run[2]) for run in ran(redis)]  # in milliseconds
    assert min(later - earlier for earlier, later in itertools.pairwise(epochs)) >= PAUSE_S * 1000
    assert "ValueError < camera_steps.py" in workers.log()
    assert "s3cret" not in workers.log()
    assert Vault("k" * 32).open(store.sealed(stream_id)["url"]) == URL
    kept = dict(contents(redis))
    assert any(key.startswith("rq:job:") and b"workers.camera.run" in value for key, value in kept.items())
    assert b"s3cret" not in b"".join(kept.values())
    for pid in (worker.pid, int(ran(redis)[-1][1])):
        assert b"s3cret" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_camera_that_crashes_lets_others_have_the_worker_and_one_that_leaves_hands_its_own_on(
    redis: Redis, redis_url: str, queue: CameraQueue, store: StreamStore, workers: Workers, wait_for: Wait
) -> None:
    crashing, other = add(store), add(store, "gate")
    queue.enqueue(crashing)
    queue.enqueue(other)
    redis.rpush(f"do:{crashing}", "die")
    worker = workers.start(redis_url)
    wait_for(lambda: online(store, other))
    assert [run[0] for run in ran(redis)] == [crashing, other]
    assert queue.underway(crashing)
    worker.terminate()
    assert worker.wait(timeout=10) == 0
    waiting = [id.decode() for id in redis.lrange(f"rq:queue:{QUEUE}", 0, -1)]
    assert waiting == [camera_job_id(other), camera_job_id(crashing)]
