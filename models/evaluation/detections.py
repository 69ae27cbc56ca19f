"""What detectors find on enlargements against what they find on the truth. Knows no models, no files of ours.

Detectors are those that OpenCV carries: people by HOG (Dalal and Triggs, CVPR 2005), faces and number plates by Haar
cascades (Viola and Jones, CVPR 2001). OpenCV 4 has them; OpenCV 5 has none, and there nothing is measured and said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, width, height
Detector = Callable[[Bytes], list[Box]]  # of (H, W, 3) uint8 RGB

IOU = 0.5
RESAMPLES = 2000
NONE = "the installed OpenCV carries no detectors (5.x has none, 4.x has): detections were not measured"
CASCADES = {"faces": "haarcascade_frontalface_default.xml", "plates": "haarcascade_russian_plate_number.xml"}


@dataclass(frozen=True, slots=True)
class Counts:
    hits: int = 0  # found boxes that agree with one of the truth's
    found: int = 0
    wanted: int = 0  # on the truth

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.hits + other.hits, self.found + other.found, self.wanted + other.wanted)

    @property
    def precision(self) -> float | None:
        return self.hits / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        return self.hits / self.wanted if self.wanted else None

    @property
    def f1(self) -> float | None:
        """None where neither the truth nor the picture has any."""
        return 2 * self.hits / (self.found + self.wanted) if self.found + self.wanted else None

    def to_json(self) -> dict[str, float | None]:
        return asdict(self) | {"precision": self.precision, "recall": self.recall, "f1": self.f1}


@dataclass(frozen=True, slots=True)
class Verdict:
    """F1 of pooled detections beyond bicubic's, with the 95 % percentile bootstrap over scenes."""

    gain: float | None  # None: nothing was detected
    low: float | None
    high: float | None
    words: str  # "gain", "no gain", "loss"; plain


def detectors() -> dict[str, Detector]:
    """By what they find; empty where OpenCV carries none."""
    found: dict[str, Detector] = {}
    opencv: Any = cv2  # OpenCV 5 has none of these names, so its types neither
    if hasattr(cv2, "HOGDescriptor"):
        hog = opencv.HOGDescriptor()
        hog.setSVMDetector(opencv.HOGDescriptor_getDefaultPeopleDetector())
        found["people"] = lambda image: _boxes(hog.detectMultiScale(_grey(image), winStride=(8, 8), scale=1.05)[0])
    if hasattr(cv2, "CascadeClassifier"):
        for what, file in CASCADES.items():
            path = Path(opencv.data.haarcascades) / file
            if path.is_file():
                found[what] = _cascade(opencv.CascadeClassifier(str(path)))
    return found


def match(found: Sequence[Box], wanted: Sequence[Box]) -> Counts:
    """Pairs of overlap IOU or more, the closest first, each box in one pair at most."""
    pairs = sorted(((iou(f, w), i, j) for i, f in enumerate(found) for j, w in enumerate(wanted)), reverse=True)
    ours: set[int] = set()
    theirs: set[int] = set()
    for overlap, i, j in pairs:
        if overlap >= IOU and i not in ours and j not in theirs:
            ours.add(i)
            theirs.add(j)
    return Counts(len(ours), len(found), len(wanted))


def iou(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0, width) * max(0, height)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def verdict(ours: Mapping[str, Counts], bicubic: Mapping[str, Counts], seed: int) -> Verdict:
    """Of counts by scene, the same scenes in both."""
    scenes = sorted(ours)
    a, b = (np.array([[m[s].hits, m[s].found + m[s].wanted] for s in scenes], np.float64) for m in (ours, bicubic))
    gain = _difference(a.sum(0), b.sum(0))
    if gain is None:
        return Verdict(None, None, None, "no gain (nothing detected)")
    drawn = np.random.default_rng(seed).integers(len(scenes), size=(RESAMPLES, len(scenes)))
    values = [d for row in drawn if (d := _difference(a[row].sum(0), b[row].sum(0))) is not None]
    low, high = (float(v) for v in np.quantile(values, [0.025, 0.975]))
    return Verdict(gain, low, high, "gain" if low > 0 else "loss" if high < 0 else "no gain")


def _difference(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float | None:
    """Of two F1; rows are hits, and found plus wanted."""
    if ours[1] + theirs[1] == 0:
        return None
    first, second = (2 * row[0] / row[1] if row[1] else 0.0 for row in (ours, theirs))
    return float(first - second)


def _cascade(classifier: Any) -> Detector:
    return lambda image: _boxes(classifier.detectMultiScale(_grey(image), scaleFactor=1.1, minNeighbors=4))


def _boxes(found: Any) -> list[Box]:
    return [(int(x), int(y), int(w), int(h)) for x, y, w, h in found]


def _grey(image: Bytes) -> Bytes:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
