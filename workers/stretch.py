"""Enhance a stretch of video, frame by frame: look, queue, compose, write. One loop for service and command line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from media.colour_changes import Box
from media.resize import resize
from media.types import Image, VideoFrame
from workers.added import Added, AddedDetail
from workers.canvas import Canvas
from workers.motion import ExactReuse
from workers.plane import Enhanced, FramePlane
from workers.reuse import Look, Reuse
from workers.tiles import TileGrid

POLL_S = 0.5  # how long a wait for a frame lasts before the caller is asked whether to go on


class Stopped(Exception):
    """The caller asked to stop; nothing of the stretch is to be kept."""


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """What was done to one frame: a line of the report."""

    pts: int
    how: str  # "enhanced", "enhanced-float32", "reused" (nothing changed) or "resized" (fallback, labelled)
    tiles: int
    changed: int
    damaged: bool
    detail: str = ""
    added: Added | None = None  # to what was shown, also where it was reused
    look: Look | None = None  # how it was compared with what is kept, where that was measured


@dataclass(slots=True)
class Tally:
    """Running sums of a stretch."""

    frames: int = 0
    resized: int = 0
    tiles: int = 0
    reused: int = 0
    busy_s: float = 0.0


class FrameSink(Protocol):
    def write(
        self,
        image: Image,
        pts: int,
        *,
        grey: bool = ...,
        duration: int | None = ...,
        changed: Sequence[Box] | None = ...,
    ) -> None:
        """Take a picture, as `media.writer.VideoWriter.write` does; it is written over once this returns."""
        ...


@dataclass(slots=True, eq=False)
class _InFlight:
    """A frame between queue and writer. Its picture is kept for the fallback; it is small, being the input."""

    number: int
    frame: VideoFrame
    changed: NDArray[np.intp]
    look: Look | None
    result: Enhanced | None = field(default=None)


def enhance_stretch(
    frames: Iterable[VideoFrame],
    plane: FramePlane,
    grid: TileGrid,
    scale: int,
    sink: FrameSink,
    window: int,
    on_frame: Callable[[FrameRecord, Tally], None],
    keep_going: Callable[[], bool],
    reuse: Reuse | None = None,
) -> Tally:
    """Enhance frames in order and write each one, with its own pts, to the sink.

    At most `window` frames are in flight, so memory is bounded and the plane may answer in any order. A frame that
    could not be enhanced is resized (Lanczos), recorded as such, and its tiles are enhanced anew in the next frame.
    Raises Stopped soon after `keep_going` says no.

    reuse: which tiles are kept; None: those whose input is the same bit for bit.
    """
    reuse = reuse or ExactReuse(grid)
    canvas: Canvas | None = None
    added = AddedDetail(grid)
    in_flight: deque[_InFlight] = deque()
    fallback: set[int] = set()  # tiles of the canvas that are only resized
    tally = Tally()

    def write_first() -> None:
        item = in_flight.popleft()
        record, changed = _compose(item, canvas_of(item.frame.image), grid, scale, reuse, fallback, added)
        tally.frames += 1
        tally.resized += record.how == "resized"
        tally.tiles += record.tiles
        tally.reused += record.tiles - record.changed
        tally.busy_s += item.result.busy_s if item.result else 0.0
        image, frame = canvas_of(item.frame.image).image, item.frame
        sink.write(image, frame.pts, grey=frame.grey, duration=frame.duration, changed=changed)
        on_frame(record, tally)

    def canvas_of(image: Image) -> Canvas:
        nonlocal canvas
        if canvas is None:
            canvas = Canvas(grid, scale, image.dtype)
        return canvas

    def wait_and_write(most: int) -> None:
        """Write finished frames until at most `most` are in flight."""
        while True:
            while in_flight and (in_flight[0].result is not None or not len(in_flight[0].changed)):
                write_first()
            if len(in_flight) <= most:
                return
            if not keep_going():
                raise Stopped
            done = plane.collect(POLL_S)
            for item in in_flight:
                if done is not None and item.number == done.frame:
                    item.result = done

    for number, frame in enumerate(frames):
        if not keep_going():
            raise Stopped
        changed = reuse.changed(frame.image)
        in_flight.append(_InFlight(number, frame, changed, reuse.look))
        if len(changed):
            plane.submit(number, reuse.tiles(frame.image, changed))
        wait_and_write(window - 1)
    wait_and_write(0)
    return tally


def _compose(
    item: _InFlight,
    canvas: Canvas,
    grid: TileGrid,
    scale: int,
    reuse: Reuse,
    fallback: set[int],
    added: AddedDetail,
) -> tuple[FrameRecord, list[Box]]:
    """Bring the canvas to this frame, and say how, and where its picture changed."""
    how, detail = "reused", ""
    changed: list[Box] = []
    if item.result is not None and item.result.tiles is not None:
        changed = canvas.update(item.changed, item.result.tiles)
        added.update(item.changed, item.result.added)
        fallback.difference_update(item.changed.tolist())
        how = item.result.outcome
    elif item.result is not None:
        changed = canvas.update(item.changed, _resized(grid.cut(item.frame.image, item.changed), scale))
        added.update(item.changed, None)
        fallback.update(item.changed.tolist())
        reuse.forget(item.changed)
        detail = item.result.detail
    if fallback:  # also frames that kept a resized tile are labelled, until it is enhanced
        how, detail = "resized", detail or f"{len(fallback)} tiles kept from a frame that could not be enhanced"
    record = FrameRecord(
        item.frame.pts, how, grid.count, len(item.changed), item.frame.damaged, detail, added.now(), item.look
    )
    return record, changed


def _resized(tiles: NDArray[Any], scale: int) -> NDArray[Any]:
    side = tiles.shape[1] * scale
    return np.stack([resize(tile, side, side) for tile in tiles])
