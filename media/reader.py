"""Frames of a clip, or of a span of it, in presentation order. Decides where to begin and end, not how to decode."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from media.colour import ToRgb
from media.decoding import Decoded, Decoding, KeyMissingError, Place, Window, frame_ticks
from media.deinterlace import Deinterlacer
from media.types import ClipFacts, Damage, Image, MediaError, Span, VideoFrame

# How far before a span's key frame to seek, in seconds. MPEG-TS is sought by decoding time, which lies before pts, and
# a span of interlaced frames begins one key frame earlier. Where no margin is enough, reading starts at the beginning.
MARGINS_S = (1.0, 12.0)
TRUNCATED_S = 0.5  # a clip that ends earlier than its container promises by more is called cut off


class VideoReader:
    """An iterable of `VideoFrame` in presentation order; a context manager. To be read once. Not thread-safe.

    A whole clip (span None) and the spans of `media.plan.plan_segments`, one after the other, give the same frames with
    the same pts, bit for bit. Rotation and sample aspect ratio are not applied. Interlaced frames are made whole, one
    for one. Damage within the clip is counted in `damage`, never raised. `restarted` tells that a span's key frame was
    not to be had by seeking, so that the clip was decoded from its beginning.

    threads: of the decoder. 0 or 1: one, so that damaged frames are concealed alike in every run; spans are the unit of
    parallel work. Raises MediaError on iteration: as `media.opening.open_video`, and "no-frames" where a whole clip has
    not one decodable frame.
    """

    def __init__(self, path: Path, facts: ClipFacts, span: Span | None = None, *, threads: int = 0) -> None:
        self.damage = Damage()
        self.restarted = False
        self._path, self._facts, self._threads = path, facts, max(1, threads)
        self._window = Window() if span is None else Window(span.start_pts, span.end_pts)
        self._whole = span is None
        self._to_rgb = ToRgb(facts.colour)
        self._interlaced = facts.interlaced != "progressive"
        self._frames = self._read()
        self._size = (facts.width, facts.height)  # of the last image delivered, before it was fitted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends reading and closes the file. May be called twice."""
        self._frames.close()

    def __iter__(self) -> Iterator[VideoFrame]:
        return self._frames

    def frame_at(self, pts: int) -> VideoFrame | None:
        """The frame shown at `pts`, found by seeking; None where the clip ends before it. Independent of iteration."""
        ticks = frame_ticks(self._facts)
        for margin in MARGINS_S:
            place = Place(pts - round(margin / self._facts.time_base), None, preroll=False)
            with closing(self._frames_from(place)) as frames:
                try:
                    first = next(frames, None)
                except KeyMissingError:
                    continue
                if first is None or first.pts > pts:  # sought too late
                    continue
                if pts < first.pts + ticks:
                    return self._converted(first)
                found = next((frame for frame in frames if pts < frame.pts + ticks), None)
                return None if found is None else self._converted(found)
        with closing(self._frames_from(None)) as frames:
            found = next((frame for frame in frames if pts < frame.pts + ticks), None)
            return None if found is None else self._converted(found)

    def run_from(self, pts: int, count: int) -> list[VideoFrame]:
        """Up to `count` frames that follow one another, from a key frame at or before `pts` on, if there is one.

        Cheaper than `frame_at`: nothing before them is decoded. Empty where nothing is found. Independent of iteration.
        """
        with closing(self._frames_from(Place(pts, None, preroll=False))) as frames:
            try:
                return [self._converted(decoded) for decoded in islice(frames, count)]
            except KeyMissingError:
                return []

    def _read(self) -> Generator[VideoFrame, None, None]:
        last: int | None = None
        delivered = 0
        for decoded in self._span():
            last = decoded.pts
            delivered += 1
            yield self._converted(decoded)
        if self._whole and not delivered:
            raise MediaError(
                "no-frames",
                f"Not one frame of the {self._facts.codec} video could be decoded "
                f"({self.damage.packets} packets are damaged); export or copy the clip again.",
            )
        if self._window.end is None:
            self._note_truncation(last, delivered)

    def _span(self) -> Iterator[Decoded]:
        """The window's frames, begun at its key frame where that is found whole, else at the clip's beginning."""
        start = self._window.start
        if start is not None:
            for margin in MARGINS_S:
                seek = start - round(margin / self._facts.time_base)
                with closing(self._frames_from(Place(seek, start, preroll=self._interlaced))) as frames:
                    if (first := self._first(frames, start)) is not None:
                        yield first
                        yield from frames
                        return
            self.restarted = True
        with closing(self._frames_from(None)) as frames:
            yield from frames

    def _first(self, frames: Generator[Decoded, None, None], start: int) -> Decoded | None:
        """The first frame, or None where going on would not give what sequential reading gives."""
        try:
            first = next(frames, None)
        except KeyMissingError:
            return None
        if first is None or first.pts != start or first.damaged or self.damage.packets:
            return None
        return first

    def _frames_from(self, place: Place | None) -> Generator[Decoded, None, None]:
        """The window's frames, decoding from a place on (None: the clip's beginning), with a fresh count of damage."""
        decoding = Decoding(self._path, self._facts, self._window, self._threads)
        self.damage = decoding.damage
        start, end = self._window.start, self._window.end
        with closing(decoding.frames(place)) as decoded, closing(self._deinterlaced(decoded)) as frames:
            for frame in frames:
                if end is not None and frame.pts >= end:
                    return
                if start is None or frame.pts >= start:
                    yield frame

    def _deinterlaced(self, frames: Iterator[Decoded]) -> Generator[Decoded, None, None]:
        if not self._interlaced:
            yield from frames
            return
        deinterlacer: Deinterlacer[Decoded] = Deinterlacer(self._facts.interlaced, self._facts.codec)
        for decoded in frames:
            for frame, origin in deinterlacer.push(decoded.frame, decoded):
                yield replace(origin, frame=frame)
        for frame, origin in deinterlacer.flush():
            yield replace(origin, frame=frame)

    def _converted(self, decoded: Decoded) -> VideoFrame:
        image, grey = self._to_rgb(decoded.frame)
        return VideoFrame(self._fitted(image, decoded.pts), decoded.pts, grey, decoded.damaged, decoded.duration)

    def _fitted(self, image: Image, pts: int) -> Image:
        """The image in the clip's size and depth: cameras change both within a recording."""
        facts = self._facts
        deep = facts.bit_depth > 8
        if deep and image.dtype == np.uint8:
            image = image.astype(np.uint16) * 257
        elif not deep and image.dtype == np.uint16:
            image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
        height, width = image.shape[:2]
        size = (width, height)
        if size != self._size:
            self._size = size
            self.damage.note(
                pts, f"picture size changes to {width}x{height}; delivered as {facts.width}x{facts.height}"
            )
        if size == (facts.width, facts.height):
            return np.ascontiguousarray(image)  # swscale pads lines of odd widths
        smaller = width * height > facts.width * facts.height
        method = cv2.INTER_AREA if smaller else cv2.INTER_LANCZOS4
        return cv2.resize(image, (facts.width, facts.height), interpolation=method)

    def _note_truncation(self, last: int | None, delivered: int) -> None:
        facts = self._facts
        accounted = delivered + self.damage.packets
        if self._whole and facts.frames is not None and accounted < facts.frames:
            self.damage.note(last, f"clip holds {accounted} frames of the {facts.frames} its container promises")
        if last is None or facts.duration_s is None or facts.start_pts is None:
            return
        end_s = float((last + frame_ticks(facts) - facts.start_pts) * facts.time_base)
        if facts.duration_s - end_s > max(TRUNCATED_S, float(3 * frame_ticks(facts) * facts.time_base)):
            self.damage.note(last, f"clip ends after {end_s:.2f} s, its container promises {facts.duration_s:.2f} s")


def sample_frames(path: Path, facts: ClipFacts, count: int) -> list[VideoFrame]:
    """Up to `count` different frames, spread evenly: those shown at (i + 0.5) / count of the duration. For previews.

    A clip of unknown duration gives its first frames. Raises MediaError as `VideoReader`.
    """
    samples: list[VideoFrame] = []
    if facts.duration_s is not None and facts.start_pts is not None:
        for i in range(count):
            pts = facts.start_pts + round(facts.duration_s * (i + 0.5) / count / facts.time_base)
            with VideoReader(path, facts) as reader:
                frame = reader.frame_at(pts)
            if frame is not None and all(frame.pts != sample.pts for sample in samples):
                samples.append(frame)
    if not samples:
        with VideoReader(path, facts) as reader:
            samples = list(islice(reader, count))
    return samples
