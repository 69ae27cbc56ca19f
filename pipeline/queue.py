"""The queue of frames: Redis streams in which each frame is delivered until it is acknowledged. Never sees pixels.

Delivery is at least once: a consumer that dies, a lost reply that redis-py asks for again, or a Redis restart may each
bring a frame twice. Every step here bears repeating, and who collects results counts each frame once.

    gleaner:frames:live, gleaner:frames:clip    one entry a frame, field "t" a FrameTask; consumer group "enhance"
    gleaner:frames:dead                         the last frames given up, each with its reason
    gleaner:done:{job}:{segment}:{attempt}      one FrameDone after another (pipeline/replies.py)
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from redis import Redis
from redis.exceptions import ResponseError

from pipeline.connection import MAX_BLOCK_MS
from pipeline.replies import Replies
from pipeline.tasks import FrameDone, FrameTask, SegmentKey

LANES = ("live", "clip")  # the order in which they are served
GROUP = "enhance"
DEAD_STREAM = "gleaner:frames:dead"
DEAD_KEPT = 1000
PAGE = 500  # entries of a scan fetched at once
_NO_GROUP = ("NOGROUP", "UNBLOCKED", "no such key")  # how Redis says that a group or its stream is not there
FORGET_CONSUMER_MS = 3_600_000  # a consumer that held nothing and asked for nothing this long is gone


@dataclass(frozen=True, slots=True)
class Claimed:
    """A frame lent to a consumer until its lease runs out."""

    entry_id: str
    task: FrameTask
    deliveries: int  # this one included


def stream_name(lane: str) -> str:
    return f"gleaner:frames:{lane}"


def consumer_name() -> str:
    """A name no other consumer has, now or after a restart."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def host_of(consumer: str) -> str:
    """The host (container) that a name made by consumer_name is from."""
    return consumer.rsplit("-", 2)[0]


