"""The stream store against a real Redis: names, owners, reports, events, races."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from pipeline.connection import connect, connect_async
from pipeline.job import Problem
from pipeline.jobs import CursorError, StaleAttempt, new_id
from pipeline.stream import Stream, StreamOptions, StreamState, StreamStatus
from pipeline.stream_errors import NameTaken, StaleOwner, StreamChanged, StreamExists, StreamStopped, UnknownStream
from pipeline.stream_reader import AsyncStreamReader
from pipeline.streams import EVENTS_KEPT, StreamStore

ONLINE = StreamStatus(state=StreamState.ONLINE, since=0.0)
OVER = Problem(code="camera-silent", detail="nothing came for 10 s")


def make_stream(name: str = "yard", stream_id: str | None = None, **options: Any) -> Stream:
    wanted = StreamOptions(name=name, model="espcn-x4", **options)
    return Stream(id=stream_id or new_id(), options=wanted, created_at=1000.0, changed_at=1000.0)


def changed(stream: Stream, **options: Any) -> StreamOptions:
    return StreamOptions.model_validate(stream.options.model_dump() | options)


def states(store: StreamStore, stream_id: str) -> list[str]:
    return [event.data["state"] for event in store.read_events(stream_id) if event.kind == "state"]


def at_once(redis_url: str, count: int, act: Callable[[StreamStore, int], object]) -> list[object]:
    """What `act` returned or raised in each of `count` threads with a client of its own."""
    ready, results = threading.Barrier(count), []

    def run(number: int) -> None:
        with connect(redis_url) as client:
            store = StreamStore(client)
            ready.wait(timeout=10)
            try:
                results.append(act(store, number))
            except Exception as error:
                results.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(results) == count
    return results


# Records and names


def test_a_stream_is_kept_found_and_deleted(redis: Redis, store: StreamStore) -> None:
    stream = store.create(make_stream(), {"url": "token"})
    assert store.create(stream, {"url": "token"}) == stream == store.get(stream.id) == store.by_name("yard")
    assert store.sealed(stream.id) == {"url": "token"}
    store.begin_epoch(stream.id, "w")
    store.want_snapshot(stream.id)
    store.delete(stream.id)
    store.delete(stream.id)
    for ask in (store.get, store.status):
        with pytest.raises(UnknownStream):
            ask(stream.id)
    with pytest.raises(UnknownStream, match="yard"):
        store.by_name("yard")
    assert redis.keys("*") == [b"gleaner:streams:deleted"]
    assert store.deleted() == [stream.id]
    assert StreamStore(redis, clock=lambda: 4e9).deleted() == []
    store.create(make_stream())  # the name is free again


def test_an_id_and_a_name_are_given_once(store: StreamStore) -> None:
    stream = store.create(make_stream())
    with pytest.raises(StreamExists):
        store.create(make_stream("gate", stream.id))
    with pytest.raises(NameTaken) as caught:
        store.create(make_stream())
    assert caught.value.stream_id == stream.id
    assert store.all() == [stream]


def test_of_those_who_want_a_name_at_once_one_has_it(redis_url: str, store: StreamStore) -> None:
    made = at_once(redis_url, 8, lambda store, _: store.create(make_stream()))
    assert sum(isinstance(each, NameTaken) for each in made) == 7
    assert store.all() == [each for each in made if isinstance(each, Stream)]
    others = [store.create(make_stream(f"cam{n}")) for n in range(6)]
    renamed = at_once(redis_url, 6, lambda store, n: store.update(others[n].id, changed(others[n], name="gate")))
    assert sum(isinstance(each, NameTaken) for each in renamed) == 5
    names = sorted(stream.name for stream in store.all())
    assert names.count("gate") == 1
    assert [store.by_name(name).name for name in names] == names


def test_a_change_counts_and_frees_the_old_name(store: StreamStore) -> None:
    first = store.create(make_stream(), {"url": "token", "push_url": "other"})
    new = store.update(
        first.id,
        changed(first, name="gate", budget_s=5.0),
        sealed={"url": "newer", "push_url": None},
        url_shown="rtsp://10.0.0.5:554/",
        credentials=True,
    )
    assert (new.revision, new.name, new.options.budget_s, new.credentials) == (2, "gate", 5.0, True)
    assert new.changed_at > first.changed_at
    assert new == store.get(first.id) == store.by_name("gate")
    assert store.sealed(first.id) == {"url": "newer"}
    with pytest.raises(UnknownStream):
        store.by_name("yard")
    assert store.update(first.id, new.options) == new  # nothing new: no new revision
    with pytest.raises(StreamChanged):
        store.update(first.id, changed(new, budget_s=6.0), revision=1)
    with pytest.raises(TypeError):
        store.update(first.id, new.options, created_at=0.0)
    with pytest.raises(UnknownStream):
        store.update(new_id(), new.options)


def test_streams_are_listed_newest_first_in_pages(store: StreamStore) -> None:
    streams = [store.create(make_stream(f"cam{n}", new_id(now=1000.0 + n))) for n in range(5)]
    names, cursor = [], None
    for _ in range(3):
        page, cursor = store.list(2, cursor)
        names.append([stream.name for stream in page])
        store.create(make_stream(f"new-{len(names)}"))  # newer than the page: it moves nothing
    assert names == [["cam4", "cam3"], ["cam2", "cam1"], ["cam0"]]
    assert cursor is None
    assert store.all()[:5] == streams
    for bad in ("+", "(x", "no cursor"):
        with pytest.raises(CursorError):
            store.list(2, bad)


# The owner


def test_an_owner_that_hung_can_change_nothing_once_another_has_begun(redis: Redis, store: StreamStore) -> None:
    stream = store.create(make_stream())
    old = store.begin_epoch(stream.id, "first")
    store.set_status(stream.id, old, ONLINE.model_copy(update={"owner": "first"}))
    new = store.begin_epoch(stream.id, "second")
    assert new > old
    store.set_status(stream.id, new, ONLINE.model_copy(update={"owner": "second"}))
    before = {key: redis.dump(key) for key in redis.keys("gleaner:*") if not key.endswith(b":reporting")}
    for act in (
        lambda: store.check(stream.id, old),
        lambda: store.set_status(stream.id, old, ONLINE),
        lambda: store.add_event(stream.id, "gap", {"seconds": 3}, epoch=old),
    ):
        with pytest.raises(StaleOwner) as caught:
            act()
        assert isinstance(caught.value, StaleAttempt)  # so rq leaves the job to the new owner
    assert before == {key: redis.dump(key) for key in redis.keys("gleaner:*") if not key.endswith(b":reporting")}
    assert store.check(stream.id, new) == stream
    assert store.status(stream.id).owner == "second"


def test_of_owners_that_begin_at_once_one_stays(redis_url: str, store: StreamStore) -> None:
    stream = store.create(make_stream())
    epochs = at_once(redis_url, 8, lambda store, n: store.begin_epoch(stream.id, f"w{n}"))
    assert len(set(epochs)) == 8
    last = max(epoch for epoch in epochs if isinstance(epoch, int))
    for epoch in epochs:
        assert isinstance(epoch, int)
        if epoch == last:
            store.check(stream.id, epoch)
        else:
            with pytest.raises(StaleOwner):
                store.check(stream.id, epoch)


def test_a_redis_that_lost_its_last_second_gives_no_epoch_twice(redis: Redis) -> None:
    now = 1000.0
    store = StreamStore(redis, clock=lambda: now)
    stream = store.create(make_stream())
    first = store.begin_epoch(stream.id, "first")
    redis.delete(f"gleaner:stream:{stream.id}:epoch")
    now = 1000.5
    assert store.set_status(stream.id, first, ONLINE) == stream  # nobody else has begun: it says so again
    assert redis.get(f"gleaner:stream:{stream.id}:epoch") == str(first).encode()
    redis.delete(f"gleaner:stream:{stream.id}:epoch")
    second = store.begin_epoch(stream.id, "second")
    assert second > first
    with pytest.raises(StaleOwner):
        store.set_status(stream.id, first, ONLINE)
    now = 10.0  # the clock was set back
    assert store.begin_epoch(stream.id, "third") == second + 1


def test_a_stopped_stream_has_no_owner(store: StreamStore) -> None:
    stream = store.create(make_stream())
    epoch = store.begin_epoch(stream.id, "w")
    store.set_status(stream.id, epoch, ONLINE)
    stopped = store.update(stream.id, changed(stream, enabled=False))
    for act in (
        lambda: store.check(stream.id, epoch),
        lambda: store.set_status(stream.id, epoch, ONLINE),
        lambda: store.begin_epoch(stream.id, "w"),
    ):
        with pytest.raises(StreamStopped):
            act()
    assert store.status(stream.id).state is StreamState.STOPPED
    store.update(stream.id, changed(stopped, enabled=True))
    assert store.status(stream.id).state is StreamState.WAITING
    store.check(stream.id, epoch)  # it was too short to be noticed: the owner may go on
    store.delete(stream.id)
    with pytest.raises(UnknownStream):
        store.set_status(stream.id, epoch, ONLINE)
    assert states(store, stream.id) == []


def test_reports_against_a_change_are_never_lost_nor_revive_the_stream(redis_url: str, store: StreamStore) -> None:
    stream = store.create(make_stream())
    epoch = store.begin_epoch(stream.id, "w")

    def act(store: StreamStore, number: int) -> None:
        if number == 0:
            store.update(stream.id, changed(stream, enabled=False))
            return
        for _ in range(50):
            store.set_status(stream.id, epoch, ONLINE)

    results = at_once(redis_url, 4, act)
    assert all(result is None or isinstance(result, StreamStopped) for result in results)
    assert store.status(stream.id).state is StreamState.STOPPED
    assert not store.get(stream.id).options.enabled


# Reports and events


def test_reports_set_time_and_tell_of_what_is_new(redis: Redis) -> None:
    now = 1000.0
    store = StreamStore(redis, clock=lambda: now)
    stream = store.create(make_stream())
    assert store.status(stream.id).state is StreamState.WAITING
    epoch = store.begin_epoch(stream.id, "w")
    assert store.status(stream.id).state is StreamState.CONNECTING
    for now, status in [
        (1001.0, ONLINE),
        (1002.0, ONLINE.model_copy(update={"fps_in": 25.0})),
        (1003.0, StreamStatus(state=StreamState.BACKING_OFF, since=0.0, problem=OVER)),
        (1004.0, StreamStatus(state=StreamState.BACKING_OFF, since=0.0, problem=OVER)),
        (1005.0, StreamStatus(state=StreamState.BACKING_OFF, since=0.0)),
    ]:
        store.set_status(stream.id, epoch, status)
        seen = store.status(stream.id)
        assert (seen.epoch, seen.updated_at) == (epoch, now)
    assert seen.since == 1003.0
    assert states(store, stream.id) == ["waiting", "connecting", "online", "backing-off", "backing-off"]
    assert store.read_events(stream.id)[3].data["problem"] == {"code": OVER.code, "detail": OVER.detail}


def test_a_moment_at_which_it_is_tried_again_is_never_a_past_one(redis: Redis) -> None:
    now = 5000.0
    store = StreamStore(redis, clock=lambda: now)
    stream = store.create(make_stream())
    epoch = store.begin_epoch(stream.id, "w1")
    for state in (StreamState.BACKING_OFF, StreamState.FAILED):
        store.set_status(stream.id, epoch, StreamStatus(state=state, since=0.0, problem=OVER, retry_at=now + 1))
        assert (store.status(stream.id).state, store.status(stream.id).retry_at) == (state, now + 1)
        now += 1
        seen = store.status(stream.id)
        assert (seen.state, seen.since, seen.retry_at, seen.problem) == (StreamState.CONNECTING, now, None, OVER)


def test_where_nobody_reports_the_stream_waits_and_what_was_known_stays(redis: Redis) -> None:
    now = 1000.0
    store = StreamStore(redis, clock=lambda: now)
    stream = store.create(make_stream())
    assert store.status(stream.id).problem is None  # only just made
    epoch = store.begin_epoch(stream.id, "w")
    store.set_status(stream.id, epoch, ONLINE.model_copy(update={"last_frame_at": 999.0, "fps_in": 25.0}))
    assert 8 <= redis.ttl(f"gleaner:stream:{stream.id}:reporting") <= 10
    redis.delete(f"gleaner:stream:{stream.id}:reporting")  # as it does by itself after 10 s
    now = 1030.0
    seen = store.status(stream.id)
    assert (seen.state, seen.since, seen.last_frame_at, seen.fps_in) == (StreamState.WAITING, 1010.0, 999.0, 0.0)
    assert seen.frame_age_s(now) == 31.0
    assert seen.problem is not None
    assert "GLEANER_CAMERA_WORKERS" in seen.problem.detail


def test_events_are_of_known_kinds_and_capped(redis: Redis, store: StreamStore) -> None:
    stream = store.create(make_stream())
    epoch = store.begin_epoch(stream.id, "w")
    store.add_event(stream.id, "rung", {"rung": "lanczos", "reason": "lag"}, epoch=epoch)
    assert store.read_events(stream.id)[-1].data == {"rung": "lanczos", "reason": "lag"}
    with pytest.raises(ValueError, match="no kind of event"):
        store.add_event(stream.id, "gossip", {})
    store.add_event(new_id(), "gap", {})  # of a deleted stream: nothing is kept
    assert len(redis.keys("*:events")) == 1
    key = f"gleaner:stream:{stream.id}:events"
    with redis.pipeline(transaction=False) as pipe:
        for _ in range(EVENTS_KEPT + 500):
            pipe.xadd(key, {"kind": "gap", "data": "{}"})
        pipe.execute()
    store.add_event(stream.id, "gap", {"seconds": 1})
    assert EVENTS_KEPT <= redis.xlen(key) < EVENTS_KEPT + 200


def test_a_wish_for_a_snapshot_is_told_once(redis: Redis, store: StreamStore) -> None:
    stream = store.create(make_stream())
    assert not store.take_snapshot_wish(stream.id)
    store.want_snapshot(stream.id)
    store.want_snapshot(stream.id)
    assert redis.ttl(f"gleaner:stream:{stream.id}:wish") > 0  # nobody waits for ever
    old, new = (store.begin_epoch(stream.id, name) for name in ("first", "second"))
    with pytest.raises(StaleOwner):
        store.take_snapshot_wish(stream.id, old)
    assert store.take_snapshot_wish(stream.id, new)
    assert not store.take_snapshot_wish(stream.id, new)


def test_the_http_app_reads_the_same(redis_url: str, store: StreamStore) -> None:
    stream = store.create(make_stream())
    store.set_status(stream.id, store.begin_epoch(stream.id, "w"), ONLINE)

    async def read() -> None:
        async with connect_async(redis_url) as client:
            reader = AsyncStreamReader(client)
            assert await reader.get(stream.id) == stream
            assert await reader.status(stream.id) == store.status(stream.id)
            assert await reader.read_events(stream.id) == store.read_events(stream.id)
            with pytest.raises(UnknownStream):
                await reader.status(new_id())

    asyncio.run(read())
