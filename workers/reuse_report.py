"""What reuse did to a clip, for its report: the setting, the noise floor, what happened to whole frames. Pure sums."""

from __future__ import annotations

import math
from typing import Any

from workers.change import ChangeSettings
from workers.reuse import KEY_FRAME, REFRESH_S, Look

MOST_EVENTS = 100  # listed
HOW = {
    "on": "a tile is kept until what it shows differs from what was last enhanced in its place by more than the noise "
    "floor explains, until keeping it would cost the frame its quality, or until its turn to be refreshed comes; "
    "frames may therefore show tiles that were enhanced from an earlier frame of the same still scene",
    "exact": "a tile is kept while its source pixels are the same bit for bit; reuse changes no pixel",
    "off": "every tile of every frame was computed",
}
PEAK = 255.0


def look_json(look: Look) -> dict[str, Any]:
    """As a frame's line has it."""
    line: dict[str, Any] = {"noise": round(look.noise, 2), "kept_error": round(look.kept_error, 2)}
    if look.event is not None:
        line["event"] = look.event
    if look.by_noise:
        line["by_noise"] = True
    if look.fused is not None:
        line |= {"fused": look.fused, "observations": round(look.observations, 1)}
    return line


class ReuseSummary:
    """Sums over a clip's frame log."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._frames = self._tiles = self._changed = self._by_noise = self._key_frames = 0
        self._noise = self._error = self._worst = 0.0
        self._events: list[dict[str, Any]] = []
        self._more = 0
        self._fused, self._observations = 0, 1.0  # tiles shown of several frames, and of how many at most

    def add(self, frame: dict[str, Any]) -> None:
        """A line of the frame log."""
        self._tiles += frame["tiles"]
        self._changed += frame["changed"]
        if "look" not in frame:
            return
        look = frame["look"]
        self._frames += 1
        if "fused" in look:
            self._fused += look["fused"]
            self._observations = max(self._observations, look["observations"])
        self._noise += look["noise"]
        self._error += look["kept_error"]
        self._worst = max(self._worst, look["kept_error"])
        self._by_noise += bool(look.get("by_noise"))
        event = look.get("event")
        if event == KEY_FRAME:
            self._key_frames += 1
        elif event is not None:
            self._event(event, frame["pts"])

    def _event(self, what: str, pts: int) -> None:
        """Frames in a row with the same are one event: a camera that pans does so for many."""
        last = self._events[-1] if self._events else None
        if last is not None and last["what"] == what and last["number"] + last["frames"] == self._frames:
            last |= {"frames": last["frames"] + 1, "last_pts": pts}
        elif len(self._events) < MOST_EVENTS:
            self._events.append({"what": what, "pts": pts, "last_pts": pts, "frames": 1, "number": self._frames})
        else:
            self._more += 1

    def fusion_json(self, *, applied: bool) -> dict[str, Any]:
        """What fusion did."""
        if not applied:
            return {"applied": False, "how": None}
        return {
            "applied": True,
            "how": FUSED,
            "shown_share": round(self._fused / self._tiles, 4) if self._tiles else 0.0,
            "most_observations": self._observations,
        }

    def to_json(self) -> dict[str, Any]:
        summary: dict[str, Any] = {
            "mode": self._mode,
            "how": HOW[self._mode],
            "recomputed_share": round(self._changed / self._tiles, 4) if self._tiles else 0.0,
        }
        if not self._frames:
            return summary
        return summary | {
            "refresh_s": REFRESH_S,
            "budget_dB": _decibel(ChangeSettings().budget),
            "noise": round(self._noise / self._frames, 2),
            "kept_psnr_dB": {"mean": _decibel(self._error / self._frames), "least": _decibel(self._worst)},
            "frames_by_noise": self._by_noise,
            "note": NOTE if self._by_noise else None,
            "key_frames": self._key_frames,
            "events": [{key: value for key, value in event.items() if key != "number"} for event in self._events],
            "events_not_listed": self._more,
        }


FUSED = (
    "where a tile stood still, the mean of up to 32 frames, its own and those before it, moved over each other to a "
    "fraction of a pixel, was enhanced in the frame's place; what differs from that mean by less than noise explains "
    "is averaged away"
)
NOTE = (
    "the source's noise is so strong that kept tiles cannot be held within the budget: they differ from newly enhanced "
    "ones by noise, and what lies below the noise floor is not seen"
)


def _decibel(mean_square: float) -> float | None:
    """PSNR against the source's frames of the pixels that tiles were enhanced from; None: they are the same."""
    return round(10 * math.log10(PEAK**2 / mean_square), 1) if mean_square > 0 else None