class FrameQueue:
    """Both ends of the queue. Safe to use from several threads; replies of one segment are for one thread.

    Entry ids are opaque: they name the stream too. lease_s: a claimed frame not renewed this long may be reclaimed by
    anybody. max_deliveries: after that many a frame is to be given up (`exhausted`, `dead_letter`).
    """

    def __init__(self, redis: Redis, lease_s: float, max_deliveries: int) -> None:
        self._redis: Any = redis  # redis-py types every reply as "awaitable or not"
        self._lease_ms = round(lease_s * 1000)
        self._replies = Replies(redis)
        self.max_deliveries = max_deliveries

    # The segment's side

    def put(self, task: FrameTask, *, live: bool = False) -> str:
        """Queues a frame, whose pixels must be in the frame store by now. Returns the entry's id."""
        lane = "live" if live else "clip"
        return _entry_id(lane, self._redis.xadd(stream_name(lane), {"t": task.model_dump_json()}))

    def wait_done(self, key: SegmentKey, timeout_s: float) -> FrameDone | None:
        """The next reply for the segment, or None after `timeout_s`. The same frame may come twice.

        Frames for which none comes for long are to be looked up with `queued` and put again if they are not there:
        a Redis that crashed may have lost its last second.
        """
        return self._replies.wait(key, timeout_s)

    def queued(self, key: SegmentKey) -> set[int]:
        """Frames of the segment that are waiting or being computed."""
        return {FrameTask.model_validate(raw).frame for _, _, raw in self._scan(lambda raw: _belongs(raw, key))}

    def purge(self, owner: SegmentKey | str) -> int:
        """Removes what is queued, lent or replied of a segment, or of a whole job given its id.

        Returns how many entries there were. Consumers still computing such frames learn it from `renew`; what they
        send later expires unread.
        """
        removed = 0
        for lane, entry, _ in self._scan(lambda raw: _belongs(raw, owner)):
            removed += self._remove(lane, entry)
        self._replies.drop(owner)
        return removed

    # The consumer's side

    def claim(self, consumer: str, count: int, block_ms: int) -> list[Claimed]:
        """Up to `count` frames never delivered before, live ones first; waits up to `block_ms` if there is none.

        One more than `count` may come when both streams get their first frame in the same instant.
        """
        if not 0 <= block_ms <= MAX_BLOCK_MS:
            raise ValueError(f"block_ms is {block_ms}; it must be 0 to {MAX_BLOCK_MS}, below the socket's timeout")
        taken: list[Claimed] = []
        for lane in LANES:
            if len(taken) < count:
                taken += self._read(consumer, (lane,), count - len(taken), None)
        if taken or not block_ms:
            return taken
        return self._read(consumer, LANES, 1, block_ms)

    def renew(self, consumer: str, entry_ids: Sequence[str]) -> list[str]:
        """Extends the lease of frames still being computed. Returns those that are still in the queue.

        The others were purged or finished by somebody else; their results are of no use.
        """
        kept = []
        for lane in LANES:
            ids = [raw for at, raw in map(_split, entry_ids) if at == lane]
            if ids:
                xclaim = self._redis.xclaim
                still = self._in_group(xclaim, stream_name(lane), GROUP, consumer, 0, ids, idle=0, justid=True)
                kept += [_entry_id(lane, raw_id) for raw_id in still]
        return kept

    def reclaim(self, consumer: str, count: int = 1) -> list[Claimed]:
        """Takes over up to `count` frames whose lease has run out, oldest first.

        Each such frame may be the one that killed its consumer: compute it alone, so that it takes no other down, and
        take one at a time, since taking counts as a delivery.
        """
        taken: list[Claimed] = []
        for lane in LANES:
            cursor = b"0-0"
            while len(taken) < count:
                reply = self._in_group(
                    self._redis.xautoclaim,
                    stream_name(lane),
                    GROUP,
                    consumer,
                    self._lease_ms,
                    cursor,
                    count=count - len(taken),
                )
                cursor, entries = reply[0], reply[1]
                taken += self._parsed(lane, entries)
                if cursor == b"0-0":
                    break
        return taken

    def exhausted(self, claimed: Claimed) -> bool:
        return claimed.deliveries > self.max_deliveries

    def done(self, task: FrameTask, done: FrameDone, entry_id: str) -> None:
        """Tells the segment's worker and takes the frame off the queue, both or neither."""
        with self._redis.pipeline(transaction=True) as pipe:
            self._replies.add(pipe, task.key, done)
            _remove(pipe, entry_id)
            pipe.execute()

    def ack(self, entry_ids: Sequence[str]) -> None:
        """Takes frames off the queue without a reply: nobody waits for them any more."""
        with self._redis.pipeline(transaction=True) as pipe:
            for entry_id in entry_ids:
                _remove(pipe, entry_id)
            pipe.execute()

    def dead_letter(self, claimed: Claimed, reason: str) -> None:
        """Gives a frame up: it is kept with its reason among the dead and replied to as failed."""
        self._bury(claimed.entry_id, claimed.task.model_dump_json(), claimed.task.key, claimed.task.frame, reason)

    def forget_idle_consumers(self) -> int:
        """Removes names of consumers long gone from the group, so that they do not pile up. Returns how many."""
        gone = 0
        for lane in LANES:
            for seen in self._in_group(self._redis.xinfo_consumers, stream_name(lane), GROUP):
                if seen["pending"] == 0 and seen["idle"] > FORGET_CONSUMER_MS:
                    self._redis.xgroup_delconsumer(stream_name(lane), GROUP, seen["name"])
                    gone += 1
        return gone

    # The watcher's side

    def depth(self) -> int:
        """Frames waiting for a consumer."""
        entries = [int(self._redis.xlen(stream_name(lane))) for lane in LANES]
        return max(0, sum(entries) - self.pending())

    def pending(self) -> int:
        """Frames lent to consumers."""
        lent = [self._in_group(self._redis.xpending, stream_name(lane), GROUP)["pending"] for lane in LANES]
        return sum(map(int, lent))

    def dead(self) -> int:
        """Frames given up, at most the DEAD_KEPT last."""
        return int(self._redis.xlen(DEAD_STREAM))

    def oldest_age_s(self) -> float:
        """Seconds since the oldest frame not yet finished was queued; 0 if there is none."""
        heads = [self._redis.xrange(stream_name(lane), count=1) for lane in LANES]
        born_ms = [int(head[0][0].split(b"-")[0]) for head in heads if head]
        if not born_ms:
            return 0.0
        seconds, micros = self._redis.time()  # the clock that made the ids
        return float(max(0.0, seconds + micros / 1e6 - min(born_ms) / 1000))

    # Inner steps

    def _in_group(self, command: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Runs the command; where the group is missing (first use, or Redis was emptied) makes it and runs it again."""
        while True:
            try:
                return command(*args, **options)
            except ResponseError as error:
                if not str(error).startswith(_NO_GROUP):
                    raise
            for lane in LANES:
                self._make_group(lane)

    def _make_group(self, lane: str) -> None:
        try:
            self._redis.xgroup_create(stream_name(lane), GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _read(self, consumer: str, lanes: Sequence[str], count: int, block_ms: int | None) -> list[Claimed]:
        streams = {stream_name(lane): ">" for lane in lanes}
        replies = self._in_group(self._redis.xreadgroup, GROUP, consumer, streams, count=count, block=block_ms)
        claimed = []
        for name, entries in replies:
            claimed += self._parsed(_lane(name), entries, deliveries=1)
        return claimed

    def _parsed(self, lane: str, entries: Sequence[Any], deliveries: int | None = None) -> list[Claimed]:
        """Entries as tasks. One that cannot be read is given up; one whose entry is gone is let go."""
        parsed = []
        for raw_id, fields in entries:
            if raw_id is None:  # Redis 6.2: deleted by a foreign hand while it was lent
                self._release_deleted(lane)
                continue
            entry_id = _entry_id(lane, raw_id)
            raw = fields.get(b"t", b"")
            try:
                task = FrameTask.model_validate_json(raw)
            except ValidationError as error:
                self._bury_unreadable(entry_id, raw, error)
                continue
            parsed.append(Claimed(entry_id, task, deliveries or self._deliveries(lane, raw_id)))
        return parsed

    def _deliveries(self, lane: str, raw_id: bytes) -> int:
        found = self._redis.xpending_range(stream_name(lane), GROUP, raw_id, raw_id, 1)
        return int(found[0]["times_delivered"]) if found else 1

    def _release_deleted(self, lane: str) -> None:
        name = stream_name(lane)
        for lent in self._redis.xpending_range(name, GROUP, "-", "+", PAGE):
            if not self._redis.xrange(name, lent["message_id"], lent["message_id"]):
                self._redis.xack(name, GROUP, lent["message_id"])

    def _bury(self, entry_id: str, raw: str | bytes, key: SegmentKey | None, frame: int, reason: str) -> None:
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.xadd(DEAD_STREAM, {"t": raw, "reason": reason, "at": f"{time.time():.3f}"}, maxlen=DEAD_KEPT)
            if key is not None:
                self._replies.add(pipe, key, FrameDone(frame=frame, outcome="failed", detail=reason))
            _remove(pipe, entry_id)
            pipe.execute()

    def _bury_unreadable(self, entry_id: str, raw: bytes, error: ValidationError) -> None:
        """A message of a form we do not know, as after a downgrade. Its sender is told if it can be made out."""
        where = ", ".join(".".join(map(str, detail["loc"])) or detail["type"] for detail in error.errors())
        key, frame = None, 0
        fields = _fields(raw)
        numbers = [fields.get(name) for name in ("segment", "attempt", "frame")]
        if isinstance(fields.get("job"), str) and all(type(number) is int for number in numbers):
            segment, attempt, frame = (int(str(number)) for number in numbers)
            key = SegmentKey(fields["job"], segment, attempt)
        self._bury(entry_id, raw, key, frame, f"unreadable task ({where}); do all processes run the same version?")

    def _scan(self, wanted: Callable[[dict[str, Any]], bool]) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
        """(lane, raw entry id, task as JSON) of all entries, waiting or lent, that are wanted."""
        for lane in LANES:
            start = "-"
            while entries := self._redis.xrange(stream_name(lane), start, "+", count=PAGE):
                for raw_id, fields in entries:
                    raw = _fields(fields.get(b"t", b""))
                    if wanted(raw):
                        yield lane, raw_id, raw
                start = f"({entries[-1][0].decode()}"

    def _remove(self, lane: str, raw_id: bytes) -> int:
        with self._redis.pipeline(transaction=True) as pipe:
            _remove(pipe, _entry_id(lane, raw_id))
            return int(pipe.execute()[-1])


def _lane(name: bytes) -> str:
    return name.decode().rpartition(":")[2]


def _entry_id(lane: str, raw_id: bytes) -> str:
    return f"{lane}:{raw_id.decode()}"


def _split(entry_id: str) -> tuple[str, bytes]:
    lane, _, raw_id = entry_id.partition(":")
    return lane, raw_id.encode()


def _remove(pipe: Any, entry_id: str) -> None:
    lane, raw_id = _split(entry_id)
    pipe.xack(stream_name(lane), GROUP, raw_id)
    pipe.xdel(stream_name(lane), raw_id)


def _fields(raw: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(raw)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _belongs(raw: dict[str, Any], owner: SegmentKey | str) -> bool:
    if isinstance(owner, str):
        return raw.get("job") == owner
    return (raw.get("job"), raw.get("segment"), raw.get("attempt")) == tuple(owner)
