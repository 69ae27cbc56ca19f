"""The enhance worker: claims frames from the queue, runs the network on batches of equal tiles, stores the results.

Batches mix tiles of any frames, segments and clips. At-least-once: a task is acknowledged after its result is stored,
a result that is there already is only reported, and what a dead worker held comes back after the lease.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from redis.exceptions import RedisError

from models.enhancer import EnhanceResult
from pipeline.frames import FrameStore, FrameStoreFull, SegmentGone
from pipeline.metrics import Metrics
from pipeline.queue import Claimed, FrameQueue
from pipeline.tasks import FrameDone, FrameTask, Outcome
from workers.batching import Batch, frames_to_claim, plan_batches
from workers.crew import Crew
from workers.lease import LeaseKeeper
from workers.loaded import LoadedModels
from workers.outcome import trailer

log = structlog.get_logger(__name__)

BLOCK_MS = 1000  # longest wait for work before signals and leases are looked at
RECLAIM_EVERY_S = 2.0
BATCHES_BEGUN = 2  # of a crew: one is computed while results of the one before are stored
STORE_RETRY_S = 5.0  # how long a full frame store is waited for before the entry is left to its lease

Answer = Callable[[], EnhanceResult]


@dataclass(slots=True, eq=False)
class _Work:
    """A claimed frame with its pixels."""

    claimed: Claimed
    tiles: NDArray[Any]  # (n, t, t, 3)
    parts: list[NDArray[Any]]  # enhanced slices, in order
    added: list[NDArray[np.float32]]  # their figures of added detail
    left: int  # tiles that no batch has had yet
    redone: bool = False
    problem: str = ""
    busy_s: float = 0.0

    @property
    def task(self) -> FrameTask:
        return self.claimed.task


class EnhanceWorker:
    """One worker process's loop. `stop()` drains: what is in hand is finished and acknowledged, no more is claimed."""

    def __init__(
        self,
        queue: FrameQueue,
        store: FrameStore,
        models: LoadedModels,
        metrics: Metrics,
        leases: LeaseKeeper,
        *,
        name: str,
        batch_tiles: int,
        batch_wait_s: float,
        crew: Crew | None = None,
    ) -> None:
        """crew: runs the network, open and ours alone; None: this thread does."""
        self._crew = crew
        self._queue, self._store, self._models, self._metrics, self._leases = queue, store, models, metrics, leases
        self._name, self._batch_tiles, self._batch_wait_s = name, batch_tiles, batch_wait_s
        self._tiles_per_frame = float(batch_tiles)  # running mean, to know how many frames fill a batch
        self._next_reclaim = 0.0
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped. Raises RedisError once patience is used up, and what a lost device raises.

        What is in hand then comes back to another worker after its lease.
        """
        while not self._stopping.is_set():
            try:
                self.step()
            except RedisError as error:
                if not self._stopping.is_set():
                    raise
                log.warning("left while Redis is away", stage="enhance", error=type(error).__name__)
        self._metrics.flush()

    def step(self) -> int:
        """Claim and finish one round of frames; returns how many frames were finished."""
        claimed = self._claim()
        if not claimed:
            self._metrics.flush()
            return 0
        with self._leases.keep([c.entry_id for c in claimed]):
            self._finish(claimed)
        return len(claimed)

    def _claim(self) -> list[Claimed]:
        """Frames for at least one batch, waiting for more for `batch_wait_s` at most once there is one."""
        now = time.monotonic()
        if now >= self._next_reclaim:
            self._next_reclaim = now + RECLAIM_EVERY_S
            if reclaimed := self._reclaim():
                return reclaimed
        claimed = self._queue.claim(self._name, self._wanted(0), BLOCK_MS)
        deadline = time.monotonic() + self._batch_wait_s
        while claimed and (have := sum(c.task.tiles for c in claimed)) < self._batch_tiles:
            wait_ms = int((deadline - time.monotonic()) * 1000)
            if wait_ms <= 0 or self._stopping.is_set():
                break
            claimed += self._queue.claim(self._name, self._wanted(have), wait_ms)
        for c in claimed:
            self._tiles_per_frame += 0.1 * (c.task.tiles - self._tiles_per_frame)
        return claimed

    def _wanted(self, have: int) -> int:
        return frames_to_claim(self._batch_tiles - have, self._tiles_per_frame)

    def _reclaim(self) -> list[Claimed]:
        """A frame that another worker left, if there is one: alone, for it may be what killed that worker."""
        reclaimed = self._queue.reclaim(self._name)
        if reclaimed:
            self._next_reclaim = 0.0  # there may be more
        for c in reclaimed:
            self._metrics.inc("gleaner_frames_reclaimed_total")
            if not self._queue.exhausted(c):
                return [c]
            self._give_up(c, f"given up: {c.deliveries - 1} workers did not finish it")
        return []

    def _give_up(self, claimed: Claimed, reason: str) -> None:
        log.warning("frame given up", job=claimed.task.job, stage="enhance", frame=claimed.task.frame, reason=reason)
        self._metrics.inc("gleaner_dead_letters_total")
        self._metrics.inc("gleaner_frames_total", outcome="failed")
        self._queue.dead_letter(claimed, reason)

    def _finish(self, group: Sequence[Claimed]) -> None:
        """Enhance and report a group of frames, whatever becomes of each."""
        work = [w for c in group if (w := self._fetch(c)) is not None]
        items = [(self._kind(w.task), len(w.tiles)) for w in work]
        batches = deque(plan_batches(items, self._batch_tiles))
        begun: deque[tuple[Batch, Answer]] = deque()
        while batches or begun:
            while batches and len(begun) < BATCHES_BEGUN:
                begun.append((batches[0], self._begin(batches[0], work)))
                batches.popleft()
            batch, answer = begun.popleft()
            self._take(batch, answer, work)
            for w in {s.item: work[s.item] for s in batch.slices}.values():
                if not w.left:  # told at once, so that results of large frames do not pile up
                    self._report(w)
                    w.parts.clear()

    def _fetch(self, claimed: Claimed) -> _Work | None:
        """The frame's pixels; None where there is nothing to do any more, which is then settled."""
        task = claimed.task
        try:
            if self._store.exists(task.key, task.frame, "out"):
                self._queue.done(task, FrameDone(frame=task.frame, outcome="enhanced"), claimed.entry_id)
                return None
            blob = self._store.get(task.key, task.frame, "in")
        except ValueError as error:  # a job id that no store takes
            self._give_up(claimed, f"its task makes no sense: {error}")
            return None
        if blob is None:  # its segment was cancelled or started over
            self._queue.ack([claimed.entry_id])
            return None
        wanted = task.tiles * task.tile * task.tile * 3 * np.dtype(task.dtype).itemsize
        if task.tiles < 1 or task.tile < 1 or blob.nbytes != wanted:
            self._give_up(claimed, f"its pixels in the frame store are incomplete: {blob.nbytes} of {wanted} bytes")
            return None
        tiles = np.frombuffer(blob, task.dtype).reshape(task.tiles, task.tile, task.tile, 3)
        return _Work(claimed, tiles, [], [], task.tiles)

    def _kind(self, task: FrameTask) -> Hashable:
        return task.model, task.scale, task.tile, task.dtype, task.consistency, task.detail

    def _begin(self, batch: Batch, work: Sequence[_Work]) -> Answer:
        """Have a batch computed; the answer waits for it, and raises what was raised."""
        task = work[batch.slices[0].item].task  # the others are of the same kind
        parts = [work[s.item].tiles[s.lo : s.hi] for s in batch.slices]
        tiles = parts[0] if len(parts) == 1 else np.concatenate(parts)
        try:
            enhancer = self._models.get(task.model, task.scale, task.detail)
        except Exception as error:  # told where the answer is taken
            return partial(_raise, error)
        if self._crew is None:
            return partial(enhancer.enhance, tiles, consistency=task.consistency)
        return self._crew.begin(enhancer, tiles, consistency=task.consistency)

    def _take(self, batch: Batch, answer: Answer, work: Sequence[_Work]) -> None:
        model = work[batch.slices[0].item].task.model
        try:
            result = answer()
        except torch.AcceleratorError:  # this process has lost its device for good; a new one starts afresh
            raise
        except Exception as error:  # whatever a model does, its frames are labelled and the worker goes on
            log.error("batch failed", stage="enhance", model=model, tiles=batch.tiles, error=str(error))
            if len(batch.slices) == 1:
                w = work[batch.slices[0].item]
                w.problem, w.left = f"model {model} failed: {type(error).__name__}", w.left - batch.tiles
            else:  # one frame's failure is not another's
                for part in batch.slices:
                    alone = Batch(batch.kind, (part,))
                    self._take(alone, self._begin(alone, work), work)
            return
        self._count(batch, work, model, result.seconds, int(result.redone.sum()), result.halved)
        at = 0
        for s in batch.slices:
            upto = at + s.hi - s.lo
            w = work[s.item]
            w.parts.append(result.pixels[at:upto])
            w.added.append(result.added[at:upto])
            w.left -= upto - at
            w.redone |= bool(result.redone[at:upto].any())
            w.busy_s += result.seconds * (upto - at) / batch.tiles
            if result.failed[at:upto].any():
                w.problem = "the network gave no valid pixels, in float32 neither"
            at = upto

    def _report(self, w: _Work) -> None:
        """Store the frame's result, then say so and acknowledge."""
        outcome: Outcome = "failed" if w.problem else "enhanced-float32" if w.redone else "enhanced"
        if not w.problem and not self._put(w):
            return
        done = FrameDone(frame=w.task.frame, outcome=outcome, detail=w.problem, busy_s=round(w.busy_s, 6))
        self._queue.done(w.task, done, w.claimed.entry_id)
        self._metrics.inc("gleaner_frames_total", outcome=outcome)

    def _put(self, w: _Work) -> bool:
        deadline = time.monotonic() + STORE_RETRY_S
        measured = trailer(np.concatenate(w.added), redone=w.redone, busy_s=w.busy_s)
        while True:
            try:
                self._store.put(
                    w.task.key, w.task.frame, "out", *(np.ascontiguousarray(part).data for part in w.parts), measured
                )
                return True
            except SegmentGone:
                self._queue.ack([w.claimed.entry_id])
                return False
            except FrameStoreFull as error:
                # Left unacknowledged: it comes back when the lease is over, by when others may have made room.
                if self._stopping.wait(0.2) or time.monotonic() > deadline:
                    log.error("frame store full", job=w.task.job, stage="enhance", error=str(error))
                    return False

    def _count(self, batch: Batch, work: Sequence[_Work], model: str, seconds: float, redone: int, halved: int) -> None:
        jobs = {work[s.item].task.job for s in batch.slices}
        self._metrics.inc("gleaner_batches_total", model=model)
        self._metrics.inc("gleaner_tiles_total", batch.tiles, model=model)
        self._metrics.inc("gleaner_network_seconds_total", seconds, model=model)
        self._metrics.observe("gleaner_batch_tiles", batch.tiles)
        self._metrics.observe("gleaner_batch_jobs", len(jobs))
        if redone:
            self._metrics.inc("gleaner_float32_redone_total", redone, model=model)
        if halved:
            self._metrics.inc("gleaner_oom_halvings_total", halved, model=model)


def _raise(error: Exception) -> NoReturn:
    raise error
