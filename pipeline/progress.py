"""How far a job has come: what each segment reports, and the sums. Pure values; they are kept by `pipeline/jobs.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

SPEED_WINDOW_S = 30.0  # over which speed is measured


@dataclass(frozen=True, slots=True)
class SegmentProgress:
    """Absolute values of one segment, so that a report sent twice changes nothing. A new attempt starts again at 0."""

    frames_done: int = 0  # frames written, of whatever quality
    frames_resized: int = 0  # of these, only resized (and labelled so) because the network could not do them
    tiles_total: int = 0  # tiles these frames are made of
    tiles_reused: int = 0  # of these, taken from the frame before because their input had not changed
    damaged_packets: int = 0  # packets of the source that could not be decoded
    damaged_frames: int = 0  # frames the decoder marked as damaged
    finished: bool = False

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> SegmentProgress:
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in json.loads(raw).items() if name in known})


@dataclass(frozen=True, slots=True)
class Progress:
    """Sums over the segments of a job that have reported."""

    frames_done: int = 0
    frames_resized: int = 0
    tiles_total: int = 0
    tiles_reused: int = 0
    damaged_packets: int = 0
    damaged_frames: int = 0
    segments_finished: int = 0

    def eta_s(self, frames_total: int | None, fps: float | None) -> float | None:
        """Seconds still needed at that speed, None where that cannot be said."""
        return max(0, frames_total - self.frames_done) / fps if fps and frames_total else None


def speed(points: Sequence[tuple[float, int]], started_at: float, now: float) -> float | None:
    """Frames per second of late, None where nothing is known of it.

    points: (Unix seconds, frames done since the start), in order of time. What counts is the last SPEED_WINDOW_S, so
    that neither an interruption nor a long wait behind other clips lasts in the figure; in the beginning, all there is.
    """
    since = max(started_at, now - SPEED_WINDOW_S)
    before = [point for point in points if point[0] < since]
    inside = [point for point in points if point[0] >= since]
    if since == started_at:
        inside = [(started_at, 0), *inside]
    elif len(inside) == 1 and before:
        inside = [(since, before[-1][1]), *inside]
    if len(inside) < 2 or inside[-1][1] <= inside[0][1]:
        return None
    return (inside[-1][1] - inside[0][1]) / max(1e-3, now - inside[0][0])  # clocks of hosts may differ


def total(segments: Iterable[SegmentProgress]) -> Progress:
    reported = list(segments)
    summed = (field.name for field in fields(SegmentProgress) if field.name != "finished")
    return Progress(
        **{name: sum(getattr(segment, name) for segment in reported) for name in summed},
        segments_finished=sum(segment.finished for segment in reported),
    )
