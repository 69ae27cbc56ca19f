"""The frame queue against a real Redis: order, leases, crashes of consumers and of Redis, purges."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from redis import Redis

from pipeline.connection import connect
from pipeline.queue import DEAD_STREAM, FrameQueue, consumer_name, stream_name
from pipeline.tasks import FrameDone, FrameTask, SegmentKey

KEY = SegmentKey("job-a", 0, 1)
Wait = Callable[..., None]


def task(frame: int, key: SegmentKey = KEY) -> FrameTask:
    return FrameTask(
        job=key.job, segment=key.segment, attempt=key.attempt, frame=frame, model="espcn-x2", scale=2, tiles=3, tile=64
    )


def ok(frame: int) -> FrameDone:
    return FrameDone(frame=frame, outcome="enhanced", busy_s=0.5)


@pytest.fixture
def queue(redis: Redis) -> FrameQueue:
    return FrameQueue(redis, lease_s=60, max_deliveries=3)


def impatient(redis: Redis) -> FrameQueue:
    """A queue whose leases run out at once."""
    return FrameQueue(redis, lease_s=0, max_deliveries=3)


def frames(claimed: list) -> list[int]:
    return [one.task.frame for one in claimed]


def collect(queue: FrameQueue, key: SegmentKey, count: int, timeout_s: float = 5.0) -> list[FrameDone]:
    replies = [queue.wait_done(key, timeout_s) for _ in range(count)]
    assert all(reply is not None for reply in replies)
    return [reply for reply in replies if reply is not None]


def test_a_task_comes_out_as_it_was_put_in_and_its_result_reaches_the_segment(queue: FrameQueue) -> None:
    entry = queue.put(task(7))
    (claimed,) = queue.claim("c1", 4, 0)
    assert (claimed.entry_id, claimed.task, claimed.deliveries) == (entry, task(7), 1)
    assert (queue.depth(), queue.pending()) == (0, 1)
    queue.done(claimed.task, ok(7), claimed.entry_id)
    assert collect(queue, KEY, 1) == [ok(7)]
    assert (queue.depth(), queue.pending(), queue.oldest_age_s()) == (0, 0, 0.0)
    assert queue.wait_done(KEY, 0.0) is None


def test_live_frames_overtake_clip_frames(queue: FrameQueue) -> None:
    for frame in range(3):
        queue.put(task(frame))
    queue.put(task(100), live=True)
    assert frames(queue.claim("c1", 2, 0)) == [100, 0]
    assert frames(queue.claim("c1", 9, 0)) == [1, 2]


def test_claim_wakes_when_a_frame_arrives_on_either_stream(queue: FrameQueue, redis_url: str) -> None:
    for live in (False, True):
        got: list[list[int]] = []
        thread = threading.Thread(target=lambda got=got: got.append(frames(queue.claim("c1", 1, 5000))))
        thread.start()
        queue.put(task(int(live)), live=live)
        thread.join(4)  # less than the block
        assert got == [[int(live)]]


def test_claim_of_nothing_returns_after_the_block(queue: FrameQueue) -> None:
    assert queue.claim("c1", 4, 20) == []


def test_a_block_longer_than_the_socket_timeout_is_refused(queue: FrameQueue) -> None:
    with pytest.raises(ValueError, match="block_ms is 60000"):
        queue.claim("c1", 1, 60_000)


def test_two_consumers_never_get_the_same_frame(queue: FrameQueue) -> None:
    for frame in range(10):
        queue.put(task(frame))
    assert frames(queue.claim("c1", 5, 0)) + frames(queue.claim("c2", 9, 0)) == list(range(10))


def test_frames_of_a_dead_consumer_are_reclaimed_oldest_first_with_their_deliveries(redis: Redis) -> None:
    queue = impatient(redis)
    for frame in range(40):
        queue.put(task(frame))
    queue.claim("dead", 40, 0)
    queue.put(task(99), live=True)
    queue.claim("dead", 1, 0)
    assert frames(queue.reclaim("c2", 1)) == [99]
    redis.xtrim(stream_name("live"), maxlen=0)
    again = queue.reclaim("c3", 100)
    assert [(one.task.frame, one.deliveries) for one in again] == [(frame, 2) for frame in range(40)]


def test_a_lease_that_has_not_run_out_is_respected(queue: FrameQueue) -> None:
    queue.put(task(0))
    queue.claim("c1", 1, 0)
    assert queue.reclaim("c2", 9) == []


def test_renewing_keeps_a_frame_without_counting_as_a_delivery(redis: Redis, wait_for: Wait) -> None:
    queue = FrameQueue(redis, lease_s=0.3, max_deliveries=3)
    queue.put(task(0))
    (mine,) = queue.claim("c1", 1, 0)

    def idle_ms() -> int:
        return int(redis.xpending_range(stream_name("clip"), "enhance", "-", "+", 1)[0]["time_since_delivered"])

    for _ in range(3):
        wait_for(lambda: idle_ms() > 100)
        assert queue.renew("c1", [mine.entry_id]) == [mine.entry_id]
        assert queue.reclaim("c2", 1) == []
    wait_for(lambda: idle_ms() > 300)
    (taken,) = queue.reclaim("c2", 1)
    assert taken.deliveries == 2


def test_renewing_tells_which_frames_are_no_longer_wanted(queue: FrameQueue) -> None:
    other = SegmentKey("job-b", 0, 1)
    for key in (KEY, other):
        queue.put(task(0, key))
    queue.put(task(1), live=True)
    live, gone, kept = queue.claim("c1", 3, 0)
    queue.purge("job-a")
    assert queue.renew("c1", [live.entry_id, gone.entry_id, kept.entry_id]) == [kept.entry_id]


def test_a_second_done_leaves_nothing_behind_but_a_second_reply(queue: FrameQueue) -> None:
    queue.put(task(0))
    (claimed,) = queue.claim("c1", 1, 0)
    for _ in range(2):
        queue.done(claimed.task, ok(0), claimed.entry_id)
    assert collect(queue, KEY, 2) == [ok(0), ok(0)]
    assert (queue.depth(), queue.pending()) == (0, 0)


def test_a_reply_lost_on_the_way_is_read_again(redis: Redis, queue: FrameQueue) -> None:
    """What redis-py does when the connection breaks while a reply is on its way: the command is sent again."""
    queue.done(task(0), ok(0), "clip:1-1")
    redis.xread({f"gleaner:done:{KEY}": "0-0"})
    assert collect(queue, KEY, 1) == [ok(0)]


def test_replies_expire_when_nobody_comes_for_them(redis: Redis, queue: FrameQueue) -> None:
    queue.done(task(0), ok(0), "clip:1-1")
    assert 0 < redis.ttl(f"gleaner:done:{KEY}") <= 3600


def test_wait_done_wakes_when_the_reply_is_sent(queue: FrameQueue, redis_url: str) -> None:
    got: list[FrameDone | None] = []
    thread = threading.Thread(target=lambda: got.append(queue.wait_done(KEY, 5)))
    thread.start()
    with connect(redis_url) as other:
        FrameQueue(other, 1, 3).done(task(3), ok(3), "clip:1-1")
    thread.join(4)
    assert got == [ok(3)]


def test_purging_a_segment_leaves_other_attempts_and_jobs_alone(queue: FrameQueue) -> None:
    keys = [KEY, SegmentKey("job-a", 0, 2), SegmentKey("job-a", 1, 1), SegmentKey("job-ab", 0, 1)]
    for key in keys:
        for frame in range(3):
            queue.put(task(frame, key))
        queue.done(task(9, key), ok(9), "clip:1-1")
    queue.claim("c1", 2, 0)
    assert queue.purge(KEY) == 3
    assert [queue.queued(key) for key in keys] == [set(), {0, 1, 2}, {0, 1, 2}, {0, 1, 2}]
    assert queue.pending() == 0
    assert [queue.wait_done(key, 0) for key in keys] == [None, ok(9), ok(9), ok(9)]
    assert queue.purge("job-a") == 6
    assert [queue.queued(key) for key in keys] == [set(), set(), set(), {0, 1, 2}]
    assert queue.purge("job-a") == 0


def test_queued_sees_waiting_and_lent_frames_but_not_finished_ones(queue: FrameQueue) -> None:
    for frame in range(3):
        queue.put(task(frame))
    finished, _ = queue.claim("c1", 2, 0)
    queue.done(finished.task, ok(0), finished.entry_id)
    assert queue.queued(KEY) == {1, 2}


def test_a_frame_delivered_too_often_becomes_a_dead_letter_and_fails(redis: Redis) -> None:
    queue = impatient(redis)
    queue.put(task(0))
    (claimed,) = queue.claim("c0", 1, 0)
    for delivery in range(2, 5):
        assert not queue.exhausted(claimed)
        (claimed,) = queue.reclaim(f"c{delivery}")
    assert queue.exhausted(claimed)
    queue.dead_letter(claimed, "its worker died 3 times")
    (reply,) = collect(queue, KEY, 1)
    assert (reply.frame, reply.outcome, reply.detail) == (0, "failed", "its worker died 3 times")
    ((_, letter),) = redis.xrange(DEAD_STREAM)
    assert FrameTask.model_validate_json(letter[b"t"]) == task(0)
    assert letter[b"reason"] == b"its worker died 3 times"
    assert (queue.depth(), queue.pending(), queue.dead()) == (0, 0, 1)


def test_a_task_of_an_unknown_form_fails_instead_of_blocking_the_queue(redis: Redis, queue: FrameQueue) -> None:
    future = task(5).model_dump_json().replace('"v":1', '"v":2')
    redis.xadd(stream_name("clip"), {"t": future})
    redis.xadd(stream_name("clip"), {"t": b"\xff not JSON"})
    queue.put(task(6))
    assert frames(queue.claim("c1", 9, 0)) == [6]
    (reply,) = collect(queue, KEY, 1)
    assert (reply.frame, reply.outcome) == (5, "failed")
    assert "unreadable task (v)" in reply.detail
    assert (queue.pending(), queue.dead()) == (1, 2)


def test_ack_takes_frames_off_without_a_reply(queue: FrameQueue) -> None:
    queue.put(task(0))
    queue.put(task(1), live=True)
    queue.ack([one.entry_id for one in queue.claim("c1", 2, 0)])
    assert (queue.depth(), queue.pending(), queue.wait_done(KEY, 0)) == (0, 0, None)


def test_an_emptied_redis_is_no_obstacle(redis: Redis, queue: FrameQueue) -> None:
    queue.put(task(0))
    (claimed,) = queue.claim("c1", 1, 0)
    redis.flushall()
    assert queue.renew("c1", [claimed.entry_id]) == []
    redis.flushall()
    assert queue.reclaim("c1") == []
    redis.flushall()
    queue.ack([claimed.entry_id])
    assert queue.pending() == 0
    queue.put(task(1))
    assert frames(queue.claim("c1", 1, 0)) == [1]


def test_an_entry_deleted_by_a_foreign_hand_is_let_go(redis: Redis) -> None:
    queue = impatient(redis)
    entries = [queue.put(task(frame)) for frame in range(2)]
    queue.claim("c1", 2, 0)
    redis.xdel(stream_name("clip"), entries[0].partition(":")[2])
    assert frames(queue.reclaim("c2", 5)) == [1]
    assert queue.pending() == 1


def test_the_oldest_frame_has_an_age(queue: FrameQueue, wait_for: Wait) -> None:
    queue.put(task(0))
    wait_for(lambda: queue.oldest_age_s() > 0.02)
    queue.put(task(1), live=True)
    assert queue.oldest_age_s() > 0.02


def test_only_names_of_consumers_that_hold_nothing_are_forgotten(
    redis: Redis, queue: FrameQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.put(task(0))
    queue.claim("holding", 1, 0)
    queue.put(task(1))
    queue.ack([one.entry_id for one in queue.claim("gone", 1, 0)])
    assert queue.forget_idle_consumers() == 0
    monkeypatch.setattr("pipeline.queue.FORGET_CONSUMER_MS", -1)
    assert queue.forget_idle_consumers() == 1
    assert [seen["name"] for seen in redis.xinfo_consumers(stream_name("clip"), "enhance")] == [b"holding"]
    assert queue.pending() == 1


def test_an_empty_queue_has_no_consumers_to_forget(queue: FrameQueue) -> None:
    assert queue.forget_idle_consumers() == 0


def test_consumer_names_are_never_used_twice() -> None:
    assert len({consumer_name() for _ in range(50)}) == 50


CONSUMER = textwrap.dedent("""
    import sys
    from pipeline.connection import connect
    from pipeline.queue import FrameQueue, consumer_name
    from pipeline.tasks import FrameDone
    redis = connect(sys.argv[1])
    queue, me = FrameQueue(redis, lease_s=0.5, max_deliveries=1000), consumer_name()
    while True:
        for claimed in queue.claim(me, 4, 50) or queue.reclaim(me, 4):
            redis.incr(f"work:{claimed.task.frame}")
            queue.done(claimed.task, FrameDone(frame=claimed.task.frame, outcome="enhanced"), claimed.entry_id)
