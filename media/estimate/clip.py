"""The estimate of a clip: which frames are looked at, and what the file itself tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from media.estimate.degradation import Degradation
from media.estimate.frames import estimate_frames
from media.estimate.quantiser import quantiser_of
from media.reader import VideoReader
from media.types import ClipFacts

PLACES = 3  # spread over the clip
RUN = 3  # frames that follow one another at each


def estimate_clip(path: Path, facts: ClipFacts) -> Degradation | None:
    """Of up to PLACES runs of RUN frames, each from a key frame on: nothing is decoded only to get there.

    None where none of them can be decoded. Raises MediaError as `VideoReader`.
    """
    start = facts.start_pts or 0
    duration = facts.duration_s or 0.0
    places = [start + round(duration * i / PLACES / facts.time_base) for i in range(PLACES if duration else 1)]
    runs, seen = [], set()
    for place in places:
        with VideoReader(path, facts) as reader:
            frames = reader.run_from(place, RUN)
        if frames and frames[0].pts not in seen:
            seen.add(frames[0].pts)
            runs.append(frames)
    if not runs:
        return None
    found = estimate_frames([[frame.image for frame in run] for run in runs])
    return replace(
        found,
        grey=all(frame.grey for run in runs for frame in run),
        quantiser=quantiser_of(path, facts, places, RUN),
        bits_per_pixel=bits_per_pixel(path.stat().st_size, facts),
    )


def bits_per_pixel(size: int, facts: ClipFacts) -> float | None:
    """Bits for each pixel of each frame; size: of the file in bytes."""
    return 8 * size / (facts.frames * facts.width * facts.height) if facts.frames else None
