"""A gateway that pushes to us, by PyAV in a process of its own, and how to know that somebody listens. Not a test file.

PyAV's output holds the GIL while it connects: a pusher and a listener in one process would wait for each other.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av

from tests.media.clips import picture
from tests.media.ports import is_listening
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0


@contextmanager
def pushing(url: str, port: int, *, frames: int = 10_000) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway that pushes `frames` pictures of 96x64 in real time, from the moment somebody listens on the port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.media.camera_push", url, str(port), str(frames)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def push(url: str, port: int, frames: int) -> None:
    wait = threading.Event().wait
    wait_for(lambda: is_listening(port), WAIT_S)
    rtmp = url.startswith("rtmp")
    options = {} if rtmp else {"rtsp_transport": "tcp"}
    with av.open(url, "w", format="flv" if rtmp else "rtsp", options=options) as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency", "g": "10"}
        )
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.thread_count = 1
        began = time.monotonic()
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, 96, 64), "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
            wait(max(0.0, began + index / 25 - time.monotonic()))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    push(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
