"""When a live frame belongs: a camera's timestamps, which may lie, on one timeline that never goes back. Only numbers.

The timeline begins with the first frame, follows the camera's own spacing of frames while that can be believed, and
stays tied to our clock: what a camera's clock gains or loses is taken up slowly, a clock that was set is bridged by the
time that has passed here, and one that does not run like a clock at all is given up for the time of arrival.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

from media.live_types import CLOCK

JUMP_S = 1.0  # back by more, or earlier than any frame before by more: the clock was set
BEHIND = 5  # frames in a row that are not after their predecessor: the clock was set back by less
REPEATS = 3  # frames in a row with the same timestamp: there are none
JUMPS, JUMPS_S = 4, 60.0  # so many jumps within so many seconds: not a clock
WINDOW_S = 10.0  # the least late frame of a window tells where the timeline stands: lateness only ever adds
DEAD_S = 0.25  # deviation from our clock that is left alone
LOST_S = 2.0  # deviation that slewing did not hold: not a clock
SLEW, SLEW_S = 0.02, 40.0  # at most 2 % faster or slower; else so that a deviation would be gone after 40 s
STEP_S = 600.0  # no frame for longer, without a reconnect: our own clock was set
GAP_S, GAP_STEPS = 1.0, 5  # longer than a second and five frames
FIRST_STEP_S = 0.04
PACE = 0.02  # weight of a frame in the pace of arrivals
DRIFT_WINDOWS = 4  # before drift is told
UTC_PLAUSIBLE = (1e9, 4.1e9)  # 2001 to 2099; cameras without a set clock tell 1970 or 1900


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where a frame belongs.

    event: "gap" (no frame for `gap_s`), "clock-jumped", "clock-wrong" (given up, arrival counts from now on),
    "no-timestamps" (likewise), or None.
    """

    pts: int  # 1/90000 s since the first frame, strictly rising
    captured_at: float | None  # Unix seconds UTC by the camera
    event: str | None = None
    gap_s: float = 0.0


