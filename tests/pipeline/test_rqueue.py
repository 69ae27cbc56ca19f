"""Clip jobs against a real Redis, real worker processes and real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Queue, Retry
from rq.job import Job

from pipeline.rqjobs import FUNCTIONS, stop_flag
from pipeline.rqueue import QUEUE, RETRIES, ClipQueue, make_worker, segment_id

HERE = Path(__file__).parent
Wait = Callable[..., None]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """start(grace_s=8.0): a worker process; all are gone after the test."""
    workers: list[subprocess.Popen[bytes]] = []

    def begin(grace_s: float = 8.0) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(HERE / "rq_steps.py"), redis_url, str(grace_s)]
        path = os.pathsep.join([str(tmp_path), str(HERE.parents[1])])
        workers.append(subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.kill()
        worker.wait(timeout=10)


def put(redis: Redis, function: str, job_id: str = "a-step", word: str = "x", **more: Any) -> Job:
    """Queues as ClipQueue does, but any function: also what an intruder might."""
    queue = Queue(QUEUE, connection=redis, serializer="json")
    more = {"retry": Retry(RETRIES, enqueue_at_front=True), "result_ttl": 0, "job_id": job_id} | more
    return queue.enqueue_call(function, args=(word,), **more)


def ran(redis: Redis) -> list[str]:
    return [line.decode().split()[0] for line in redis.lrange("ran", 0, -1)]


def horse(redis: Redis) -> int:
    return int(redis.lrange("ran", -1, -1)[0].split()[1])


def gone(pid: int) -> bool:
    """Neither running nor only waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def status(redis: Redis, job_id: str = "a-step") -> str | None:
    raw = redis.hget(Job.key_for(job_id), "status")
    return None if raw is None else raw.decode()


