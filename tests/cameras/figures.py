"""A soak's samples: kept as CSV, judged, and drawn over time. Knows no service."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

STATES = ("waiting", "failed", "backing-off", "connecting", "stalled", "online")
GREY, BLUE, RED = (60, 60, 60), (180, 90, 20), (60, 60, 220)  # BGR
WIDTH, PANEL, LEFT, RIGHT, TOP = 980, 108, 92, 16, 24


@dataclass(frozen=True, slots=True)
class Sample:
    t: float  # seconds since the beginning
    state: str
    rung: str
    lag_s: float | None
    fps_in: float
    fps_out: float
    frames: int
    dropped: int
    late: int
    reconnects: int
    rss_mib: float  # of the process that runs the camera
    descriptors: int
    threads: int
    ring_mib: float
    recording_mib: float


def write_csv(path: Path, samples: Sequence[Sample]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
        writer.writeheader()
        writer.writerows(asdict(sample) for sample in samples)


def means(samples: Sequence[Sample], value: Callable[[Sample], float]) -> tuple[float, float]:
    """Over the second and the last fifth of the run, while online: the first is start-up.

    A camera that was away for all of the second fifth is judged by what lies around it.
    """
    end = samples[-1].t
    online = [one for one, next_ in pairwise(samples) if one.state == next_.state == "online"]  # it is told late
    early = [value(sample) for sample in online if 0.2 * end <= sample.t < 0.4 * end]
    early = early or [value(sample) for sample in online if 0.1 * end <= sample.t < 0.5 * end]
    late = [value(sample) for sample in online if sample.t >= 0.8 * end]
    if not early or not late:
        raise ValueError("too few samples were taken while the stream was online")
    return float(np.mean(early)), float(np.mean(late))


def draw(path: Path, samples: Sequence[Sample], marks: Sequence[tuple[float, str]], rungs: Sequence[str]) -> None:
    """One panel below the other, over the same time. marks: (seconds, what was done to the camera)."""
    panels: list[tuple[str, Callable[[Sample], float | None], tuple[str, ...]]] = [
        ("memory, MiB", lambda sample: sample.rss_mib, ()),
        ("descriptors", lambda sample: sample.descriptors, ()),
        ("lag, s", lambda sample: sample.lag_s if sample.state == "online" else None, ()),
        ("pictures/s", lambda sample: sample.fps_out, ()),
        ("state", lambda sample: STATES.index(sample.state), STATES),
        ("rung", lambda sample: rungs.index(sample.rung) if sample.rung in rungs else None, tuple(rungs)),
    ]
    image = np.full((TOP + len(panels) * PANEL + 24, WIDTH, 3), 255, np.uint8)
    end = max(sample.t for sample in samples)

    def x(t: float) -> int:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * t / end)

    for t, kind in marks:
        cv2.line(image, (x(t), TOP), (x(t), TOP + len(panels) * PANEL - 14), (205, 205, 250), 1)
        _text(image, kind[0], x(t) - 3, TOP - 8, RED)
    for number, (name, value, words) in enumerate(panels):
        top, bottom = TOP + number * PANEL, TOP + (number + 1) * PANEL - 24
        values = [(sample.t, value(sample)) for sample in samples]
        highest = len(words) - 1 if words else 1.15 * max((v for _, v in values if v is not None), default=1.0) or 1.0

        def y(v: float, top: int = top, bottom: int = bottom, highest: float = highest) -> int:
            return round(bottom - (bottom - top - 8) * v / max(1e-9, highest))

        for label in range(len(words)) if words else (0, highest / 2, highest):
            cv2.line(image, (LEFT, y(label)), (WIDTH - RIGHT, y(label)), (232, 232, 232), 1)
            _text(image, words[int(label)] if words else f"{label:.3g}", 8, y(label) + 4, GREY)
        _text(image, name, WIDTH - RIGHT - 90, top + 2, BLUE)
        for (t, v), (later, w) in pairwise(values):
            if v is not None and w is not None:
                cv2.line(image, (x(t), y(v)), (x(later), y(v)), BLUE, 1, cv2.LINE_AA)
                cv2.line(image, (x(later), y(v)), (x(later), y(w)), BLUE, 1, cv2.LINE_AA)
    for share in (0, 0.25, 0.5, 0.75, 1):
        _text(image, f"{share * end / 60:.1f} min", x(share * end) - 40 * (share > 0.9), image.shape[0] - 8, GREY)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _text(image: np.ndarray, words: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    cv2.putText(image, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
