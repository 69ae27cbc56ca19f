"""When frames are shown: missing, doubled and backward timestamps repaired, always the same way. Knows only numbers."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Placed(Generic[Item]):
    pts: int
    item: Item
    repair: str | None  # what was wrong with its own timestamp, for people; None: nothing


class Timeline(Generic[Item]):
    """Frames in presentation order with the timestamps they came with → strictly rising timestamps.

    A sound timestamp is never touched. One that is missing, not after its predecessor, or more than `jump` ticks beyond
    a sound successor is replaced by its predecessor's plus one frame, or less where the successor leaves no room. A
    jump back by more than `jump` ticks that lasts (the camera's clock was set) moves everything after it, so that no
    frame overtakes another.
    Looks one frame ahead, so a frame comes out when the next went in.
    """

    def __init__(self, step: int, jump: int, start: int = 0) -> None:
        """step: ticks of a frame; jump: ticks back that are a discontinuity; start: pts where the first has none."""
        self._step, self._jump, self._start = max(1, step), max(1, jump), start
        self._last: int | None = None
        self._offset = 0
        self._waiting: tuple[int | None, Item] | None = None

    def push(self, raw: int | None, item: Item) -> list[Placed[Item]]:
        waiting, self._waiting = self._waiting, (raw, item)
        return [] if waiting is None else [self._place(*waiting, following=raw)]

    def flush(self) -> list[Placed[Item]]:
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else [self._place(*waiting, following=None)]

    def _place(self, raw: int | None, item: Item, following: int | None) -> Placed[Item]:
        pts = None if raw is None else raw + self._offset
        after = None if following is None else following + self._offset
        repair: str | None = None
        if self._last is None:
            if pts is None:
                pts, repair = (self._start if after is None else after - self._step), "frame has no timestamp"
            elif after is not None and after < pts:
                pts, repair = after - self._step, "timestamp is not before the next frame's"
        elif pts is None:
            pts, repair = self._between(after), "frame has no timestamp"
        elif pts <= self._last:
            repair = "timestamp is not after the previous frame's"
            lasting = after is None or after <= self._last
            if self._last - pts > self._jump and lasting:
                self._offset += self._last + self._step - pts
                pts, repair = self._last + self._step, "timestamps jump back (the clock was set?); later ones are moved"
            else:
                pts = self._between(after)
        elif after is not None and self._last < after < pts - self._jump:
            pts, repair = self._between(after), "timestamp is not before the next frame's"
        self._last = pts
        return Placed(pts, item, repair)

    def _between(self, after: int | None) -> int:
        """One frame after the last, but before `after`; one tick after the last where there is no room, to catch up."""
        assert self._last is not None
        pts = self._last + self._step
        return pts if after is None else max(self._last + 1, min(pts, after - 1))


class DecodeClock:
    """Presentation times for containers that time packets in decoding order (AVI).

    The frame shown n-th gets the n-th smallest packet time, which is right because both orders hold the same times.
    Times of packets whose frames never came are given up as soon as reordering cannot explain their absence.
    """

    def __init__(self, depth: int) -> None:
        """depth: frames the decoder holds back at most, 0 where decoding order is presentation order."""
        self._depth = depth
        self._times: list[int] = []

    def sent(self, time: int) -> None:
        """A packet with this time went into the decoder."""
        heapq.heappush(self._times, time)

    def lost(self, time: int) -> None:
        """No frame will come of the packet with this time."""
        if time in self._times:
            self._times.remove(time)
            heapq.heapify(self._times)

    def next(self, own: int | None) -> int | None:
        """The time of the next frame shown, whose own packet had the time `own`."""
        while self._times and own is not None and self._times[0] < own - self._depth:
            heapq.heappop(self._times)  # its frame never came
        return heapq.heappop(self._times) if self._times else own
