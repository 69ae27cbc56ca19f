"""A video writer whose encoder runs in a thread of its own, a bounded number of frames behind. Knows no sources."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from media.colour_changes import Box
from media.types import Image, OutputSettings
from media.writer import VideoWriter

BEHIND = 2  # frames that wait for the encoder, at most

_Waiting = tuple[av.VideoFrame, int, int | None]


class BackgroundWriter:
    """As VideoWriter, and the same bytes; `write` converts the image, and waits only where the encoder is behind.

    The image may be changed as soon as `write` returns. What the encoder raises is raised by the next `write` or
    `check`, or at the end of the block, and leaves no file.
    """

    def __init__(self, path: Path, settings: OutputSettings, *, threads: int = 0) -> None:
        # Besides those that wait: one in the encoder, and the newest.
        self._writer = VideoWriter(path, settings, threads=threads, kept=BEHIND + 2)
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(BEHIND)
        self._error: BaseException | None = None
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="encode", daemon=True)

    def __enter__(self) -> Self:
        self._writer.__enter__()
        self._thread.start()
        return self

    def write(
        self,
        image: Image,
        pts: int,
        *,
        grey: bool = False,
        duration: int | None = None,
        changed: Sequence[Box] | None = None,
    ) -> None:
        """As VideoWriter.write."""
        self.check()
        self._waiting.put((self._writer.convert(image, grey=grey, changed=changed), pts, duration))

    def check(self) -> None:
        """Raises what the encoder raised, if it did."""
        if self._error is not None:
            raise self._error

    def going(self) -> bool:
        """True; raises what the encoder raised, for those who wait for something else and ask whether to go on."""
        self.check()
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abandoned.set()
        self._waiting.put(None)
        self._thread.join()
        if error is None and (error := self._error) is not None:
            self._writer.__exit__(type(error), error, error.__traceback__)  # may give it a better name
            raise error
        self._writer.__exit__(kind, error, trace)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            if self._error is not None or self._abandoned.is_set():
                continue  # taken all the same, so that nobody waits for room
            try:
                self._writer.encode(*item)
            except BaseException as error:  # raised where the pictures come from
                self._error = error
