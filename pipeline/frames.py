"""Where pixels of frames in flight lie, apart from the queue: what every store promises, and the choice of one.

Frames belong to an attempt at a segment (SegmentKey). "in" is what the network gets, "out" what it made. The clip
worker opens the segment and drops it; enhance workers read "in" and put "out". Nothing here is durable: a frame that is
gone is computed again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from redis import Redis

from pipeline.tasks import SegmentKey

if TYPE_CHECKING:
    from typing_extensions import Buffer

Part = Literal["in", "out"]
PARTS: tuple[Part, ...] = ("in", "out")


class SegmentGone(Exception):
    """A frame was to be put into a segment that is not open: it was dropped, or never opened."""

    def __init__(self, key: SegmentKey) -> None:
        super().__init__(f"segment {key} is not open in the frame store; its frames are of no more use")
        self.key = key


class FrameStoreFull(Exception):
    """There is no room for another frame. The message says what to enlarge."""


class FrameStore(Protocol):
    """Safe to use from several threads and processes. All but `put` may be repeated and never miss what they name."""

    def open_segment(self, key: SegmentKey) -> None:
        """Makes room for the frames of a segment."""
        ...

    def put(self, key: SegmentKey, frame: int, part: Part, *chunks: Buffer) -> None:
        """Stores the C-contiguous chunks one after the other, in place of what was there.

        Readers see all of them or none. Raises SegmentGone, and FrameStoreFull.
        """
        ...

    def get(self, key: SegmentKey, frame: int, part: Part) -> memoryview | None:
        """The bytes, read-only; None if there are none. They stay valid after the frame is dropped."""
        ...

    def exists(self, key: SegmentKey, frame: int, part: Part) -> bool: ...

    def drop(self, key: SegmentKey, frame: int) -> None:
        """Removes both parts of a frame."""
        ...

    def drop_segment(self, key: SegmentKey) -> None:
        """Closes the segment and removes its frames; whoever still puts gets SegmentGone."""
        ...

    def drop_job(self, job_id: str) -> None:
        """Does so with all segments of a job."""
        ...

    def jobs(self) -> set[str]:
        """Ids of jobs that have open segments."""
        ...


def make_frame_store(kind: str, folder: Path, redis: Redis) -> FrameStore:
    """kind: "shared" (memory of this host, below `folder`) or "redis" (any host, slower by the copies it makes)."""
    from pipeline.frames_redis import RedisFrameStore  # here, since the stores import this file
    from pipeline.frames_shared import SharedFrameStore

    if kind == "shared":
        return SharedFrameStore(folder)
    if kind == "redis":
        return RedisFrameStore(redis)
    raise ValueError(f'the frame store is "{kind}"; it must be "shared" or "redis"')