""")


class Consumers:
    """Real processes that claim and finish frames; any of them may be killed."""

    def __init__(self, url: str, count: int) -> None:
        self._url = url
        self.processes = [self._start() for _ in range(count)]

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", CONSUMER, self._url], env={**os.environ, "PYTHONPATH": "."})

    def kill_one(self, index: int) -> None:
        self.processes[index].send_signal(signal.SIGKILL)
        self.processes[index].wait(timeout=10)
        self.processes[index] = self._start()

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(timeout=10)


def test_consumers_killed_at_random_lose_no_frame(redis: Redis, redis_url: str, wait_for: Wait) -> None:
    total, seed = 1500, random.Random(7)
    queue = FrameQueue(redis, 0.5, 1000)
    consumers = Consumers(redis_url, 3)
    try:
        seen: Counter[int] = Counter()
        for frame in range(total):
            queue.put(task(frame))
        for kills in range(1, 6):
            while len(seen) < kills * 200:
                seen[collect(queue, KEY, 1, 20)[0].frame] += 1
            consumers.kill_one(seed.randrange(3))
        while len(seen) < total:
            seen[collect(queue, KEY, 1, 20)[0].frame] += 1
        wait_for(lambda: queue.pending() == 0)
    finally:
        consumers.close()
    assert sorted(seen) == list(range(total))
    assert (queue.depth(), queue.pending(), queue.queued(KEY), queue.dead()) == (0, 0, set(), 0)


def test_a_redis_killed_in_the_middle_loses_nothing(own_redis_server, wait_for: Wait) -> None:
    total = 600
    with connect(own_redis_server.url) as redis:
        queue = FrameQueue(redis, 0.5, 1000)
        consumers = Consumers(own_redis_server.url, 2)
        try:
            for frame in range(total):
                queue.put(task(frame))
            seen = {collect(queue, KEY, 1, 20)[0].frame for _ in range(100)}
            own_redis_server.kill()
            own_redis_server.start()
            while len(seen) < total:
                seen.add(collect(queue, KEY, 1, 20)[0].frame)
            wait_for(lambda: queue.pending() == 0)
        finally:
            consumers.close()
        assert seen == set(range(total))
        assert (queue.depth(), queue.pending()) == (0, 0)
