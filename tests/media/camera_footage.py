"""What a camera worker leaves in its folders: files of the ring, snapshots. Not a test file."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from media.live_types import CLOCK

BEGAN = 1_763_841_265.0  # Unix seconds at which these rings begin: 2025-11-22T19:54:25Z


def moment(seconds: float) -> str:
    """So long after the beginning, as the API is told it."""
    return datetime.fromtimestamp(BEGAN + seconds, UTC).isoformat()


def write_ring(folder: Path, first_s: int, seconds: int) -> Path:
    """A closed file of the ring: 10 frames a second, a key frame each second."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{round(BEGAN * 1e6)}_{first_s * CLOCK}_{(first_s + seconds) * CLOCK}.mov"
    with av.open(str(path), "w", format="mov", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(10), options={"g": "10", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(seconds * 10):
            image = np.full((48, 64, 3), index * 3 % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_jpeg(path: Path, width: int, height: int, colour: tuple[int, int, int] = (99, 99, 99)) -> None:
    """A snapshot, which appears as a whole."""
    part = path.with_suffix(".part")
    with av.open(str(part), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(1))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        image = np.full((height, width, 3), colour, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    part.replace(path)
