"""What leaves a live stream: one encoding of what is shown, to HLS, push and recording. Knows neither camera nor queue.

An output that fails is told of and tried again; it stops neither the stream nor the other outputs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from media.colour import BT709, RGB
from media.live_encoder import Encoded, LiveEncoder
from media.types import ColourTags, MediaError
from pipeline.job import Problem
from workers.live import Available
from workers.live_frames import Shown

log = structlog.get_logger(__name__)

WAITING = 1024  # frames whose part is not written yet, at most: far more than a part holds


class Appeared(Protocol):
    """As media.live_writer.LiveEvent."""

    @property
    def kind(self) -> str: ...


class Writer(Protocol):
    """As media.live_writer.LiveWriter."""

    @property
    def wants_key(self) -> bool: ...

    def add(self, encoded: Encoded, wall: float) -> Sequence[Appeared]: ...

    def flush(self) -> Sequence[Appeared]: ...

    def finish(self) -> Sequence[Appeared]: ...


class Sink(Protocol):
    """A push or a recording: takes frames as they come, never waits, and asks for a key frame where it needs one."""

    @property
    def wants_key(self) -> bool: ...

    def add(self, encoded: Encoded, wall: float) -> object: ...

    def close(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Output:
    """A sink, made with the first frame, and anew after it failed."""

    name: str  # "push", "push-url" or "record"
    make: Callable[[], Sink]


class LiveOutputs:
    """Outputs of `workers/live.py`. writer: HLS, or None. To be closed."""

    def __init__(self, writer: Writer | None, outputs: Sequence[Output] = (), *, threads: int = 0) -> None:
        self._writer, self._outputs, self._threads = writer, outputs, threads
        self._encoder: LiveEncoder | None = None
        self._colour: ColourTags | None = None
        self._sinks: dict[str, Sink] = {}
        self._part: deque[Available] = deque(maxlen=WAITING)  # frames whose part is not there yet
        self._segment: deque[Available] = deque(maxlen=WAITING)
        self.problems: dict[str, Problem] = {}  # by output, of those that fail now

    def show(self, shown: Shown) -> Iterable[Available]:
        """Encode and hand out. Returns the frames that can be fetched by now."""
        encoder = self._encoder_for(shown)
        frame = shown.frame
        key = any(sink.wants_key for sink in (self._writer, *self._sinks.values()) if sink is not None)
        wall = frame.captured_at if frame.captured_at is not None else frame.arrived_at
        available: list[Available] = []
        this = Available(shown.rung, shown.arrived_at, frame.pts)
        for encoded in encoder.encode(shown.image, frame.pts, key=key, grey=frame.grey):
            available += self._write(encoded, wall)
            for output in self._outputs:
                self._send(output, encoded, wall)
        if self._writer is None:
            available.append(this)
        else:
            self._part.append(this)
            self._segment.append(Available(this.rung, this.arrived_at, this.pts, whole=True))
        return available

    def flush(self) -> Iterable[Available]:
        if not self._part:
            return ()
        return self._told(self._try_writer(lambda writer: writer.flush()))

    def sink(self, name: str) -> Sink | None:
        return self._sinks.get(name)

    def close(self) -> None:
        """Write what is left; HLS ends with a gap that the next owner goes on from."""
        self._try_writer(lambda writer: writer.finish())
        for name in list(self._sinks):
            self._close(name)
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None

    def _encoder_for(self, shown: Shown) -> LiveEncoder:
        height, width = shown.image.shape[:2]
        colour = shown.frame.facts.colour
        old = self._encoder
        if old is not None and (old.format.width, old.format.height) == (width, height) and self._colour == colour:
            return old
        if old is not None:
            old.close()
        self._colour = colour
        written = colour if colour.matrix != RGB else ColourTags(False, BT709, colour.primaries, colour.transfer)
        self._encoder = LiveEncoder(width, height, written, threads=self._threads)
        return self._encoder

    def _write(self, encoded: Encoded, wall: float) -> list[Available]:
        return self._told(self._try_writer(lambda writer: writer.add(encoded, wall)))

    def _try_writer(self, do: Callable[[Writer], Sequence[Appeared]]) -> Sequence[Appeared]:
        if self._writer is None:
            return ()
        try:
            appeared = do(self._writer)
        except (MediaError, OSError) as error:
            self._failed("hls", error)
            return ()
        if appeared:
            self.problems.pop("hls", None)
        return appeared

    def _told(self, appeared: Sequence[Appeared]) -> list[Available]:
        """Frames that came before the one in hand can be fetched once a part has appeared."""
        available: list[Available] = []
        if appeared:
            available += self._part
            self._part.clear()
        if any(event.kind == "segment" for event in appeared):
            available += self._segment
            self._segment.clear()
        return available

    def _send(self, output: Output, encoded: Encoded, wall: float) -> None:
        try:
            sink = self._sinks.get(output.name)
            if sink is None:
                sink = self._sinks[output.name] = output.make()
            sink.add(encoded, wall)
            self.problems.pop(output.name, None)
        except (MediaError, OSError) as error:
            self._failed(output.name, error)
            self._close(output.name)

    def _close(self, name: str) -> None:
        try:
            self._sinks.pop(name).close()
        except (MediaError, OSError) as error:
            self._failed(name, error)

    def _failed(self, name: str, error: MediaError | OSError) -> None:
        code = error.code if isinstance(error, MediaError) else "output-failed"
        detail = str(error) if isinstance(error, MediaError) else f"{name} cannot be written: {error.strerror}"
        if name not in self.problems:
            log.warning("output failed", stage="camera", output=name, code=code)
        self.problems[name] = Problem(code=code, detail=detail)