class CameraClock:
    """One per stream: it lives on over reconnects. Frames are stamped in presentation order. Not thread-safe."""

    def __init__(self) -> None:
        self._last: int | None = None  # the timeline's last stamp
        self._arrived_at = 0.0  # of that frame, Unix seconds
        self._now = 0.0  # seconds of our clock since the first frame
        self._broken = False  # a reconnect lies before the next frame
        self._offset: float | None = None  # timeline minus the camera's clock, ticks
        self._raw: int | None = None  # the camera's last timestamp, ticks
        self._believed = True
        self._behind = self._repeats = self._missing = 0
        self._jumps: deque[float] = deque(maxlen=JUMPS)
        self._pace, self._paced = FIRST_STEP_S, 0  # seconds from arrival to arrival, smoothed; of how many
        self._steps: deque[int] = deque(maxlen=9)
        self._lateness = Lateness()
        self._drift = Drift()
        self.utc_offset_s: float | None = None  # the camera's UTC minus ours, less the time frames take to arrive

    @property
    def by_camera(self) -> bool:
        """Whether the spacing of frames is the camera's; else it is that of their arrival."""
        return self._believed

    @property
    def drift_ppm(self) -> float | None:
        """How much faster the camera's clock runs than ours, parts per million; None where it is not known yet."""
        return self._drift.ppm() if self._believed else None

    def reconnected(self, arrived_at: float) -> None:
        """A new connection: the camera's timestamps begin anew, and the next frame belongs where it arrives.

        arrived_at: Unix seconds at which the connection was made, for streams that have not had a frame.
        """
        self._broken = self._last is not None
        if self._last is None:
            self._arrived_at = arrived_at
        self._believed = True
        self._offset = self._raw = None
        self._behind = self._repeats = self._missing = 0
        self._jumps.clear()
        self._drift = Drift()

    def stamp(
        self, pts: int | None, time_base: Fraction, arrived_at: float, reference_utc: float | None = None
    ) -> Stamp:
        """The next frame's place. reference_utc: Unix seconds at which it was captured, as the camera says."""
        captured_at = self._captured(reference_utc, arrived_at)
        raw = None if pts is None else round(pts * time_base * CLOCK)
        if self._last is None:
            self._arrived_at, self._last, self._raw = arrived_at, 0, raw
            self._offset = None if raw is None else -float(raw)
            return Stamp(0, captured_at)
        elapsed = self._elapsed(arrived_at, raw)
        self._now += elapsed
        if elapsed < JUMP_S:
            self._paced += 1
            self._pace += (elapsed - self._pace) * max(PACE, 1 / self._paced)
        place, event = self._place(raw, elapsed)
        placed = max(self._last + 1, round(place))
        step, self._last, self._raw = placed - self._last, placed, raw if raw is not None else self._raw
        if self._broken:
            self._broken = False
            return Stamp(placed, captured_at, "gap", elapsed)
        gap = len(self._steps) >= GAP_STEPS and step > max(GAP_S * CLOCK, GAP_STEPS * median(self._steps))
        if event is None and gap:
            return Stamp(placed, captured_at, "gap", step / CLOCK)
        self._steps.append(step)
        return Stamp(placed, captured_at, event)

    def _captured(self, utc: float | None, arrived_at: float) -> float | None:
        if utc is None or not UTC_PLAUSIBLE[0] < utc < UTC_PLAUSIBLE[1]:
            return None
        offset = utc - arrived_at  # falls with every delay: the largest is nearest to the truth
        known = self.utc_offset_s
        self.utc_offset_s = offset if known is None or abs(offset - known) > JUMP_S else max(offset, known - 1e-4)
        return utc

    def _elapsed(self, arrived_at: float, raw: int | None) -> float:
        """Seconds since the last frame arrived, never negative; by the camera where our own clock was set."""
        elapsed = arrived_at - self._arrived_at
        if -JUMP_S < elapsed < 0:
            return 0.0
        self._arrived_at = arrived_at
        if elapsed >= 0 and (elapsed <= STEP_S or self._broken):
            return elapsed
        if raw is None or self._raw is None:
            return FIRST_STEP_S
        return min(max(0.0, (raw - self._raw) / CLOCK), STEP_S)

    def _place(self, raw: int | None, elapsed: float) -> tuple[float, str | None]:
        """Where the frame goes, ticks, and the event."""
        assert self._last is not None
        if not self._believed:
            return self._by_arrival(elapsed), None
        if raw is None:
            self._offset = None
            self._missing += 1
            # FFmpeg leaves the first packet of many RTSP streams without a timestamp; that is no event.
            return self._by_arrival(elapsed), "no-timestamps" if self._missing == REPEATS else None
        if raw == self._raw:
            self._repeats += 1
            if self._repeats >= REPEATS:
                self._believed = False
                return self._by_arrival(elapsed), "no-timestamps"
            return self._last + 1, None
        self._repeats = 0
        if self._offset is None:
            return self._anchor(raw, elapsed), None
        place = raw + self._offset
        late = self._now - place / CLOCK
        behind = self._last - place
        if behind >= 0:
            self._behind += 1
            if behind < JUMP_S * CLOCK and self._behind < BEHIND:
                return self._last + 1, None
            return self._jumped(raw, elapsed)
        self._behind = 0
        if self._lateness.floor is not None and late < self._lateness.floor - JUMP_S:
            return self._jumped(raw, elapsed)
        self._lateness.add(self._now, late)
        self._drift.add(self._now, raw / CLOCK)
        deviation = self._lateness.deviation
        if abs(deviation) > LOST_S:
            self._believed = False
            return self._by_arrival(elapsed), "clock-wrong"
        if abs(deviation) > DEAD_S and self._raw is not None:
            slew = min(SLEW, max(-SLEW, deviation / SLEW_S)) * max(0, raw - self._raw)
            self._offset += slew
            place += slew
        return place, None

    def _jumped(self, raw: int, elapsed: float) -> tuple[float, str]:
        self._jumps.append(self._now)
        self._behind = 0
        self._drift = Drift()
        if len(self._jumps) == JUMPS and self._now - self._jumps[0] < JUMPS_S:
            self._believed = False
            return self._by_arrival(elapsed), "clock-wrong"
        return self._anchor(raw, elapsed), "clock-jumped"

    def _anchor(self, raw: int, elapsed: float) -> float:
        """The frame belongs where it arrives, and those after it by the camera's clock again."""
        place = self._arrival(max(elapsed, 2 * self._step()))
        self._offset = place - raw
        return place

    def _arrival(self, elapsed: float) -> float:
        """Where our clock says, ticks. A timeline that is ahead of it runs at half its speed until it is not."""
        assert self._last is not None
        return max(self._last + max(1.0, elapsed / 2 * CLOCK), self._target())

    def _by_arrival(self, elapsed: float) -> float:
        """As `_arrival`, with the jitter of the network smoothed."""
        assert self._last is not None
        even, target = self._last + self._pace * CLOCK, self._target()
        return even + (target - even) / 10 if abs(target - even) < CLOCK / 2 else self._arrival(elapsed)

    def _target(self) -> float:
        usual = self._lateness.usual if self._believed else 0.0
        return (self._now - usual) * CLOCK

    def _step(self) -> float:
        """Seconds from frame to frame, usually."""
        return median(self._steps) / CLOCK if self._steps else FIRST_STEP_S


