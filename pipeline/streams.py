"""Streams in Redis: records, names, owners, reports and events, under the names of `pipeline/stream_keys.py`.

Knows neither queues nor files nor cameras.

Every change watches the record, so the first of two wins. Only one owner at a time is heard: each begins an epoch, and
whatever an earlier one then wants to change raises StaleOwner and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import WatchError

from pipeline import events
from pipeline.events import Event
from pipeline.files import check_id
from pipeline.jobs import CursorError
from pipeline.stream import Stream, StreamOptions, StreamState, StreamStatus
from pipeline.stream_errors import NameTaken, StaleOwner, StreamChanged, StreamExists, StreamStopped, UnknownStream
from pipeline.stream_keys import (
    ALL,
    DELETED,
    NAMES,
    all_keys,
    epoch_key,
    events_key,
    record_key,
    reporting_key,
    sealed_key,
    status_key,
    wish_key,
)
from pipeline.stream_report import REPORT_TTL_S, as_seen

T = TypeVar("T")
# StreamStore.list hides the builtin inside the class:
Streams = list[Stream]
Ids = list[str]
Events = list[Event]

EVENTS_KEPT = 10_000  # of a stream
DELETED_KEPT_S = 3600.0  # an owner that hung for longer is long dead
WISH_S = 10  # whoever waits for a snapshot has given up after this
KINDS = frozenset({"state", "rung", "gap", "dropped", "clock", "size", "push", "record"})
SEALED = frozenset({"url", "push_url"})
_MAY_CHANGE = frozenset({"url_shown", "credentials", "weights", "push_key_hash"})


class StreamStore:
    """All processes use it on the same Redis. `clock` gives Unix seconds."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis  # redis-py types replies as awaitable or not; ours never are
        self._clock = clock

    # Records

    def create(self, stream: Stream, sealed: Mapping[str, str] | None = None) -> Stream:
        """Stores a new stream, with the sealed "url" and "push_url" it has. The same one again is fine.

        Raises NameTaken, and StreamExists where another stream has the id.
        """
        secrets = _checked(sealed or {})

        def write(pipe: Any) -> Stream:
            old = pipe.get(record_key(stream.id))
            if old is not None:
                if Stream.model_validate_json(old) != stream:
                    raise StreamExists(f"there is a stream {stream.id} already; make a new id for each")
                pipe.multi()
                return stream
            _check_name_is_free(pipe, stream.name, stream.id)
            pipe.multi()
            pipe.set(record_key(stream.id), stream.model_dump_json())
            pipe.zadd(ALL, {stream.id: 0})
            pipe.hset(NAMES, stream.name, stream.id)
            if secrets:
                pipe.hset(sealed_key(stream.id), mapping=secrets)
            self._add_wanted_event(pipe, stream)
            return stream

        return self._atomically(write, record_key(stream.id), NAMES)

    def get(self, stream_id: str) -> Stream:
        return decode_record(stream_id, self._redis.get(record_key(stream_id)))

    def by_name(self, name: str) -> Stream:
        """Raises UnknownStream."""
        id = self._redis.hget(NAMES, name)
        if id is None:
            raise UnknownStream(name)
        return self.get(id.decode())

    def sealed(self, stream_id: str) -> dict[str, str]:
        """The encrypted "url" and "push_url", those there are. To be opened by pipeline.secrets.Vault."""
        return {name.decode(): token.decode() for name, token in self._redis.hgetall(sealed_key(stream_id)).items()}

    def list(self, limit: int = 50, cursor: str | None = None) -> tuple[Streams, str | None]:
        """Up to `limit` streams, newest first; the cursor of the next page, None at the end. Raises CursorError."""
        if limit < 1:
            raise ValueError(f"limit is {limit}; ask for 1 or more")
        try:
            start = "+" if cursor is None else f"({check_id(cursor)}"
        except ValueError:
            message = "the cursor is not one of ours; pass next_cursor on as it was given, or none"
            raise CursorError(message) from None
        ids = [id.decode() for id in self._redis.zrevrangebylex(ALL, start, "-", start=0, num=limit + 1)]
        return self._records(ids[:limit]), ids[limit - 1] if len(ids) > limit else None

    def all(self) -> Streams:
        """Every stream, oldest first."""
        return self._records([id.decode() for id in self._redis.zrange(ALL, 0, -1)])

    def update(
        self,
        stream_id: str,
        options: StreamOptions,
        *,
        sealed: Mapping[str, str | None] | None = None,
        revision: int | None = None,
        **changes: Any,
    ) -> Stream:
        """Gives the stream other options; its owner then begins anew with them.

        sealed: "url" or "push_url" to be replaced, or None to be forgotten. changes: url_shown, credentials, weights,
        push_key_hash. revision: the one the caller has seen. Raises UnknownStream, NameTaken, StreamChanged.
        """
        if wrong := set(changes) - _MAY_CHANGE:
            raise TypeError(f"{', '.join(sorted(wrong))}: no field of a stream that may be changed")
        secrets = _checked(sealed or {})

        def write(pipe: Any) -> Stream:
            old = decode_record(stream_id, pipe.get(record_key(stream_id)))
            if revision is not None and revision != old.revision:
                raise StreamChanged("the stream was changed meanwhile; read it again and then change it")
            new = Stream.model_validate(old.model_dump() | changes | {"options": options})
            if new == old and not secrets:
                pipe.multi()
                return old
            _check_name_is_free(pipe, new.name, stream_id)
            new = new.model_copy(update={"revision": old.revision + 1, "changed_at": self._clock()})
            pipe.multi()
            pipe.set(record_key(stream_id), new.model_dump_json())
            if new.name != old.name:
                pipe.hdel(NAMES, old.name)
                pipe.hset(NAMES, new.name, stream_id)
            for name, token in secrets.items():
                if token is None:
                    pipe.hdel(sealed_key(stream_id), name)
                else:
                    pipe.hset(sealed_key(stream_id), name, token)
            if new.options.enabled != old.options.enabled:
                pipe.delete(status_key(stream_id), reporting_key(stream_id))
                self._add_wanted_event(pipe, new)
            return new

        return self._atomically(write, record_key(stream_id), NAMES)

    def delete(self, stream_id: str) -> None:
        """Removes all that is kept of the stream; its owner is told by UnknownStream. One not there is fine.

        Its files are the caller's to remove; recovery does so too, see `deleted`.
        """

        def write(pipe: Any) -> None:
            raw = pipe.get(record_key(stream_id))
            pipe.multi()
            if raw is not None:
                pipe.hdel(NAMES, Stream.model_validate_json(raw).name)
                pipe.zadd(DELETED, {stream_id: self._clock()})
            pipe.zrem(ALL, stream_id)
            pipe.delete(*all_keys(stream_id))

        self._atomically(write, record_key(stream_id))

    def deleted(self) -> Ids:
        """Ids of streams deleted of late, whose owners may still have written files after those were removed."""
        self._redis.zremrangebyscore(DELETED, "-inf", self._clock() - DELETED_KEPT_S)
        return [id.decode() for id in self._redis.zrange(DELETED, 0, -1)]

    # The owner

    def begin_epoch(self, stream_id: str, owner: str) -> int:
        """Makes the caller the stream's owner, and all earlier ones stale; the number it reports under.

        It is the time in milliseconds, or more: a Redis that lost its last second does not give a number out twice.
        Raises UnknownStream, StreamStopped.
        """

        def write(pipe: Any) -> int:
            _wanted(stream_id, pipe.get(record_key(stream_id)))
            latest = int(pipe.get(epoch_key(stream_id)) or 0)
            now = self._clock()
            epoch = max(latest + 1, round(now * 1000))
            status = StreamStatus(state=StreamState.CONNECTING, since=now, epoch=epoch, owner=owner, updated_at=now)
            pipe.multi()
            pipe.set(epoch_key(stream_id), epoch)
            self._write_status(pipe, stream_id, status)
            _add_event(pipe, stream_id, "state", {"state": status.state, "at": now})
            return epoch

        return self._atomically(write, record_key(stream_id), epoch_key(stream_id))

    def check(self, stream_id: str, epoch: int) -> Stream:
        """The record, for its owner. Raises UnknownStream, StreamStopped, StaleOwner: it is to stop in each case."""
        raw, latest = self._redis.mget([record_key(stream_id), epoch_key(stream_id)])
        return _owned(stream_id, raw, latest, epoch)

    def set_status(self, stream_id: str, epoch: int, status: StreamStatus) -> Stream:
        """Stores the owner's report, and an event where its state or problem is a new one. Raises as `check` does.

        `epoch`, `since` and `updated_at` of the report are set here. Returns the record, as `check` does.
        """

        def write(pipe: Any) -> Stream:
            raw, latest, before = pipe.mget([record_key(stream_id), epoch_key(stream_id), status_key(stream_id)])
            stream = _owned(stream_id, raw, latest, epoch)
            last = None if before is None else StreamStatus.model_validate_json(before)
            now = self._clock()
            same = last is not None and last.epoch == epoch and last.state is status.state
            since = last.since if last is not None and same else now
            new = status.model_copy(update={"epoch": epoch, "since": since, "updated_at": now})
            pipe.multi()
            if latest is None or int(latest) < epoch:  # Redis lost its last second: say again whose it is
                pipe.set(epoch_key(stream_id), epoch)
            self._write_status(pipe, stream_id, new)
            if last is None or not same or last.problem != new.problem:
                problem = {"problem": new.problem.model_dump()} if new.problem else {}
                _add_event(pipe, stream_id, "state", {"state": new.state, "at": now} | problem)
            return stream

        return self._atomically(write, record_key(stream_id), epoch_key(stream_id))

    def add_event(self, stream_id: str, kind: str, data: Mapping[str, Any], *, epoch: int | None = None) -> None:
        """Adds an event, of KINDS. With an epoch, only for its owner: raises as `check` does.

        A stream that is not there gets none (a deleted one would keep its events for ever).
        """
        if kind not in KINDS:
            raise ValueError(f"{kind!r:.40} is no kind of event of a stream; there are {', '.join(sorted(KINDS))}")

        def write(pipe: Any) -> None:
            raw, latest = pipe.mget([record_key(stream_id), epoch_key(stream_id)])
            if epoch is not None:
                _owned(stream_id, raw, latest, epoch)
            pipe.multi()
            if raw is not None:
                _add_event(pipe, stream_id, kind, data)

        self._atomically(write, record_key(stream_id), epoch_key(stream_id))

    def take_snapshot_wish(self, stream_id: str, epoch: int | None = None) -> bool:
        """Whether somebody waits for a snapshot; for the owner, who is told once. With an epoch, raises as `check`."""
        if not self._redis.exists(wish_key(stream_id)):
            return False
        if epoch is not None:
            self.check(stream_id, epoch)
        return bool(self._redis.delete(wish_key(stream_id)))

    # Those who look

    def want_snapshot(self, stream_id: str) -> None:
        """Asks the owner for a snapshot of the next frame, as files (pipeline/stream_files.py)."""
        self._redis.set(wish_key(stream_id), b"", ex=WISH_S)

    def status(self, stream_id: str) -> StreamStatus:
        """How the stream is doing; "stopped" where it is not wanted, "waiting" where nobody reports on it."""
        return self.statuses([self.get(stream_id)])[stream_id]

    def statuses(self, streams: Sequence[Stream]) -> dict[str, StreamStatus]:
        """The same for several, by id."""
        keys = [key for stream in streams for key in (status_key(stream.id), reporting_key(stream.id))]
        raws = self._redis.mget(keys) if keys else []
        pairs = zip(raws[::2], raws[1::2], strict=True)
        return {
            stream.id: as_seen(stream, raw, reporting is not None, self._clock())
            for stream, (raw, reporting) in zip(streams, pairs, strict=True)
        }

    def read_events(self, stream_id: str, after: str | None = None, block_ms: int = 0) -> Events:
        """Events after the one of that id, oldest first; waits up to `block_ms` for one; 0 does not wait."""
        start = events.resume_point(after)
        reply = self._redis.xread({events_key(stream_id): start}, count=events.PAGE, block=block_ms or None)
        return events.decode(reply)

    # Within

    def _write_status(self, pipe: Any, stream_id: str, status: StreamStatus) -> None:
        pipe.set(status_key(stream_id), status.model_dump_json())
        pipe.set(reporting_key(stream_id), b"", ex=REPORT_TTL_S)

    def _add_wanted_event(self, pipe: Any, stream: Stream) -> None:
        state = StreamState.WAITING if stream.options.enabled else StreamState.STOPPED
        _add_event(pipe, stream.id, "state", {"state": state, "at": self._clock()})

    def _atomically(self, write: Callable[[Any], T], *watched: str) -> T:
        """Runs `write` under WATCH until nobody came in between; it reads, calls multi() and queues its commands."""
        with self._redis.pipeline(transaction=True) as pipe:
            while True:
                try:
                    pipe.watch(*watched)
                    result = write(pipe)
                    pipe.execute()
                    return result
                except WatchError:  # also when the connection broke meanwhile: look again whether it was done
                    continue

    def _records(self, ids: Sequence[str]) -> Streams:
        raws = self._redis.mget([record_key(id) for id in ids]) if ids else []
        return [Stream.model_validate_json(raw) for raw in raws if raw is not None]


