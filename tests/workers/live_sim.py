"""A live stream against simulated enhance workers and clock: the real ladder, the real frames. Not a test file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.live_types import CLOCK, CameraFacts, LiveFrame
from media.types import ColourTags
from models.facts import ModelFacts
from workers.ladder import Ladder, Step
from workers.live_frames import LiveFrames, Shown
from workers.plane import Enhanced
from workers.rungs import Rung, complete, plan_live
from workers.slot import Arrived

SIDE = 16
COLOUR = ColourTags(full_range=False, matrix=6, primaries=2, transfer=2)


def facts_of(name: str) -> ModelFacts:
    """Small tiles, whatever the model: frames of the simulation are small."""
    scale = int(name[-1]) if name[-1].isdigit() else 2
    return ModelFacts(
        name=name,
        title="simulated",
        scales=(scale,),
        tile=16,
        halo=2,
        ramp=4,
        learned=True,
        domain="tests",
        dtypes=("float32",),
        licence="none",
    )


def live_frame(seconds: float, *, seed: int, width: int = SIDE, height: int = SIDE) -> LiveFrame:
    image = np.random.default_rng(seed).integers(40, 200, (height, width, 3), dtype=np.uint8)
    facts = CameraFacts("h264", width, height, "yuv420p", None, None, COLOUR, "progressive")
    return LiveFrame(image, round(seconds * CLOCK), None, seconds, False, False, facts)


class SimPlane:
    """Workers that take `cost[model]` seconds a frame; `kill` ends one with the frame in its hands.

    load: seconds that a worker needs for a model before its first frame of it; replies then tell the network's time.
    """

    def __init__(
        self,
        cost: dict[str, float],
        workers: int,
        others: Callable[[float], float] = lambda now: 1.0,
        load: dict[str, float] | None = None,
    ) -> None:
        self._cost, self._others, self._load = cost, others, load
        self._loaded: set[tuple[int, str]] = set()
        self._free_at = [0.0] * workers
        self.known = workers  # as heartbeats tell
        self._queue: deque[tuple[int, str, int]] = deque()
        self._running: list[tuple[float, int, int, float]] = []  # ends, worker, frame, the network's time
        self._tiles: dict[int, NDArray[Any]] = {}
        self._scale: dict[int, int] = {}
        self.most_held = 0

    def submit(self, frame: int, tiles: NDArray[Any], rung: Rung) -> str:
        self._tiles[frame], self._scale[frame] = tiles, rung.scale
        self._queue.append((frame, rung.name, len(tiles)))
        self.most_held = max(self.most_held, len(self._tiles))
        return ""

    def collect(self, timeout_s: float) -> Enhanced | None:
        raise AssertionError("the simulation hands results over itself")

    def abandon(self, frame: int) -> None:
        self._tiles.pop(frame, None)

    def workers(self) -> int:
        return self.known

    def kill(self, worker: int) -> None:
        self._free_at[worker] = float("inf")
        self._running = [entry for entry in self._running if entry[1] != worker]

    def revive(self, worker: int, now: float) -> None:
        """Another process in its place, which has loaded nothing."""
        self._free_at[worker] = now
        self._loaded = {(who, model) for who, model in self._loaded if who != worker}

    def advance(self, now: float) -> list[Enhanced]:
        """What the workers have finished by now; they take up what waits."""
        finished = []
        while True:
            for entry in sorted(entry for entry in self._running if entry[0] <= now):
                self._running.remove(entry)
                _, _, frame, busy_s = entry
                tiles, scale = self._tiles.pop(frame, None), self._scale.pop(frame)
                if tiles is not None:
                    big = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
                    finished.append(Enhanced(frame, "enhanced", big, "", busy_s))
            if not self._queue:
                return finished
            worker = int(np.argmin(self._free_at))
            if self._free_at[worker] > now:
                return finished
            frame, model, _ = self._queue.popleft()
            if frame in self._tiles:  # an abandoned one costs nothing
                begins, cost_s = max(self._free_at[worker], now - 0.01), self._cost[model] * self._others(now)
                if self._load is not None and (worker, model) not in self._loaded:
                    begins += self._load[model]
                    self._loaded.add((worker, model))
                self._free_at[worker] = begins + cost_s
                self._running.append((begins + cost_s, worker, frame, 0.0 if self._load is None else cost_s))


@dataclass
class Simulation:
    """A camera of `fps`; the loop does nothing else than frames, each costing it `own_s` to encode."""

    ladder: Ladder
    plane: SimPlane
    fps: float = 25.0
    window: int = 3
    own_s: float = 0.004
    still: bool = False  # the camera's picture never changes
    now: float = 0.0
    steps: list[Step] = field(default_factory=list)
    shown: list[tuple[float, Shown]] = field(default_factory=list)  # when, and what
    dropped: int = 0
    arrived: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        names = self.ladder.rungs
        self.frames = LiveFrames(
            self.plane, self.ladder, lambda w, h: plan_live(w, h, complete(names), facts_of, None, None), self.window
        )
        self._slot: Arrived | None = None
        self._next_frame = 0.0

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += 0.005
            if self.now >= self._next_frame:
                self._next_frame += 1 / self.fps
                if self._slot is not None:
                    self.dropped += 1
                    self.frames.dropped(1, self.now)
                self.arrived += 1
                frame = live_frame(self.now, seed=0)
                if not self.still:
                    frame.image[:4, :4] = 16 * (self.arrived % 7)  # a light that blinks
                self._slot = Arrived(frame, self.now)
            for result in self.plane.advance(self.now):
                self.frames.done(result, self.now)
            for shown in self.frames.ready(self.now):
                self.frames.shown(shown, self.now)
                self.now += self.own_s
                self.shown.append((self.now, shown))
            if self._slot is not None and self.frames.has_room:
                self.frames.take(self._slot, self.now)
                self._slot = None
            self.most_in_flight = max(self.most_in_flight, self.frames.in_flight)
            while self.frames.steps:
                self.steps.append(self.frames.steps.popleft())

    def lags(self, since: float = 0.0) -> list[float]:
        return [at - shown.arrived_at for at, shown in self.shown if at >= since]

    def pauses(self, since: float = 0.0) -> list[float]:
        times = [at for at, _ in self.shown if at >= since]
        return list(np.diff(times))
