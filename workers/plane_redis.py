"""The frame plane through Redis: tasks to enhance workers, pixels through the frame store, replies to this segment."""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np
import structlog
from numpy.typing import NDArray

from media.types import MediaError
from pipeline.frames import PARTS, FrameStore, FrameStoreFull, SegmentGone
from pipeline.queue import FrameQueue
from pipeline.tasks import FrameTask, SegmentKey
from workers.outcome import Outcome, parse
from workers.plane import Enhanced

log = structlog.get_logger(__name__)

STORE_RETRY_S = 0.2
ABANDONED_S = 60.0  # a worker that has not stored its result by then is dead
STORE_PATIENCE_S = 30.0  # how long other jobs may take to make room in a full frame store


class RedisPlane:
    """One attempt at one segment. A context manager: leaving it frees all that the attempt left anywhere.

    `submit` and `collect` raise SegmentGone where the frame store has lost or dropped this attempt's pixels: a later
    attempt has begun, the job is over, or Redis came back without its last second. The attempt is then to be given up.
    """

    def __init__(
        self,
        queue: FrameQueue,
        store: FrameStore,
        key: SegmentKey,
        model: str,
        scale: int,
        silence_s: float,
        *,
        consistency: bool = False,
        detail: float = 0.0,
        live: bool = False,
    ) -> None:
        self._queue, self._store, self._key = queue, store, key
        self._model, self._scale, self._consistency, self._detail = model, scale, consistency, detail
        self._live = live
        self._in_flight: dict[int, FrameTask] = {}
        self._entries: dict[int, str] = {}  # of frames in flight, in the queue
        self._abandoned: dict[int, float] = {}  # frames nobody waits for, and since when: their results may still come
        self._silence_s = silence_s  # with no reply for so long, look whether one got lost
        self._last_reply = time.monotonic()

    def __enter__(self) -> RedisPlane:
        if self._live:  # a camera's attempts are counted over years, so they are not gone through one by one
            self._store.drop_job(self._key.job)
            self._queue.purge(self._key.job)
        for attempt in range(1, 0 if self._live else self._key.attempt):
            self._free(self._key._replace(attempt=attempt))
        self._store.open_segment(self._key)
        return self

    def __exit__(self, *_: object) -> None:
        self._free(self._key)

    def submit(self, frame: int, tiles: NDArray[Any]) -> None:
        self.submit_to(self._model, self._scale, frame, tiles)

    def submit_to(self, model: str, scale: int, frame: int, tiles: NDArray[Any]) -> None:
        """The same with another model than the plane's own. A live plane waits for nobody: it raises FrameStoreFull."""
        dtype: Literal["uint8", "uint16"] = "uint16" if tiles.dtype == np.uint16 else "uint8"
        task = FrameTask(
            job=self._key.job,
            segment=self._key.segment,
            attempt=self._key.attempt,
            frame=frame,
            model=model,
            scale=scale,
            tiles=tiles.shape[0],
            tile=tiles.shape[1],
            dtype=dtype,
            consistency=self._consistency,
            detail=self._detail,
        )
        self._put(frame, tiles)
        if not self._in_flight:
            self._last_reply = time.monotonic()
        self._in_flight[frame] = task
        self._entries[frame] = self._queue.put(task, live=self._live)

    def abandon(self, frame: int) -> None:
        """Nobody waits for the frame any more: it leaves queue and store, and its result will be ignored."""
        if self._in_flight.pop(frame, None) is None:
            return
        self._abandoned[frame] = time.monotonic()
        self._queue.ack([self._entries.pop(frame)])
        self._store.drop(self._key, frame)

    def reopen(self) -> None:
        """After SegmentGone, where the segment is still ours: what was in flight is lost."""
        self._in_flight.clear()
        self._entries.clear()
        self._store.open_segment(self._key)

    def _put(self, frame: int, tiles: NDArray[Any]) -> None:
        """Store a frame's pixels, waiting for others to make room. Raises MediaError("frame-store-full")."""
        deadline = time.monotonic() + STORE_PATIENCE_S
        while True:
            try:
                self._store.put(self._key, frame, "in", np.ascontiguousarray(tiles).data)
                return
            except FrameStoreFull as error:
                if self._live:
                    raise
                if time.monotonic() > deadline:
                    raise MediaError("frame-store-full", f"There is no room for pixels in flight: {error}") from error
                time.sleep(STORE_RETRY_S)

    def collect(self, timeout_s: float) -> Enhanced | None:
        done = self._queue.wait_done(self._key, timeout_s)
        if done is None:
            self._look_for_lost_replies()
            self._sweep_abandoned()
            return None
        task = self._in_flight.get(done.frame)
        if task is None:  # a second delivery of a frame that was taken already, or one that nobody waits for
            self._abandoned.pop(done.frame, None)
            if self._live:
                self._store.drop(self._key, done.frame)
            return None
        self._last_reply = time.monotonic()
        result = None if done.outcome == "failed" else self._take(task)
        if result is None and done.outcome != "failed":
            log.warning("result lost, frame queued again", job=task.job, stage="segment", frame=task.frame)
            self._entries[task.frame] = self._queue.put(task, live=self._live)
            return None
        del self._in_flight[done.frame]
        del self._entries[done.frame]
        self._store.drop(self._key, done.frame)
        if result is None:
            return Enhanced(done.frame, "failed", None, done.detail, done.busy_s)
        how = "enhanced-float32" if result.redone else "enhanced"
        return Enhanced(done.frame, how, result.tiles, "", result.busy_s, result.added)

    def _take(self, task: FrameTask) -> Outcome | None:
        blob = self._store.get(self._key, task.frame, "out")
        return None if blob is None else parse(blob, task)

    def _look_for_lost_replies(self) -> None:
        """A reply can be lost with a broken connection, a task with a lost Redis: queue again what is not queued.

        Harmless where only the reply was lost: a worker that finds the result in the store just replies.
        """
        if not self._in_flight or time.monotonic() - self._last_reply < self._silence_s:
            return
        self._last_reply = time.monotonic()
        queued = self._queue.queued(self._key)
        lost = [task for frame, task in self._in_flight.items() if frame not in queued]
        for task in lost:
            if not any(self._store.exists(self._key, task.frame, part) for part in PARTS):
                raise SegmentGone(self._key)  # no worker would ever answer to it
            self._entries[task.frame] = self._queue.put(task, live=self._live)
        if lost:
            log.warning("frames queued again", job=self._key.job, stage="segment", frames=len(lost))

    def _sweep_abandoned(self) -> None:
        """A result put by a worker that died before it could say so is not told of: freed after a while."""
        now = time.monotonic()
        for frame in [frame for frame, since in self._abandoned.items() if now - since > ABANDONED_S]:
            del self._abandoned[frame]
            self._store.drop(self._key, frame)

    def _free(self, key: SegmentKey) -> None:
        self._store.drop_segment(key)
        self._queue.purge(key)