def decode_record(stream_id: str, raw: bytes | None) -> Stream:
    if raw is None:
        raise UnknownStream(stream_id)
    return Stream.model_validate_json(raw)


def _wanted(stream_id: str, raw: bytes | None) -> Stream:
    stream = decode_record(stream_id, raw)
    if not stream.options.enabled:
        raise StreamStopped(f"stream {stream_id} was stopped")
    return stream


def _owned(stream_id: str, raw: bytes | None, latest: bytes | None, epoch: int) -> Stream:
    """The record, if this epoch's owner may change things."""
    if raw is not None and latest is not None and int(latest) > epoch:  # first: the job is another's by now
        raise StaleOwner(f"epoch {epoch} of stream {stream_id} is over: {int(latest)} has begun")
    return _wanted(stream_id, raw)


def _check_name_is_free(pipe: Any, name: str, stream_id: str) -> None:
    holder = pipe.hget(NAMES, name)
    if holder is not None and holder.decode() != stream_id:
        raise NameTaken(name, holder.decode())


def _checked(sealed: Mapping[str, str | None]) -> dict[str, Any]:
    if wrong := set(sealed) - SEALED:
        raise TypeError(f"{', '.join(sorted(wrong))}: nothing of a stream that is kept sealed")
    return dict(sealed)


def _add_event(pipe: Any, stream_id: str, kind: str, data: Mapping[str, Any]) -> None:
    pipe.xadd(events_key(stream_id), events.encode(kind, data), maxlen=EVENTS_KEPT, approximate=True)