class Lateness:
    """How late frames arrive against the timeline. Of each window only the least late frame counts."""

    def __init__(self) -> None:
        self._window = 0
        self._least: float | None = None  # of the window that is under way
        self._before: float | None = None  # of the one before
        self._usual: float | None = None  # of the first whole one

    @property
    def floor(self) -> float | None:
        """The least of the last one or two windows, seconds; None before the first frame."""
        if self._least is None or self._before is None:
            return self._least if self._before is None else self._before
        return min(self._least, self._before)

    @property
    def usual(self) -> float:
        """What lateness was at the beginning, seconds: where the timeline belongs."""
        return self._usual if self._usual is not None else self._least or 0.0

    @property
    def deviation(self) -> float:
        """By how much the timeline lags behind our clock now, compared to the beginning; seconds."""
        return 0.0 if self._before is None or self._usual is None else self._before - self._usual

    def add(self, now: float, late: float) -> None:
        window = int(now // WINDOW_S)
        if window != self._window and self._least is not None:
            self._before = self._least
            if self._usual is None:
                self._usual = self._least
            self._least = None
        self._window = window
        self._least = late if self._least is None else min(late, self._least)


class Drift:
    """The camera's clock against ours, from the least late frame of each window, by least squares."""

    def __init__(self) -> None:
        self._window = -1
        self._least: tuple[float, float] | None = None  # (our time, how much later than the camera's time) in seconds
        self._points: deque[tuple[float, float]] = deque(maxlen=360)

    def add(self, now: float, camera: float) -> None:
        late, window = now - camera, int(now // WINDOW_S)
        if window != self._window and self._least is not None:
            self._points.append(self._least)
            self._least = None
        self._window = window
        if self._least is None or late < self._least[1]:
            self._least = now, late

    def ppm(self) -> float | None:
        if len(self._points) < DRIFT_WINDOWS:
            return None
        times, lates = zip(*self._points, strict=True)
        time_mean, late_mean = sum(times) / len(times), sum(lates) / len(lates)
        spread = sum((time - time_mean) ** 2 for time in times)
        slope = sum((time - time_mean) * (late - late_mean) for time, late in self._points) / spread
        return float(-slope * 1e6)
