"""Frame store in Redis, for workers on several hosts. Knows no files.

    gleaner:pixels:open:{job}:{segment}:{attempt}    there while the segment is open
    gleaner:pixels:data:{job}:{segment}:{attempt}    hash: "<frame>.in", "<frame>.out"

Both names of a segment expire by themselves half a day to a day after its last frame, in case nobody drops it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import OutOfMemoryError

from pipeline.files import check_id
from pipeline.frames import PARTS, FrameStoreFull, Part, SegmentGone
from pipeline.tasks import SegmentKey

if TYPE_CHECKING:
    from typing_extensions import Buffer

EXPIRE_S = 86_400
_OPEN = "gleaner:pixels:open:"
_DATA = "gleaner:pixels:data:"
_SCAN_COUNT = 1000
_NO_KEY = -2  # Redis's answer to TTL


class RedisFrameStore:
    """See FrameStore. A value holds at most 512 MB, as Redis has it."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # redis-py types every reply as "awaitable or not"

    def open_segment(self, key: SegmentKey) -> None:
        self._redis.set(f"{_OPEN}{_name(key)}", b"", ex=EXPIRE_S)

    def put(self, key: SegmentKey, frame: int, part: Part, *chunks: Buffer) -> None:
        opened, data = f"{_OPEN}{_name(key)}", f"{_DATA}{_name(key)}"
        value = b"".join(memoryview(chunk).cast("B") for chunk in chunks)

        def store(pipe: Any) -> None:
            left_s = pipe.ttl(opened)
            if left_s == _NO_KEY:
                raise SegmentGone(key)
            pipe.multi()  # discarded by Redis if the segment is dropped from here on
            pipe.hset(data, _field(frame, part), value)
            pipe.expire(data, EXPIRE_S)
            if left_s < EXPIRE_S // 2:  # seldom: to touch a watched key makes others' puts begin again
                pipe.expire(opened, EXPIRE_S)

        try:
            self._redis.transaction(store, opened)
        except OutOfMemoryError as error:
            raise FrameStoreFull(
                f"Redis refuses {len(value)} bytes of pixels: its maxmemory is reached; raise it, lower"
                " GLEANER_WINDOW_FRAMES, or use GLEANER_FRAME_STORE=shared where all workers are on one host"
            ) from error

    def get(self, key: SegmentKey, frame: int, part: Part) -> memoryview | None:
        value = self._redis.hget(f"{_DATA}{_name(key)}", _field(frame, part))
        return None if value is None else memoryview(value)

    def exists(self, key: SegmentKey, frame: int, part: Part) -> bool:
        return bool(self._redis.hexists(f"{_DATA}{_name(key)}", _field(frame, part)))

    def drop(self, key: SegmentKey, frame: int) -> None:
        self._redis.hdel(f"{_DATA}{_name(key)}", *(_field(frame, part) for part in PARTS))

    def drop_segment(self, key: SegmentKey) -> None:
        self._redis.unlink(f"{_OPEN}{_name(key)}", f"{_DATA}{_name(key)}")  # one command, so both or none

    def drop_job(self, job_id: str) -> None:
        for prefix in (_OPEN, _DATA):  # closed first, so that no data can come after
            names = list(self._redis.scan_iter(match=f"{prefix}{check_id(job_id)}:*", count=_SCAN_COUNT))
            if names:
                self._redis.unlink(*names)

    def jobs(self) -> set[str]:
        found: set[str] = set()
        for prefix in (_OPEN, _DATA):
            names = self._redis.scan_iter(match=f"{prefix}*", count=_SCAN_COUNT)
            found.update(name.decode().removeprefix(prefix).partition(":")[0] for name in names)
        return found


def _name(key: SegmentKey) -> str:
    return f"{check_id(key.job)}:{int(key.segment)}:{int(key.attempt)}"


def _field(frame: int, part: Part) -> str:
    return f"{int(frame)}.{part}"
