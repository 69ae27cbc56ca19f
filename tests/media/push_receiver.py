"""FFmpeg's listening RTSP server, for one publisher: keeps what it decodes. Not a test file."""

from __future__ import annotations

import threading

import av
import av.error

from tests.media.live_frames import number
from tests.media.ports import is_listening
from tests.waiting import wait_for


class Receiver(threading.Thread):
    """Listens from the start, and ends with its one publisher. `frames`: (seconds, picture's number, size) of each."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.url = f"rtsp://127.0.0.1:{port}/enhanced/door"
        self.frames: list[tuple[float, int, tuple[int, int]]] = []
        self.start()
        wait_for(lambda: is_listening(port))

    def run(self) -> None:
        options = {"rtsp_flags": "listen", "listen_timeout": "60", "protocol_whitelist": "tcp"}
        with av.open(self.url, options=options) as container:
            try:
                for frame in container.decode(video=0):
                    shown = number(frame.to_ndarray(format="rgb24"))
                    self.frames.append((frame.time or 0.0, shown, (frame.width, frame.height)))
            except av.error.FFmpegError:
                return