def test_a_planted_function_does_not_run(redis: Redis, start: Start, wait_for: Wait, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    put(redis, "os.system", "bad", f"touch {planted}", retry=None, failure_ttl=60)
    put(redis, "rq_steps.note", "good", "after")
    start()
    wait_for(lambda: ran(redis) == ["after"], 20)
    assert status(redis, "bad") == "failed"
    assert not planted.exists()


def test_a_planted_callback_or_webhook_is_not_called(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.note", "first", "first")
    names = {"success_callback_name": "rq_steps.deaf", "failure_callback_name": "rq_steps.deaf", "repeats_left": "3"}
    redis.hset(Job.key_for("first"), mapping=names)  # type: ignore[arg-type]
    put(redis, "rq_steps.note", "second", "second")
    start()
    wait_for(lambda: ran(redis) == ["first", "second"], 20)
    wait_for(lambda: status(redis, "second") is None)
    assert ran(redis) == ["first", "second"]


def test_a_record_nobody_can_read_ends_no_worker(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.note", "broken")
    redis.hset(Job.key_for("broken"), "timeout", "soon")
    put(redis, "rq_steps.note", "good", "good")
    worker = start()
    wait_for(lambda: ran(redis) == ["good"], 20)
    assert worker.poll() is None


def test_kill_of_worker_and_horse_is_recovered_by_another(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.deaf")
    first = start()
    wait_for(lambda: len(ran(redis)) == 1, 20)
    os.kill(horse(redis), signal.SIGSTOP)  # it must not even notice
    began = time.monotonic()
    first.kill()
    start()
    wait_for(lambda: len(ran(redis)) == 2, 25)
    assert time.monotonic() - began < 20
    redis.rpush("go", "1")
    wait_for(lambda: redis.llen("ended") == 1)
    wait_for(lambda: status(redis) is None)
    assert len(ran(redis)) == 2


def test_a_worker_that_hung_leaves_the_job_to_its_successor(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.fenced")
    first = start()
    wait_for(lambda: redis.get("attempt") == b"1", 20)
    old_horse = horse(redis)
    for pid in (first.pid, old_horse):
        os.kill(pid, signal.SIGSTOP)
    start()
    wait_for(lambda: redis.get("attempt") == b"2", 25)
    redis.rpush("go-1", "1")
    for pid in (first.pid, old_horse):
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: redis.llen("gave-up") == 1)
    wait_for(lambda: gone(old_horse))
    assert status(redis) == "started"  # by the second worker
    redis.rpush("go-2", "1")
    wait_for(lambda: status(redis) is None)
    assert (redis.llen("ended"), len(ran(redis))) == (1, 2)


def test_a_horse_dies_with_its_worker(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.deaf")
    worker = start()
    wait_for(lambda: ran(redis), 20)
    pid = horse(redis)
    assert not gone(pid)
    worker.kill()
    worker.wait(timeout=10)
    wait_for(lambda: gone(pid), 5)


def test_kill_of_the_horse_alone_is_retried_at_once(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.deaf")
    start()
    wait_for(lambda: len(ran(redis)) == 1, 20)
    os.kill(horse(redis), signal.SIGKILL)
    wait_for(lambda: len(ran(redis)) == 2, 5)
    redis.rpush("go", "1")
    wait_for(lambda: status(redis) is None)
    assert redis.llen("ended") == 1


def test_a_step_that_always_dies_is_given_up(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.die", failure_ttl=60)
    start()
    wait_for(lambda: status(redis) == "failed", 25)
    assert len(ran(redis)) == 1 + RETRIES


def test_sigterm_lets_a_polite_job_hand_itself_back(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.polite")
    put(redis, "rq_steps.note", "later")
    worker = start(grace_s=60)
    wait_for(lambda: len(ran(redis)) == 1, 20)
    worker.terminate()
    assert worker.wait(timeout=10) == 0
    assert status(redis) == "queued"
    assert redis.lrange(f"rq:queue:{QUEUE}", 0, 0) == [b"a-step"]  # in front of what came later
    assert redis.hget(Job.key_for("a-step"), "retries_left") == str(RETRIES).encode()


def test_sigterm_kills_a_deaf_job_after_the_grace_and_queues_it_again(
    redis: Redis, start: Start, wait_for: Wait
) -> None:
    put(redis, "rq_steps.deaf")
    worker = start(grace_s=0.5)
    wait_for(lambda: len(ran(redis)) == 1, 20)
    pid = horse(redis)
    worker.terminate()
    assert worker.wait(timeout=10) == 0
    assert gone(pid)
    assert status(redis) == "queued"
    assert redis.hget(Job.key_for("a-step"), "retries_left") == str(RETRIES).encode()


def test_a_second_sigterm_does_not_wait_for_the_grace(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.deaf")
    worker = start(grace_s=60)
    wait_for(lambda: len(ran(redis)) == 1, 20)
    pid = horse(redis)
    worker.terminate()
    wait_for(lambda: gone(pid) or worker.send_signal(signal.SIGTERM), 10)
    assert worker.wait(timeout=10) == 0
    assert status(redis) == "queued"


def test_sigterm_ends_an_idle_worker(redis: Redis, start: Start, wait_for: Wait) -> None:
    worker = start()
    wait_for(lambda: [redis.hget(key, "state") for key in redis.keys("rq:worker:test-*")] == [b"idle"], 20)
    worker.terminate()
    assert worker.wait(timeout=10) == 0


def test_what_a_dead_worker_had_just_taken_is_returned(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.note")
    redis.lmove(f"rq:queue:{QUEUE}", f"rq:queue:{QUEUE}:intermediate")  # taken; then the worker died
    start()
    wait_for(lambda: len(ran(redis)) == 1, 25)


def test_steps_run_once_however_often_they_are_queued(
    redis: Redis, redis_url: str, start: Start, wait_for: Wait, tmp_path: Path
) -> None:
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "__init__.py").touch()
    (tmp_path / "workers" / "clip.py").write_text(
        "from rq_steps import note\n"
        "def segment(job_id, number): note(f'{job_id}/{number}')\n"
        "def finish(job_id): note(f'{job_id}/finish')\n"
    )
    queue = ClipQueue(redis)
    for _ in range(2):  # to queue them again changes nothing
        queue.enqueue_segments("job", range(5))
        queue.enqueue_finish("job")
    assert queue.states("job") == {segment_id("job", n): "queued" for n in range(5)} | {"job-finish": "queued"}
    assert queue.waiting() == 6
    start(), start()
    wait_for(lambda: len(ran(redis)) == 6, 25)
    assert sorted(ran(redis)) == sorted([f"job/{n}" for n in range(5)] + ["job/finish"])
    wait_for(lambda: queue.states("job") == {})
    assert not redis.keys("gleaner:rq:job")  # nor are the names of steps kept that are done
    queue.enqueue_finish("job")  # a step that is done may be queued anew
    wait_for(lambda: len(ran(redis)) == 7)


def test_cancel_takes_away_what_waits(redis: Redis) -> None:
    queue = ClipQueue(redis)
    queue.enqueue_plan("job")
    queue.enqueue_preview("other")
    queue.enqueue_segments("job", range(3))
    queue.enqueue_finish("job")
    queue.cancel("job")
    queue.cancel("job")
    assert queue.states("job") == {}
    assert queue.states("other") == {"other-preview": "queued"}
    assert queue.waiting() == 1
    assert not redis.keys("*job-*")


def test_a_step_given_up_may_be_queued_again(redis: Redis, start: Start, wait_for: Wait) -> None:
    put(redis, "rq_steps.fail", "job-plan", retry=None, failure_ttl=60)
    start().poll()
    wait_for(lambda: status(redis, "job-plan") == "failed", 20)
    ClipQueue(redis).enqueue_plan("job")
    assert ClipQueue(redis).states("job")["job-plan"] in ("queued", "started")


def test_a_name_may_come_back_at_once(redis: Redis) -> None:
    first, second = make_worker(redis, "host"), make_worker(redis, "host")
    first.register_birth()
    second.register_birth()  # rq refuses a name that a killed worker has had within the minute
    assert first.name != second.name


def test_outside_of_a_job_nobody_asks_to_stop() -> None:
    assert stop_flag()() is False
    assert frozenset({"workers.clip.plan", "workers.clip.segment", "workers.clip.finish"}) < FUNCTIONS
