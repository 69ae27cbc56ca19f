"""Frames of a live stream between camera and encoder: looked at, queued, composed, and shown in order and in time.

A state machine that is told the time and never waits: whoever owns it asks the plane and the camera (workers/live.py),
and a test can run it against a simulated plane and clock. At most `window` frames are in flight. One that is not back
when its patience ends is shown resized and its result, should it come, is ignored.

The first frame of a rung may have to wait until a model is loaded. Where its patience ends before it has come back, it
stays on the plane, and the frames after it are shown resized at once until it does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from media.live_types import CLOCK, LiveFrame
from media.types import Image
from workers.ladder import AGAIN_S, COLD_S, Ladder, Step
from workers.live_picture import LivePicture
from workers.plane import Enhanced
from workers.reuse import REFRESH_S, Look
from workers.rungs import LivePlan, Rung
from workers.slot import Arrived

PATIENCE_SHARE = 0.5  # of the time allowed: what is left is for composing, encoding and the frames behind
MOST_PATIENCE_S = 8.0  # below the lease, after which what a dead worker held goes to another
LOADING = "the model is still being loaded"
RATE_SHARE = 0.1  # of the newest interval in the running mean


class LivePlane(Protocol):
    """Frames to enhance workers, of any rung; numbers are never used twice."""

    def submit(self, frame: int, tiles: NDArray[Any], rung: Rung) -> str:
        """Hand tiles over. Returns "" or, where that cannot be done now, why."""
        ...

    def collect(self, timeout_s: float) -> Enhanced | None: ...

    def abandon(self, frame: int) -> None:
        """Nobody waits for the frame any more: its pixels are freed, its result will be ignored."""
        ...

    def workers(self) -> int:
        """Enhance workers there are; 0 only where it is known that there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame as it goes to the encoder, with its label."""

    frame: LiveFrame
    image: Image  # valid until the next frame is shown
    arrived_at: float  # by the loop's clock
    how: str  # "enhanced", "reused" (nothing changed), "resized" (some tiles are only resized) or "late" (so, in time)
    rung: str
    tiles: int
    changed: int
    detail: str = ""  # why it was not enhanced
    look: Look | None = None  # how it was compared with what is kept, where that was measured and all of it is shown


@dataclass(slots=True, eq=False)
class _InFlight:
    number: int
    arrived: Arrived
    changed: NDArray[np.intp]
    picture: LivePicture
    look: Look | None
    deadline: float
    result: Enhanced | None = None


@dataclass(slots=True)
class _Probe:
    """A frame on the plane that is not shown."""

    number: int
    rung: str
    begun: float


class LiveFrames:
    """plan_for: what becomes of frames of a size (width, height); asked anew where the camera changes it.

    numbers: of frames on the plane, where others have used it before; rising. fuse: see `LivePicture`.

    Times are of one clock that does not go back, that of `Arrived.at`. Steps of the ladder lie in `steps` until taken.
    """

    def __init__(
        self,
        plane: LivePlane,
        ladder: Ladder,
        plan_for: Callable[[int, int], LivePlan],
        window: int,
        numbers: Iterator[int] | None = None,
        *,
        fuse: bool = False,
    ) -> None:
        self._plane, self._ladder, self._plan_for, self._window = plane, ladder, plan_for, window
        self._fuse = fuse
        self.patience_s = min(MOST_PATIENCE_S, PATIENCE_SHARE * ladder.allowed_s)
        self.steps: deque[Step] = deque(maxlen=64)
        self._in_flight: deque[_InFlight] = deque()
        self._picture: LivePicture | None = None
        self._numbers = numbers or count(1)
        self._probe: _Probe | None = None
        self._waking: _Probe | None = None  # the first frame of a cold rung
        self._ask_at = 0.0  # when it is next asked who is there to enhance
        self._interval_s: float | None = None
        self._pts = 0  # of the last frame taken
        self._last_at = 0.0
        self._changed_share = 1.0

    @property
    def has_room(self) -> bool:
        return len(self._in_flight) < self._window

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def rung(self) -> str:
        return self._ladder.rung

    @property
    def busy(self) -> bool:
        """Whether anything is in flight, probes included."""
        return bool(self._in_flight) or self._probe is not None or self._waking is not None

    def wait_s(self, now: float) -> float:
        """How long until a frame in flight runs out of patience; infinity where there is none."""
        return max(0.0, self._in_flight[0].deadline - now) if self._in_flight else float("inf")

    def dropped(self, count: int, now: float) -> None:
        """Frames that were replaced by newer ones before they could be taken."""
        if count:
            self._note(self._ladder.dropped(now, count))

    def take(self, arrived: Arrived, now: float) -> None:
        """Look at a frame and hand what changed to the plane. To be called only where there is room."""
        if not self.has_room:
            raise ValueError(f"{self._window} frames are in flight; none is to be taken beside them")
        image = arrived.frame.image
        picture = self._picture_for(arrived.frame, now)
        changed = picture.look(image)
        self._measure(arrived.at, len(changed) / picture.grid.count)
        item = _InFlight(self._next(), arrived, changed, picture, picture.seen, arrived.at + self.patience_s)
        self._in_flight.append(item)
        if self._waking is not None and self._waking.rung == picture.rung.name:
            item.result = Enhanced(item.number, "failed", None, LOADING)
        elif len(changed) and not picture.whole:
            tiles = picture.tiles(image, changed)
            if picture.rung.local:
                item.result = Enhanced(item.number, "resized", tiles)
            elif problem := self._plane.submit(item.number, tiles, picture.rung):
                item.result = Enhanced(item.number, "failed", None, problem)
        self._begin_probe(image, picture.plan, now)

    def done(self, result: Enhanced, now: float) -> None:
        """A frame came back."""
        if self._probe is not None and result.frame == self._probe.number:
            self._end_probe(None if result.tiles is None else now - self._probe.begun, busy_s=result.busy_s or None)
        if self._waking is not None and result.frame == self._waking.number:
            self._ladder.answered(now, self._waking.rung, woken=True)
            self._waking = None
        for item in self._in_flight:
            if item.number == result.frame:
                item.result = result
                self._ladder.answered(now, item.picture.rung.name)

    def ready(self, now: float) -> Iterator[Shown]:
        """Frames to show now, in their order. Each is to be encoded before the next is asked for, then `shown` told."""
        self._expire_probe(now)
        self._look_for_workers(now)
        self._expire_waking(now)
        while self._in_flight and (shown := self._show(self._in_flight[0], now)) is not None:
            self._in_flight.popleft()
            yield shown

    def shown(self, shown: Shown, now: float) -> None:
        """The frame goes to the encoder."""
        trouble = shown.detail if shown.how in ("late", "resized") and shown.detail != LOADING else ""
        self._note(self._ladder.written(now, shown.rung, now - shown.arrived_at, trouble))

    def abandon(self) -> None:
        """Let go of all that is in flight: the stream ends."""
        for item in self._in_flight:
            self._plane.abandon(item.number)
        self._in_flight.clear()
        if self._probe is not None:
            self._plane.abandon(self._probe.number)
            self._probe = None
        if self._waking is not None:
            self._plane.abandon(self._waking.number)
            self._waking = None

    def _show(self, item: _InFlight, now: float) -> Shown | None:
        picture, result, frame = item.picture, item.result, item.arrived.frame
        how, detail = "reused", ""
        if len(item.changed):
            if picture.whole:
                picture.resize(frame.image, item.changed)
                how = "resized"
            elif result is not None and result.tiles is not None:
                picture.update(item.changed, result.tiles)
                how = "resized" if picture.rung.local else "enhanced"
            elif result is not None:
                picture.resize(frame.image, item.changed)
                detail = result.detail
            elif now >= item.deadline:
                self._give_up(item, now)
                picture.resize(frame.image, item.changed)
                how, detail = "late", f"a frame was not back within {self.patience_s:.2f} s"
            else:
                return None
        if picture.fallback and how != "late":  # also where only some tiles are left of an earlier frame
            how = "resized"
        look = None if picture.fallback else item.look
        return Shown(
            frame,
            picture.image(),
            item.arrived.at,
            how,
            picture.rung.name,
            picture.grid.count,
            len(item.changed),
            detail,
            look,
        )

    def _picture_for(self, frame: LiveFrame, now: float) -> LivePicture:
        picture, (height, width) = self._picture, frame.image.shape[:2]
        gap, self._pts = frame.pts - self._pts, frame.pts
        if picture is None or (picture.plan.width, picture.plan.height) != (width, height):
            plan = self._plan_for(width, height)
            self._ladder.settle(now)
        elif picture.rung.name != self._ladder.rung or gap > REFRESH_S * CLOCK:  # nothing is kept for longer
            plan = picture.plan
        else:
            return picture
        nominal = frame.facts.nominal_rate
        rate = 1 / self._interval_s if self._interval_s else None if nominal is None else float(nominal)
        self._picture = LivePicture(plan, plan.rungs[self._ladder.rung], rate, fuse=self._fuse)
        return self._picture

    def _measure(self, at: float, changed_share: float) -> None:
        interval_s = max(0.0, at - self._last_at)
        if self._last_at and interval_s <= REFRESH_S:  # longer ones are gaps, and tell nothing of the rate
            mean_s = interval_s if self._interval_s is None else self._interval_s
            self._interval_s = mean_s + RATE_SHARE * (interval_s - mean_s)
        self._last_at = at
        self._changed_share += RATE_SHARE * (changed_share - self._changed_share)

    def _begin_probe(self, image: Image, plan: LivePlan, now: float) -> None:
        name = self._ladder.probe(now) if self._waking is None else None
        if name is None:
            return
        rung = plan.rungs[name]
        grid = rung.grid(plan.width, plan.height)
        self._probe = _Probe(self._next(), name, now)
        if self._plane.submit(self._probe.number, grid.cut(image, np.arange(grid.count)), rung):
            self._end_probe(None)

    def _give_up(self, item: _InFlight, now: float) -> None:
        """The frame is not waited for any more; on the plane it stays where it is the first of a cold rung."""
        rung = item.picture.rung.name
        if rung == self._ladder.rung and not self._plane.workers():
            self._note(self._ladder.nobody(now))
        if self._waking is None and rung == self._ladder.rung and self._ladder.cold(now):
            self._waking = _Probe(item.number, rung, now)
        else:
            self._plane.abandon(item.number)

    def _look_for_workers(self, now: float) -> None:
        """Asked while a first frame is waited for, since its worker may die, and while there was none."""
        if (self._waking is None and not self._ladder.deserted) or now < self._ask_at:
            return
        self._ask_at = now + AGAIN_S
        self._note(self._ladder.somebody(now) if self._plane.workers() else self._ladder.nobody(now))

    def _expire_waking(self, now: float) -> None:
        waking = self._waking
        if waking is not None and not (waking.rung == self._ladder.rung and self._ladder.cold(now)):
            self._plane.abandon(waking.number)
            self._waking = None
            self._note(self._ladder.silent(now, waking.rung))

    def _expire_probe(self, now: float) -> None:
        if self._probe is None:
            return
        if now - self._probe.begun >= COLD_S or not self._ladder.probing:
            self._plane.abandon(self._probe.number)
            self._end_probe(None, now)

    def _end_probe(self, took_s: float | None, now: float | None = None, busy_s: float | None = None) -> None:
        assert self._probe is not None
        at = self._probe.begun + (took_s or 0.0) if now is None else now
        self._probe = None
        wanted = float("inf")
        if took_s is not None:
            each_s = (busy_s or took_s) * self._changed_share
            wanted = each_s / max(1e-3, self._interval_s or 1.0) / max(1, self._plane.workers())
        self._note(self._ladder.probed(at, took_s, wanted, busy_s))

    def _note(self, step: Step | None) -> None:
        if step is not None:
            self.steps.append(step)

    def _next(self) -> int:
        return next(self._numbers)
