"""The frame plane within one process: a crew of threads runs the network on what is handed over."""

from __future__ import annotations

import queue
from functools import partial
from typing import Any

import structlog
import torch
from numpy.typing import NDArray

from models.enhancer import Enhancer, EnhanceResult
from workers.crew import Crew, Dropped
from workers.plane import Enhanced

log = structlog.get_logger(__name__)


class LocalPlane:
    """Enhances in this process. A context manager: leaving it ends its threads after the pieces in hand.

    members: threads that run the network side by side, each with as many of torch's threads as there are.
    A frame the model fails on comes back as failed, whatever the error; `collect` raises where the device was lost.
    """

    def __init__(self, enhancer: Enhancer, batch_tiles: int, *, consistency: bool = False, members: int = 1) -> None:
        self._enhancer, self._consistency = enhancer, consistency
        self._crew = Crew(members, batch_tiles)
        self._done: queue.SimpleQueue[Enhanced | BaseException] = queue.SimpleQueue()
        self._abandoned: set[int] = set()

    def __enter__(self) -> LocalPlane:
        self._crew.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.__exit__(None, None, None)

    def submit(self, frame: int, tiles: NDArray[Any]) -> None:
        self._crew.submit(
            self._enhancer,
            tiles,
            partial(self._deliver, frame),
            consistency=self._consistency,
            wanted=lambda: frame not in self._abandoned,
        )

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

    def _deliver(self, frame: int, result: EnhanceResult | BaseException) -> None:
        """Called by the crew."""
        if isinstance(result, Dropped) or frame in self._abandoned:
            self._abandoned.discard(frame)
        elif isinstance(result, EnhanceResult):
            self._done.put(_enhanced(frame, result))
        elif isinstance(result, torch.AcceleratorError) or not isinstance(result, Exception):
            self._done.put(result)  # the device is lost, and no later frame would fare better; or worse than that
        else:  # as in the service: this frame is labelled, the others go on
            name = self._enhancer.facts.name
            log.error("frame failed", stage="enhance", model=name, frame=frame, error=str(result))
            self._done.put(Enhanced(frame, "failed", None, f"model {name} failed: {type(result).__name__}"))


def _enhanced(frame: int, result: EnhanceResult) -> Enhanced:
    if result.failed.any():
        detail = "the network gave no valid pixels, in float32 neither"
        return Enhanced(frame, "failed", None, detail, result.seconds)
    outcome = "enhanced-float32" if result.redone.any() else "enhanced"
    return Enhanced(frame, outcome, result.pixels, "", result.seconds, result.added)
