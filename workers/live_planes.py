"""The planes of a live stream: frames of any rung to enhance workers, never waiting and never failing.

Through Redis in the service (LivePlane of `workers/live_frames.py` over `workers/plane_redis.py`). Where Redis is away,
its store is full or was emptied, a frame is refused in words, and the stream shows it resized.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from numpy.typing import NDArray
from redis.exceptions import RedisError

from pipeline.frames import FrameStoreFull, SegmentGone
from workers.plane import Enhanced
from workers.plane_redis import RedisPlane
from workers.rungs import Rung

log = structlog.get_logger(__name__)

AWAY_S = 2.0  # how long Redis is left alone once it did not answer


class RedisLivePlane:
    """plane: open and live. still_ours: whether no other worker has the stream; asked where pixels have gone.

    workers_now: enhance workers alive. `submit` and `collect` raise SegmentGone where the stream is another's.
    """

    def __init__(
        self, plane: RedisPlane, still_ours: Callable[[], bool], workers_now: Callable[[], int], stream: str
    ) -> None:
        self._plane, self._still_ours, self._workers_now, self._stream = plane, still_ours, workers_now, stream
        self._away_until = 0.0
        self._idle = threading.Event()  # never set: a wait that takes its time

    def submit(self, frame: int, tiles: NDArray[Any], rung: Rung) -> str:
        if time.monotonic() < self._away_until:
            return "the frame queue does not answer"
        try:
            self._plane.submit_to(rung.name, rung.scale, frame, tiles)
        except FrameStoreFull:
            log.warning("frame store full", stream=self._stream, stage="camera")
            return "the frame store is full"
        except SegmentGone:
            if not self._still_ours():
                raise
            self._plane.reopen()
            return "the frame store was emptied"
        except RedisError as error:
            return self._away(error)
        return ""

    def collect(self, timeout_s: float) -> Enhanced | None:
        if (left_s := self._away_until - time.monotonic()) > 0:
            self._idle.wait(min(timeout_s, left_s))
            return None
        try:
            return self._plane.collect(timeout_s)
        except SegmentGone:
            if not self._still_ours():
                raise
            self._plane.reopen()
        except RedisError as error:
            self._away(error)
        return None

    def abandon(self, frame: int) -> None:
        try:
            self._plane.abandon(frame)
        except RedisError as error:
            self._away(error)

    def workers(self) -> int:
        try:
            return self._workers_now()
        except RedisError as error:
            self._away(error)
            return 1

    def _away(self, error: RedisError) -> str:
        self._away_until = time.monotonic() + AWAY_S
        log.warning("frames are only resized while Redis is away", stream=self._stream, error=type(error).__name__)
        return "the frame queue does not answer"
