"""A live stream's frame log: a line for each frame shown, with what happened since the line before. Writes nothing.

A line waits, in its turn, until it is known when its frame could be fetched.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from media.moments import moment
from workers.live_frames import Shown
from workers.reuse_report import look_json

WAIT_S = 10.0  # for the frame's lag; the line says none after that
WAITING = 2048  # lines at most
HELD_S = 2.0  # drops and events that no frame follows have a line of their own after so long
EVENTS = 64  # in a line
DETAIL = 200  # characters


@dataclass(frozen=True, slots=True)
class LogLine:
    """at: Unix seconds by our clock, to the millisecond. offset_s: the camera's clock minus ours."""

    at: float
    offset_s: float
    content: dict[str, Any]


@dataclass(slots=True)
class _Waiting:
    pts: int | None
    since: float
    line: LogLine


class LiveLog:
    """A journal. put: takes a line and does not wait. `clock` gives Unix seconds. To be closed by the loop's thread."""

    def __init__(self, put: Callable[[LogLine], None], *, clock: Callable[[], float] = time.time) -> None:
        self._put, self._clock = put, clock
        self._waiting: deque[_Waiting] = deque()
        self._dropped = self._events_left_out = 0
        self._events: list[dict[str, Any]] = []
        self._held_since: float | None = None
        self._offset_s = 0.0

    def shown(self, shown: Shown, encoded_s: float) -> None:
        frame = shown.frame
        content: dict[str, Any] = {"pts": frame.pts, "arrived_at": moment(frame.arrived_at)}
        if frame.captured_at is not None:
            content["captured_at"] = moment(frame.captured_at)
        self._offset_s = 0.0 if frame.captured_at is None else frame.captured_at - frame.arrived_at
        content |= {"how": shown.how, "rung": shown.rung, "tiles": shown.tiles, "changed": shown.changed}
        content["encoded_s"] = round(encoded_s, 3)
        if shown.look is not None:
            content["look"] = look_json(shown.look)
        if frame.damaged:
            content["damaged"] = True
        if shown.detail:
            content["detail"] = shown.detail[:DETAIL]
        self._wait(frame.pts, LogLine(round(frame.arrived_at, 3), self._offset_s, content | self._since_before()))

    def available(self, pts: int, lag_s: float) -> None:
        while self._waiting:
            first = self._waiting[0]
            if first.pts is not None and first.pts > pts:
                return
            if first.pts == pts:
                first.line.content["lag_s"] = round(lag_s, 3)
            self._let_go()
            if first.pts == pts:
                return

    def dropped(self, count: int) -> None:
        if count:
            self._dropped += count
            self._hold()

    def event(self, kind: str, at: float, data: Mapping[str, Any]) -> None:
        if len(self._events) < EVENTS:
            self._events.append({"kind": kind, "at": moment(at), **data})
        else:
            self._events_left_out += 1
        self._hold()

    def look(self) -> None:
        now = self._clock()
        if self._held_since is not None and not 0 <= now - self._held_since < HELD_S:
            self._tell_held(now)
        while self._waiting:
            first = self._waiting[0]
            if first.pts is not None and 0 <= now - first.since < WAIT_S:
                return
            self._let_go()

    def close(self) -> None:
        """Nothing comes any more: whatever waits is let go."""
        if self._held_since is not None:
            self._tell_held(self._clock())
        while self._waiting:
            self._let_go()

    def _tell_held(self, now: float) -> None:
        content = {"at": moment(now)} | self._since_before()
        self._wait(None, LogLine(round(now, 3), self._offset_s, content))

    def _since_before(self) -> dict[str, Any]:
        """What is to be told since the line before."""
        content: dict[str, Any] = {}
        if self._dropped:
            content["dropped"] = self._dropped
        if self._events:
            content["events"] = self._events
        if self._events_left_out:
            content["events_left_out"] = self._events_left_out
        self._dropped, self._events, self._events_left_out, self._held_since = 0, [], 0, None
        return content

    def _hold(self) -> None:
        if self._held_since is None:
            self._held_since = self._clock()

    def _wait(self, pts: int | None, line: LogLine) -> None:
        if len(self._waiting) >= WAITING:
            self._let_go()
        self._waiting.append(_Waiting(pts, self._clock(), line))

    def _let_go(self) -> None:
        self._put(self._waiting.popleft().line)
