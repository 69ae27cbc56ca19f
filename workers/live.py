"""A live stream from connection to connection: camera in, enhanced frames out, in one loop. Knows no Redis, no files.

The loop never waits long for anything: it connects by a thread, takes the newest frame, hands it to the plane,
collects, and shows what is ready. Between connections what is in flight is still shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from media.live_types import CameraFacts, LiveFrame
from pipeline.job import Problem
from pipeline.stream_status import StreamState
from workers.backoff import Backoff
from workers.journal import Journal, NoJournal
from workers.ladder import Step
from workers.live_frames import LiveFrames, LivePlane, Shown
from workers.live_reader import CameraLike, Ended, LiveReader
from workers.live_tally import LiveTally
from workers.slot import NewestFrame

POLL_S = 0.015  # while frames are in flight: how long a newer one may have to wait to be taken
IDLE_S = 0.05
IDLE_COLLECT_S = 1.0  # with nothing in flight: results that come too late are let go so often
STALLED_S = 3.0  # without a frame, or three times as long as frames usually take
DROPS_TOLD_S = 10.0


@dataclass(frozen=True, slots=True)
class Available:
    """A frame has left: it can be fetched, or was pushed."""

    rung: str
    arrived_at: float  # by the loop's clock
    pts: int = 0  # of the frame
    whole: bool = False  # its whole segment is there, not only the part; each frame is told of as a part first


class Outputs(Protocol):
    def show(self, shown: Shown) -> Iterable[Available]: ...

    def flush(self) -> Iterable[Available]:
        """To be called often: lets out what waits for a next frame."""
        ...


class Hooks(Protocol):
    """What the owner of the loop is told. None of these may wait."""

    def beat(self) -> None:
        """The loop has come round."""
        ...

    def event(self, kind: str, data: dict[str, Any]) -> None: ...

    def shown(self, shown: Shown) -> None:
        """A frame went out; its image is valid until the next does."""
        ...

    def available(self, rung: str, lag_s: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the stream is."""

    state: StreamState
    problem: Problem | None = None
    retry_at: float | None = None  # Unix seconds, to come


