"""A live view written to a folder, judged after every change, and played. Not a test file."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import av

from media.live_encoder import Encoded
from media.live_writer import LiveEvent, LiveWriter
from tests.media import hls_rules
from tests.media.live_frames import START, number


class Feeder:
    """Feeds a writer, and judges each new playlist and its files."""

    def __init__(self, folder: Path, *, sound: bool = True, **options: object) -> None:
        """sound: the folder is as a writer left it, and is judged before the first frame."""
        self.now = 1000.0
        self.folder = folder
        self.states: list[hls_rules.Media] = []
        self.events: list[LiveEvent] = []
        self.writer = LiveWriter(folder, clock=lambda: self.now, **options)  # type: ignore[arg-type]
        if sound:
            self.look()

    def add(self, frames: list[Encoded]) -> None:
        for frame in frames:
            self.now = 1000.0 + frame.pts / 90_000
            self.took(self.writer.add(frame, START + frame.pts / 90_000))

    def took(self, events: list[LiveEvent]) -> None:
        self.events += events
        if events:
            self.look()

    def look(self) -> None:
        path = self.folder / "live.m3u8"
        if path.is_file():
            state = hls_rules.read(path.read_text())
            hls_rules.check_files(state, self.folder)
            if self.states:
                hls_rules.check_change(self.states[-1], state)
            self.states.append(state)

    @property
    def state(self) -> hls_rules.Media:
        return self.states[-1]


def decoded(source: str, **options: str) -> list[tuple[int, int, tuple[int, int]]]:
    """(pts in ticks of 1/90000 s, picture's number, size) of every frame, as a player gets them."""
    with av.open(source, options=options) as container:
        frames = []
        for frame in container.decode(video=0):
            assert frame.pts is not None
            image = frame.to_ndarray(format="rgb24")
            frames.append((round(frame.pts * frame.time_base * 90_000), number(image), (frame.width, frame.height)))
        return frames


def played(folder: Path) -> list[tuple[int, int, tuple[int, int]]]:
    return decoded(str(folder / "live.m3u8"), allowed_extensions="ALL", protocol_whitelist="file", live_start_index="0")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/live.m3u8"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
