"""A clip made for measuring speed: a share of the picture moves in every frame, the rest stands still."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

RATE = 25
STEP = (3, 5)  # pixels a frame, down and across


def write_moving(path: Path, width: int, height: int, frames: int, share: float = 1.0, seed: int = 1) -> None:
    """Texture in MP4 (H.264); its left `share` pans, in every frame, the rest is the same picture throughout.

    width, height: even. share: 0 to 1.
    """
    rng = np.random.default_rng(seed)
    texture = np.clip(rng.normal(128, 30, (height * 2, width * 2, 3)), 0, 255).astype(np.uint8)
    moving = round(width * share)
    options = {"crf": "23", "preset": "ultrafast", "tune": "zerolatency"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE), options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for i in range(frames):
            down, across = STEP[0] * i % height, STEP[1] * i % width
            picture = texture[:height, :width].copy()
            picture[:, :moving] = texture[down : down + height, across : across + moving]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