class LiveSession:
    """One stream for as long as its options hold. `run` ends when it is told to, and frees what is in flight."""

    def __init__(
        self,
        connect: Callable[[], CameraLike],
        frames: LiveFrames,
        plane: LivePlane,
        outputs: Outputs,
        backoff: Backoff,
        hooks: Hooks,
        tally: LiveTally,
        *,
        explain: Callable[[Ended], Ended] = lambda ended: ended,
        journal: Journal | None = None,
    ) -> None:
        """explain: puts the end of a connection in the words of this stream's source. journal: of each frame."""
        self._connect, self._frames, self._plane, self._outputs = connect, frames, plane, outputs
        self._backoff, self._hooks, self.tally = backoff, hooks, tally
        self._explain = explain
        self._journal = journal or NoJournal()
        self._slot = NewestFrame()
        self._reader: LiveReader | None = None
        self._retry_at = 0.0
        self._problem: Problem | None = None
        self._slow = False
        self._had_frame = False  # on this connection
        self._connections = 0  # that gave a frame
        self._usual_s: float | None = None
        self._drops = 0
        self._drops_told_at = self._collected_at = 0.0
        self.newest: LiveFrame | None = None  # the last one taken, without its picture
        self.facts: CameraFacts | None = None
        self._newest_at = 0.0

    def run(self, keep_going: Callable[[], bool]) -> None:
        """Raises what the plane and the outputs raise, and ReaderStuck."""
        try:
            while keep_going():
                self._hooks.beat()
                self.step()
        finally:
            try:
                if self._reader is not None:
                    self._reader.stop()
            finally:
                self._reader = None
                self._let_go()

    def step(self) -> None:
        """Once round the loop."""
        self._see_to_connection()
        self._take()
        self._collect()
        for shown in self._frames.ready(time.monotonic()):
            self._show(shown)
        self._available(self._outputs.flush())
        self._tell()

    @property
    def rung(self) -> str:
        return self._frames.rung

    def standing(self) -> Standing:
        left_s = self._retry_at - time.monotonic()
        if self._reader is None and self._problem is not None and left_s > 0:
            state = StreamState.FAILED if self._slow else StreamState.BACKING_OFF
            return Standing(state, self._problem, time.time() + left_s)
        if self._reader is None or not self._had_frame:
            return Standing(StreamState.CONNECTING, self._problem)
        age_s = time.monotonic() - self._newest_at
        if age_s > max(STALLED_S, 3 * (self._usual_s or 0.0)):
            return Standing(StreamState.STALLED)
        return Standing(StreamState.ONLINE)

    def _see_to_connection(self) -> None:
        now = time.monotonic()
        if self._reader is None:
            if now >= self._retry_at:
                self._had_frame = False
                self._reader = LiveReader(self._connect, self._slot)
            return
        if (ended := self._reader.ended) is not None:
            self._reader.stop()
            self._reader = None
            ended = self._explain(ended)
            self._problem = Problem(code=ended.code, detail=ended.detail)
            self._slow = ended.slow
            self._journal.event("lost", time.time(), {"code": ended.code})
            self._retry_at = now + self._backoff.failed(slow=ended.slow)

    def _take(self) -> None:
        received, dropped = self._slot.counts()
        now = time.monotonic()
        self.tally.arrived(now, received, dropped)
        self._frames.dropped(dropped, now)
        self._journal.dropped(dropped)
        self._drops += dropped
        arrived = None
        if self._frames.has_room:
            arrived = self._slot.take(0.0 if self._frames.busy else IDLE_S)
        for clock in self._slot.events():
            if clock.event == "gap":
                seconds = round(clock.gap_s, 3)
                self._hooks.event("gap", {"seconds": seconds, "until": clock.arrived_at})
                self._journal.event("gap", clock.arrived_at, {"seconds": seconds})
            else:
                self._hooks.event("clock", {"event": clock.event, "at": clock.arrived_at})
                self._journal.event("clock", clock.arrived_at, {"event": clock.event})
        if arrived is None:
            return
        if self._had_frame:
            interval_s = max(0.0, arrived.at - self._newest_at)
            self._usual_s = interval_s if self._usual_s is None else self._usual_s + 0.1 * (interval_s - self._usual_s)
        if self._reader is not None:  # else it is one left of a connection that is over
            if not self._had_frame:  # a connection counts once it shows something: attempts alone are in the events
                self._connections += 1
                if self._connections > 1:
                    self.tally.reconnected(now)
            self._had_frame, self._problem, self._slow = True, None, False
        self._newest_at = arrived.at
        self._backoff.frame(arrived.at)
        if arrived.frame.facts != self.facts:
            self.facts = arrived.frame.facts
            self._tell_size(self.facts)
        self.newest = arrived.frame
        self._frames.take(arrived, time.monotonic())

    def _collect(self) -> None:
        now = time.monotonic()
        if not self._frames.busy and now - self._collected_at < IDLE_COLLECT_S:
            return
        self._collected_at = now
        timeout_s = min(POLL_S, self._frames.wait_s(now)) if self._frames.busy else 0.0
        while (done := self._plane.collect(timeout_s)) is not None:
            self._frames.done(done, time.monotonic())
            timeout_s = 0.0

    def _show(self, shown: Shown) -> None:
        now = time.monotonic()
        self._frames.shown(shown, now)  # before it is encoded: no rung can help there
        available = self._outputs.show(shown)
        self.tally.shown(now, shown)
        self._journal.shown(shown, max(0.0, time.monotonic() - shown.arrived_at))
        self._hooks.shown(shown)
        self._available(available)

    def _available(self, frames: Iterable[Available]) -> None:
        now = time.monotonic()
        for frame in frames:
            lag_s = max(0.0, now - frame.arrived_at)
            self.tally.available(frame.rung, lag_s, whole=frame.whole)
            if not frame.whole:
                self._hooks.available(frame.rung, lag_s)
                self._journal.available(frame.pts, lag_s)

    def _let_go(self) -> None:
        """What is in flight or was not taken yet is not shown any more: it counts as dropped."""
        received, dropped = self._slot.counts()
        dropped += self._frames.in_flight + (self._slot.take(0.0) is not None)
        self._frames.abandon()
        self.tally.arrived(time.monotonic(), received, dropped)
        self._journal.dropped(dropped)

    def _tell(self) -> None:
        while self._frames.steps:
            self._tell_step(self._frames.steps.popleft())
        now = time.monotonic()
        if self._drops and now - self._drops_told_at >= DROPS_TOLD_S:
            self._hooks.event("dropped", {"count": self._drops, "total": self.tally.dropped})
            self._drops, self._drops_told_at = 0, now
        self._journal.look()

    def _tell_step(self, step: Step) -> None:
        figures = {name: round(value, 3) for name, value in step.figures.items()}
        told = {"from": step.before, "to": step.rung, "down": step.down, "reason": step.reason, "figures": figures}
        self._hooks.event("rung", told | {"pts": self.newest.pts if self.newest else None})
        self._journal.event("rung", time.time(), told)

    def _tell_size(self, facts: CameraFacts) -> None:
        size = {"codec": facts.codec, "width": facts.width, "height": facts.height}
        self._hooks.event("size", size)
        self._journal.event("size", time.time(), size)
