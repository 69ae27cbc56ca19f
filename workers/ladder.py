"""Which rung of a live stream's ladder is used now: decided from lag, drops and probes. Pure, knows no frames.

Down at once, one rung at a time: when a frame of the rung comes late, takes too large a share of the time allowed, or
when the rung keeps up with too few of the camera's frames. Up only after a quiet time and a probe: a whole frame given
to the better rung beside the stream, so that trying costs no frame. Each failed try doubles the quiet time asked for.

A rung whose model is still being loaded is cold: that frames do not come back is no reason then, for COLD_S at most. A
probe that took long for no fault of the network's own, as its busy time tells, is repeated once before it counts.
Where there is no enhance worker at all it is the last rung at once, and the one that was left as soon as there is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

DOWN_SHARE = 0.6  # of the time allowed: a frame that took longer steps down
UP_SHARE = 0.3  # frames slower than this show no room for a better rung
PROBE_SHARE = 0.4  # a probe slower than this shows none either: the first frame on a rung is a whole one too
LEAST_KEPT = 0.5  # a rung that keeps up with less than this share of the frames is too dear
UP_KEPT = 0.9  # and one that keeps up with less has no room above it
WATCH_S = 3.0  # drops are judged over so long
LEAST_JUDGED = 8  # frames, for a share to mean anything
HOLD_S = 10.0  # quiet time before a better rung is probed; a step up must last twice as long to count as good
HOLD_CAP_S = 300.0
SETTLE_S = 2.0  # after `settle`: slow frames are no reason, since they pay for what is opened and loaded
COLD_S = 25.0  # for the first frame of a rung to come back: models are loaded when the first frame asks for them
AGAIN_S = 3.0  # after a probe that had to wait for something else than the network
_BIN_S = 0.25


@dataclass(frozen=True, slots=True)
class Step:
    """A change of rung, for events and metrics."""

    at: float
    before: str
    rung: str
    down: bool
    reason: str  # one line for people
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Bin:
    at: float
    written: int = 0
    dropped: int = 0
    slowest_s: float = 0.0


class Ladder:
    """rungs: names from best to cheapest. allowed_s: time a frame may take from its arrival to the encoder.

    Times are seconds of any one clock that does not go back.
    """

    def __init__(self, rungs: Sequence[str], allowed_s: float, now: float = 0.0) -> None:
        if not rungs or len(set(rungs)) != len(rungs):
            raise ValueError(f"a ladder needs rungs, each once, not {list(rungs)}")
        if not allowed_s > 0:
            raise ValueError(f"the time allowed for a frame is {allowed_s} s; it must be above 0")
        self.rungs, self.allowed_s = tuple(rungs), allowed_s
        self.reason = "the best rung, from the start"
        self._at = 0
        self._since = self._quiet_since = now
        self._settled_at = now
        self._good_at: float | None = None  # from when on the step up to this rung counts as good
        self._failed = [0] * len(rungs)  # tries in a row to climb to each rung that failed
        self._warm: set[str] = set()  # rungs that have answered
        self._cold_until = now
        self._probing = self._excused = False
        self._deserted_at: int | None = None  # the rung that was left since there is no enhance worker
        self._bins: deque[_Bin] = deque()

    @property
    def rung(self) -> str:
        return self.rungs[self._at]

    @property
    def hold_s(self) -> float:
        """Quiet time asked for before the rung above is probed."""
        failed = self._failed[self._at - 1] if self._at else 0
        return float(min(HOLD_CAP_S, HOLD_S * 2**failed))

    @property
    def probing(self) -> bool:
        """Whether what comes of a probe is still of interest."""
        return self._probing

    @property
    def deserted(self) -> bool:
        """Nobody was there to enhance; who comes is to be told of by `somebody`."""
        return self._deserted_at is not None

    def cold(self, now: float) -> bool:
        """Whether the rung may take its time: it has not answered yet, or a worker may be loading what is probed."""
        if self._probing and self.rungs[self._at - 1] not in self._warm:
            return True
        return self.rung not in self._warm and now < self._cold_until

    def settle(self, now: float) -> None:
        """Everything begins anew (a first frame, another size): the next frames are slow for no fault of the rung's."""
        self._settled_at = now + SETTLE_S
        self._warm.clear()
        self._cold_until = now + COLD_S

    def answered(self, now: float, rung: str, *, woken: bool = False) -> None:
        """A frame of the rung came back. woken: after its patience, so that what piled up meanwhile is no reason."""
        self._warm.add(rung)
        if woken and rung == self.rung:
            self._settled_at = max(self._settled_at, now + SETTLE_S)
            self._quiet_since = now
            self._bins.clear()

    def silent(self, now: float, rung: str) -> Step | None:
        """The first frame of a cold rung is not waited for any more."""
        if rung != self.rung or rung in self._warm:
            return None
        return self._down(now, f"no frame came back for {COLD_S:.0f} s")

    def nobody(self, now: float) -> Step | None:
        """There is no enhance worker, and all rungs but the last need one."""
        last, before = len(self.rungs) - 1, self.rung
        if self._at == last:
            return None
        self._deserted_at, self._at, self._good_at = self._at, last, None
        return self._stepped(now, before, True, "there is no enhance worker", {})

    def somebody(self, now: float) -> Step | None:
        """There is an enhance worker again, which has its model to load."""
        back, before, self._deserted_at = self._deserted_at, self.rung, None
        if back is None or self._at <= back:  # a probe has climbed as far
            return None
        self._at = back
        self.settle(now)
        return self._stepped(now, before, False, "there is an enhance worker again", {})

    def written(self, now: float, rung: str, lag_s: float, trouble: str = "") -> Step | None:
        """A frame went to the encoder `lag_s` after its arrival. Those begun on another rung don't count.

        trouble: "" or why the rung did not enhance it ("not back within 1.2 s"), in words for people.
        """
        if rung != self.rung:
            return None
        bin_ = self._bin(now)
        bin_.written += 1
        bin_.slowest_s = max(bin_.slowest_s, lag_s)
        if now < self._settled_at or (trouble and self.cold(now)):
            return None
        if trouble:
            self._warm.discard(rung)  # its worker may be another by now
            return self._down(now, trouble, lag_s=lag_s)
        if lag_s > DOWN_SHARE * self.allowed_s:
            return self._down(now, f"a frame took {lag_s:.2f} s of the {self.allowed_s:.2f} s allowed", lag_s=lag_s)
        return self._judge_drops(now)

    def dropped(self, now: float, count: int = 1) -> Step | None:
        """Frames were replaced by newer ones before their turn came."""
        self._bin(now).dropped += count
        return self._judge_drops(now)

    def probe(self, now: float) -> str | None:
        """The rung to try with a whole frame now, once; None mostly. The answer is to be given to `probed`."""
        if not self._at or self._probing or now - self._quiet_since < self.hold_s:
            return None
        written, dropped, slowest_s = self._recent(now)
        if not written or written < UP_KEPT * (written + dropped) or slowest_s > UP_SHARE * self.allowed_s:
            return None
        self._probing = True
        return self.rungs[self._at - 1]

    def probed(self, now: float, took_s: float | None, wanted: float, busy_s: float | None = None) -> Step | None:
        """What came of the probe. took_s: of the whole frame, None where it did not come back in time.

        wanted: enhance workers that the stream would keep busy on that rung, per worker there is. busy_s: the
        network's own part of `took_s`, where that is known.
        """
        if not self._probing:
            return None  # stepped down meanwhile
        self._probing = False
        most_s, above = PROBE_SHARE * self.allowed_s, self.rungs[self._at - 1]
        first = above not in self._warm
        if took_s is not None:
            self._warm.add(above)
        fits = took_s is not None and took_s <= most_s and wanted * LEAST_KEPT <= UP_KEPT
        if not fits:
            self._quiet_since = now
            # Loading, the network's first run or a queue: tried again soon, but not for ever, since queues may stay.
            waited = took_s is not None and took_s > most_s and busy_s is not None and (first or busy_s <= most_s)
            if waited and not self._excused:
                self._excused = True
                self._quiet_since = now - self.hold_s + AGAIN_S
            else:
                self._excused = False
                self._failed[self._at - 1] += self._deserted_at is None
            return None
        assert took_s is not None
        before = self.rung
        self._good_at = now + 2 * self.hold_s
        self._at -= 1
        figures = {"probe_s": took_s, "wanted": wanted}
        reason = f"there is room: a whole frame took {took_s:.2f} s of the {self.allowed_s:.2f} s allowed"
        return self._stepped(now, before, False, reason, figures)

    def _down(self, now: float, reason: str, **figures: float) -> Step | None:
        self._quiet_since = now
        if self._at == len(self.rungs) - 1:
            return None
        tried = self._good_at is not None and now < self._good_at
        self._failed[self._at] = self._failed[self._at] + 1 if tried else 0
        before = self.rung
        self._at += 1
        self._good_at = None
        return self._stepped(now, before, True, reason, figures)

    def _stepped(self, now: float, before: str, down: bool, reason: str, figures: Mapping[str, float]) -> Step:
        self.reason = reason
        self._since = self._quiet_since = now
        self._cold_until = now + COLD_S
        self._probing = self._excused = False
        self._bins.clear()
        return Step(now, before, self.rung, down, reason, {**figures, "allowed_s": self.allowed_s})

    def _judge_drops(self, now: float) -> Step | None:
        # Drops of the first moments are the step's own.
        if self.cold(now) or now - max(self._since, self._settled_at) < WATCH_S:
            return None
        written, dropped, _ = self._recent(now)
        arrived = written + dropped
        if arrived < LEAST_JUDGED or written >= LEAST_KEPT * arrived:
            return None
        reason = f"{dropped} of the {arrived} frames of the last {WATCH_S:.0f} s were dropped"
        return self._down(now, reason, dropped=dropped, arrived=arrived)

    def _bin(self, now: float) -> _Bin:
        if not self._bins or now - self._bins[-1].at >= _BIN_S:
            self._bins.append(_Bin(now))
        while self._bins[0].at < now - WATCH_S:
            self._bins.popleft()
        return self._bins[-1]

    def _recent(self, now: float) -> tuple[int, int, float]:
        """(written, dropped, slowest) of the last WATCH_S."""
        bins = [b for b in self._bins if b.at >= now - WATCH_S]
        slowest_s = max((b.slowest_s for b in bins), default=0.0)
        return sum(b.written for b in bins), sum(b.dropped for b in bins), slowest_s
