"""RGB pictures of a video as frames for an encoder, where only what changed since the frame before is converted.

Pixels come out the same, bit for bit, as if the whole picture were converted (tested): chroma is averaged within blocks
of 2 x 2 and dither repeats after 8 lines, so pieces that begin on multiples of 16 do not see their neighbours. Knows
nothing of files or encoders.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from media.colour_out import FromRgb
from media.types import ColourTags, Image

BLOCK_WIDTH, BLOCK_HEIGHT = 128, 64  # multiples of 16; of one size, for swscale is set up anew for another
MOST_BLOCKS = 0.5  # share of the picture from which on all of it is converted: bands cost less than blocks


class Box(NamedTuple):
    """Pixels left <= x < right, top <= y < bottom of a picture."""

    left: int
    top: int
    right: int
    bottom: int


class ChangesFromRgb:
    """Converts the pictures of one video, all of one size, in order. Not thread-safe.

    kept: a frame stays as it is, but for its times, until so many others were given after it: memory is used again, for
    new memory costs more than a small change. Where nothing changed the same frame is given again.
    """

    def __init__(self, tags: ColourTags, pix_fmt: str, *, kept: int = 1) -> None:
        self._pix_fmt = pix_fmt
        self._kept = kept
        self._given: deque[av.VideoFrame] = deque()  # oldest first
        self._bands, self._blocks, self._ends = (FromRgb(tags, pix_fmt) for _ in range(3))
        self._sample_bytes = _sample_bytes(pix_fmt)
        self._last: av.VideoFrame | None = None
        self._grey = False

    def same(self, changed: Sequence[Box], *, grey: bool = False) -> av.VideoFrame | None:
        """The frame given before, where it holds for a picture of which this changed; no picture is needed for that."""
        return self._last if not changed and self._grey == grey else None

    def __call__(self, image: Image, *, grey: bool = False, changed: Sequence[Box] | None = None) -> av.VideoFrame:
        """image: (H, W, 3) uint8 or uint16. pts and time base of the frame are the caller's to set.

        grey: as in FromRgb. changed: all that differs from the picture before lies in these boxes; None: unknown.
        """
        height, width = image.shape[:2]
        last = self._last
        if last is None or (last.width, last.height, self._grey) != (width, height, grey):
            last = changed = None
        blocks = None if changed is None else dirty_blocks(width, height, changed)
        frame = self._free(width, height)
        if last is None or blocks is None or blocks.mean() > MOST_BLOCKS:
            boxes = _boxes([(0, width)], _cuts(height, BLOCK_HEIGHT))
            convert = self._bands
        else:
            self._copy(last, frame)
            columns, rows = _cuts(width, BLOCK_WIDTH), _cuts(height, BLOCK_HEIGHT)
            boxes = (box for box, dirty in zip(_boxes(columns, rows), blocks.flat, strict=True) if dirty)
            convert = self._blocks
        part = last
        for box in boxes:
            end = box.bottom == height
            piece = image[box.top : box.bottom, box.left : box.right]
            part = (self._ends if end else convert)(piece, grey, in_place=not end)
            self._paste(part, frame, box)
        if part is not None:
            frame.color_range, frame.colorspace = part.color_range, part.colorspace
            frame.color_primaries, frame.color_trc = part.color_primaries, part.color_trc
        self._last, self._grey = frame, grey
        self._given.append(frame)
        return frame

    def _free(self, width: int, height: int) -> av.VideoFrame:
        if len(self._given) > self._kept:
            frame = self._given.popleft()
            if (frame.width, frame.height) == (width, height):
                frame.make_writable()  # does nothing unless an encoder still holds it
                return frame
        return av.VideoFrame(width, height, self._pix_fmt)

    def _copy(self, source: av.VideoFrame, target: av.VideoFrame) -> None:
        self._paste(source, target, Box(0, 0, source.width, source.height))

    def _paste(self, part: av.VideoFrame, frame: av.VideoFrame, box: Box) -> None:
        for mine, theirs in zip(frame.planes, part.planes, strict=True):
            across, down = -(-frame.width // mine.width), -(-frame.height // mine.height)  # chroma is coarser
            left, top = box.left // across * self._sample_bytes, box.top // down
            wide = theirs.width * self._sample_bytes
            _lines(mine)[top : top + theirs.height, left : left + wide] = _lines(theirs)[:, :wide]


def dirty_blocks(width: int, height: int, changed: Sequence[Box]) -> NDArray[np.bool_]:
    """(rows, columns): blocks of the picture that a box touches."""
    columns, rows = _cuts(width, BLOCK_WIDTH), _cuts(height, BLOCK_HEIGHT)
    dirty = np.zeros((len(rows), len(columns)), np.bool_)
    for box in changed:
        if box.left < box.right and box.top < box.bottom:
            down, across = _touched(box.top, box.bottom, BLOCK_HEIGHT), _touched(box.left, box.right, BLOCK_WIDTH)
            dirty[min(down.start, len(rows) - 1) : down.stop, min(across.start, len(columns) - 1) : across.stop] = True
    return dirty


def _touched(lo: int, hi: int, edge: int) -> slice:
    return slice(lo // edge, -(-hi // edge))


def _cuts(length: int, edge: int) -> list[tuple[int, int]]:
    """Runs of `edge`, the last one longer where that leaves a rest."""
    count = max(1, length // edge)
    return [(n * edge, length if n == count - 1 else (n + 1) * edge) for n in range(count)]


def _boxes(columns: Sequence[tuple[int, int]], rows: Sequence[tuple[int, int]]) -> Iterator[Box]:
    return (Box(left, top, right, bottom) for top, bottom in rows for left, right in columns)


def _lines(plane: av.video.plane.VideoPlane) -> NDArray[np.uint8]:
    """(H, bytes of a line, padding included): a view of the frame's memory."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)


def _sample_bytes(pix_fmt: str) -> int:
    """Bytes between neighbours in a plane."""
    fmt = av.VideoFormat(pix_fmt, 16, 16)
    if not fmt.is_planar:
        return fmt.padded_bits_per_pixel // 8
    return 2 if max(component.bits for component in fmt.components) > 8 else 1
