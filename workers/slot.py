"""One frame between the camera's thread and the loop that enhances: the newest wins, and who lost is counted."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from media.live_types import LiveFrame

EVENTS_KEPT = 64
LONGEST_AGE_S = 60.0  # an arrival longer ago than this was told by a clock that has been set since


@dataclass(frozen=True, slots=True)
class Arrived:
    frame: LiveFrame
    at: float  # when it arrived, by time.monotonic()


@dataclass(frozen=True, slots=True)
class ClockEvent:
    """What the camera's clock did at a frame, whether that frame was dropped or not."""

    event: str
    gap_s: float
    arrived_at: float  # Unix seconds


class NewestFrame:
    """Holds one frame at most, so that a slow loop makes no queue. Safe between two threads."""

    def __init__(self) -> None:
        self._waiting = threading.Condition()
        self._arrived: Arrived | None = None
        self._dropped = self._received = 0
        self._events: deque[ClockEvent] = deque(maxlen=EVENTS_KEPT)

    def put(self, frame: LiveFrame) -> None:
        # Its arrival is told by the wall clock, which may be set; what is measured from here on may not jump.
        age_s = min(LONGEST_AGE_S, max(0.0, time.time() - frame.arrived_at))
        with self._waiting:
            self._dropped += self._arrived is not None
            self._received += 1
            if frame.event is not None:
                self._events.append(ClockEvent(frame.event, frame.gap_s, frame.arrived_at))
            self._arrived = Arrived(frame, time.monotonic() - age_s)
            self._waiting.notify()

    def take(self, timeout_s: float) -> Arrived | None:
        """The frame, or None if there is none within `timeout_s`."""
        with self._waiting:
            if self._arrived is None and timeout_s > 0:
                self._waiting.wait(timeout_s)
            arrived, self._arrived = self._arrived, None
            return arrived

    def events(self) -> list[ClockEvent]:
        """Those since this was last asked."""
        with self._waiting:
            events = list(self._events)
            self._events.clear()
            return events

    def counts(self) -> tuple[int, int]:
        """(received, dropped) since this was last asked."""
        with self._waiting:
            counts = self._received, self._dropped
            self._received = self._dropped = 0
            return counts
