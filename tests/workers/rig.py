"""Real enhance workers on a real Redis, with small networks, sound or faulty in chosen ways. Not a test file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from redis import Redis
from torch import Tensor, nn

from models.catalog import MODELS
from models.enhancer import Enhancer
from pipeline.frames import FrameStore
from pipeline.metrics import Metrics, read_samples
from pipeline.queue import FrameQueue
from pipeline.tasks import FrameDone, FrameTask, SegmentKey
from workers.crew import Crew
from workers.enhance import EnhanceWorker
from workers.lease import LeaseKeeper
from workers.loaded import LoadedModels
from workers.outcome import parse

SCALE = 2
EDGE = 16  # of a tile
MARK = 1.0  # brightness of a tile's first pixel that makes `Marked` networks misbehave; pictures here stay below


class Doubling(nn.Module):
    """Nearest neighbour, x2. `spoil` may do damage."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(len(x))
        y = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return self.spoil(x, y)

    def spoil(self, x: Tensor, y: Tensor) -> Tensor:
        return y


def marked(x: Tensor) -> Tensor:
    """(N,) bool: tiles whose first pixel is white."""
    return x[:, :, 0, 0].amin(1) >= MARK


class RaisingOnMark(Doubling):
    def spoil(self, x: Tensor, y: Tensor) -> Tensor:
        if bool(marked(x).any()):
            raise RuntimeError("weight of a kind that this picture does not agree with")
        return y


class NanOnMarkInLowPrecision(Doubling):
    def spoil(self, x: Tensor, y: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            y[marked(x), 0, 3, 3] = torch.nan
        return y


class BlackOnMarkInLowPrecision(Doubling):
    def spoil(self, x: Tensor, y: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            y[marked(x), :, :16, :16] = 0
        return y


class NanOnMark(Doubling):
    def spoil(self, x: Tensor, y: Tensor) -> Tensor:
        y[marked(x)] = torch.nan
        return y


class Hungry(Doubling):
    """Out of memory with more than two tiles."""

    def spoil(self, x: Tensor, y: Tensor) -> Tensor:
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return y


class DeviceLost(Doubling):
    def spoil(self, x: Tensor, y: Tensor) -> Tensor:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


class Waiting(Doubling):
    """Computes only once it may: a batch that takes as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may_end = threading.Event(), threading.Event()

    def spoil(self, x: Tensor, y: Tensor) -> Tensor:
        self.begun.set()
        assert self.may_end.wait(60)
        return y


def enhancer(network: nn.Module, *, low_precision: bool = False) -> Enhancer:
    """The network as a learned model of small tiles."""
    facts = replace(MODELS["espcn-x2"], name="doubling", tile=EDGE, halo=2)
    return Enhancer(facts, SCALE, network, torch.device("cpu"), torch.bfloat16 if low_precision else torch.float32)


class Given(LoadedModels):
    """Models of which one, "doubling", is given instead of loaded."""

    def __init__(self, doubling: Enhancer) -> None:
        super().__init__("cpu", threads=1)
        self._doubling = doubling

    def get(self, model: str, scale: int, detail: float = 0.0) -> Enhancer:
        return self._doubling if (model, scale) == ("doubling", SCALE) else super().get(model, scale, detail)


@dataclass
class Rig:
    """Queue, store, metrics and one enhance worker."""

    redis: Redis
    store: FrameStore
    enhancer: Enhancer
    batch_tiles: int = 16
    lease_s: float = 30.0
    max_deliveries: int = 3
    name: str = "w1"
    models: LoadedModels | None = None  # instead of the one enhancer as "doubling"
    crew: Crew | None = None
    queue: FrameQueue = field(init=False)
    metrics: Metrics = field(init=False)
    leases: LeaseKeeper = field(init=False)
    worker: EnhanceWorker = field(init=False)

    def __post_init__(self) -> None:
        self.queue = FrameQueue(self.redis, self.lease_s, self.max_deliveries)
        self.metrics = Metrics(self.redis)
        self.leases = LeaseKeeper(self.queue, self.name, self.lease_s)
        self.worker = EnhanceWorker(
            self.queue,
            self.store,
            self.models or Given(self.enhancer),
            self.metrics,
            self.leases,
            name=self.name,
            batch_tiles=self.batch_tiles,
            batch_wait_s=0.05,
            crew=self.crew,
        )

    def send(self, key: SegmentKey, frame: int, pixels: NDArray, **changes: object) -> FrameTask:
        """A frame as a segment's worker would send it."""
        self.store.open_segment(key)
        self.store.put(key, frame, "in", np.ascontiguousarray(pixels).data)
        return self.queue_task(key, frame, pixels, **changes)

    def queue_task(self, key: SegmentKey, frame: int, pixels: NDArray, **changes: object) -> FrameTask:
        task = FrameTask(
            job=key.job,
            segment=key.segment,
            attempt=key.attempt,
            frame=frame,
            model="doubling",
            scale=SCALE,
            tiles=pixels.shape[0],
            tile=pixels.shape[1],
            dtype=str(pixels.dtype),
        ).model_copy(update=changes)
        self.queue.put(task)
        return task

    def replies(self, key: SegmentKey) -> list[FrameDone]:
        """All replies there are by now."""
        replies = []
        while (done := self.queue.wait_done(key, 0)) is not None:
            replies.append(done)
        return replies

    def result(self, task: FrameTask) -> NDArray | None:
        blob = self.store.get(task.key, task.frame, "out")
        return None if blob is None else parse(blob, task).tiles

    def counted(self, name: str, *labels: str) -> float:
        """A counter, or the sum of a histogram's observations."""
        self.metrics.flush()
        found = read_samples(self.redis.hgetall("gleaner:metrics"), 0.0)[name].get(labels, 0.0)
        return found if isinstance(found, float) else found.sum

    def left(self) -> tuple[int, int]:
        """Frames waiting and lent."""
        return self.queue.depth(), self.queue.pending()

    @contextmanager
    def running(self) -> Iterator[EnhanceWorker]:
        """The worker in a thread, stopped at the end."""
        problems: list[BaseException] = []

        def run() -> None:
            try:
                self.worker.run()
            except BaseException as error:
                problems.append(error)

        thread = threading.Thread(target=run)
        with self.leases:
            thread.start()
            try:
                yield self.worker
            finally:
                self.worker.stop()
                thread.join(30)
                assert not thread.is_alive()
        assert not problems, problems


def picture_tiles(count: int, seed: int = 0, *, dtype: str = "uint8", mark: bool = False, edge: int = EDGE) -> NDArray:
    """(count, edge, edge, 3) of noise that is neither dark nor white; marked ones begin with a white pixel."""
    top = int(np.iinfo(dtype).max)
    tiles = np.random.default_rng(seed).integers(top // 4, top * 3 // 4, (count, edge, edge, 3)).astype(dtype)
    if mark:
        tiles[:, 0, 0] = top
    return tiles


def doubled(tiles: NDArray) -> NDArray:
    """What `Doubling` makes of them, in numpy."""
    return tiles.repeat(SCALE, axis=1).repeat(SCALE, axis=2)
