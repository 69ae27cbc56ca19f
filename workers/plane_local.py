"""The frame plane within one process: a thread that runs the network on batches from an in-process queue."""

from __future__ import annotations

import queue
import threading
from typing import Any

import numpy as np
import structlog
import torch
from numpy.typing import NDArray

from models.enhancer import Enhancer
from workers.batching import plan_batches
from workers.plane import Enhanced

log = structlog.get_logger(__name__)


class LocalPlane:
    """Enhances in this process. A context manager: leaving it ends the thread after the batch in hand.

    A frame the model fails on comes back as failed, whatever the error; `collect` raises where the device was lost.
    """

    def __init__(self, enhancer: Enhancer, batch_tiles: int, *, consistency: bool = False) -> None:
        self._enhancer, self._limit, self._consistency = enhancer, batch_tiles, consistency
        self._tasks: queue.SimpleQueue[tuple[int, NDArray[Any]] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Enhanced | BaseException] = queue.SimpleQueue()
        self._abandoned: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="enhance", daemon=True)

    def __enter__(self) -> LocalPlane:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._tasks.put(None)
        self._thread.join()

    def submit(self, frame: int, tiles: NDArray[Any]) -> None:
        self._tasks.put((frame, tiles))

    def abandon(self, frame: int) -> None:
        """Nobody waits for the frame any more: it is not computed, unless it is already, and does not come back."""
        self._abandoned.add(frame)

    def collect(self, timeout_s: float) -> Enhanced | None:
        try:
            done = self._done.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(done, BaseException):
            raise done
        if done.frame in self._abandoned:
            self._abandoned.discard(done.frame)
            return None
        return done

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None and not self._ended.is_set():
            frame, tiles = task
            try:
                done = None if frame in self._abandoned else self._enhance(frame, tiles)
                if done is None:
                    self._abandoned.discard(frame)
                else:
                    self._done.put(done)
            except torch.AcceleratorError as error:  # the device is lost, and no later frame would fare better
                self._done.put(error)
            except Exception as error:  # as in the service: this frame is labelled, the others go on
                name = self._enhancer.facts.name
                log.error("frame failed", stage="enhance", model=name, frame=frame, error=str(error))
                self._done.put(Enhanced(frame, "failed", None, f"model {name} failed: {type(error).__name__}"))
            except BaseException as error:  # handed to the collecting thread, which raises it
                self._done.put(error)

    def _enhance(self, frame: int, tiles: NDArray[Any]) -> Enhanced:
        results = [
            self._enhancer.enhance(tiles[part.lo : part.hi], consistency=self._consistency)
            for batch in plan_batches([("tiles", len(tiles))], self._limit)
            for part in batch.slices
        ]
        busy_s = sum(result.seconds for result in results)
        if any(result.failed.any() for result in results):
            return Enhanced(frame, "failed", None, "the network gave no valid pixels, in float32 neither", busy_s)
        outcome = "enhanced-float32" if any(result.redone.any() for result in results) else "enhanced"
        pixels, added = (np.concatenate(parts) for parts in zip(*((r.pixels, r.added) for r in results), strict=True))
        return Enhanced(frame, outcome, pixels, "", busy_s, added)
