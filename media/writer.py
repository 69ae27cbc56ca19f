"""Writes images as a video file with exact times. Knows nothing of sources, segments or audio."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.packet import Packet
from av.video.stream import VideoStream

from media import matroska
from media.colour_changes import Box, ChangesFromRgb
from media.encoder import ENCODERS, encoder_options, set_up_stream, thread_count
from media.partfile import part_file
from media.resize import resize
from media.types import Image, OutputSettings

NOMINAL_RATE = 25  # for the encoder's rate control only: times come from pts


def to_ticks(pts: int, source: Fraction, target: Fraction) -> int:
    """pts of time base `source` in ticks of `target`: exact where the target can hold it, else the nearest."""
    return round(pts * (source / target))


def mp4_options(timescale: int) -> dict[str, str]:
    """The movie's time scale is the video's, so that a start other than zero (an empty edit) is exact."""
    return {"movie_timescale": str(timescale)}


class VideoWriter:
    """Encodes images to `path`, which appears, whole and synced, when the block ends; an exception leaves nothing.

    Without a single frame the file is empty (MP4 has no form for that), and `media.remux.join` passes over it.

    pts are ticks of `settings.source_time_base` and must increase. The same images, settings and number of threads give
    the same bytes. Raises MediaError("disk-full") where space runs out.
    """

    def __init__(self, path: Path, settings: OutputSettings, *, threads: int = 0, kept: int = 1) -> None:
        """threads: of the encoder, 0 for one on each processor. kept: as in ChangesFromRgb, for those who `convert`."""
        self.path = path
        self.settings = settings
        self.frames = 0
        self._threads = thread_count(threads)
        self._source = settings.source_time_base or settings.time_base
        self._from_rgb = ChangesFromRgb(settings.colour, settings.pix_fmt, kept=kept)
        self._durations: dict[int, int] = {}  # pts -> ticks, of frames that the encoder has not delivered yet
        self._last: tuple[int, int | None] | None = None  # (pts, stated duration) of the last frame
        self._last_step = 0
        self._held: Packet[VideoStream] | None = None  # the newest packet: its duration may depend on the next frame

    def __enter__(self) -> Self:
        self._part: AbstractContextManager[Path] = part_file(self.path)
        part = self._part.__enter__()
        try:
            self._open(part)
        except BaseException as error:
            self._part.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _open(self, part: Path) -> None:
        self._part_path = part
        settings = self.settings
        options: dict[str, str] = {"fflags": "+bitexact"}
        if settings.container == "mp4":
            options |= mp4_options(settings.time_base.denominator)
            options["video_track_timescale"] = str(settings.time_base.denominator)
        else:
            options |= matroska.OPTIONS
        self._clock = matroska.clock_of(settings)
        self._container = av.open(part, "w", format=settings.container, container_options=options)
        stream = self._container.add_stream(
            ENCODERS[settings.codec], rate=NOMINAL_RATE, options=encoder_options(settings, self._threads)
        )
        assert isinstance(stream, VideoStream)
        self._stream = stream
        set_up_stream(stream, settings, self._threads)

    def write(
        self,
        image: Image,
        pts: int,
        *,
        grey: bool = False,
        duration: int | None = None,
        changed: Sequence[Box] | None = None,
    ) -> None:
        """image: (H, W, 3) uint8 or uint16 RGB, resized where it is not of the output's size.

        grey: write exactly neutral chroma. duration: ticks of the source's time base. It counts for the last frame only
        (None: as long as the one before); the others last until the next. changed: boxes of the image in which lies all
        that differs from the image before; None: unknown.
        """
        self.encode(self.convert(image, grey=grey, changed=changed), pts, duration)

    def convert(self, image: Image, *, grey: bool = False, changed: Sequence[Box] | None = None) -> av.VideoFrame:
        """The first half of `write`: the image as the encoder takes it. May run beside `encode`, in another thread."""
        settings = self.settings
        if image.shape[:2] != (settings.height, settings.width) and changed:
            changed = None  # resizing spreads what changed
        if changed is not None and (same := self._from_rgb.same(changed, grey=grey)) is not None:
            return same
        return self._from_rgb(resize(image, settings.width, settings.height), grey=grey, changed=changed)

    def encode(self, frame: av.VideoFrame, pts: int, duration: int | None = None) -> None:
        """The second half: a frame that `convert` gave; it is not needed afterwards."""
        ticks = to_ticks(pts, self._source, self.settings.time_base)
        until = None if duration is None else to_ticks(pts + duration, self._source, self.settings.time_base)
        self._note(ticks, None if until is None else until - ticks)
        frame.pts, frame.time_base = ticks, self.settings.time_base
        self._mux(self._stream.encode(frame))
        self.frames += 1

    def _note(self, ticks: int, duration: int | None) -> None:
        if self._last is not None:
            last, _ = self._last
            if ticks < last or (ticks == last and self.settings.container == "mp4"):
                raise ValueError(f"pts must increase: {ticks} after {last} ticks of {self.settings.time_base} s")
            self._last_step = self._durations[last] = ticks - last
        self._last = (ticks, duration)
        # Times between frames are what a container keeps; only the last frame has a duration of its own.
        self._durations[ticks] = duration if duration is not None else self._last_step

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            self._release()
            self._held = packet

    def _release(self) -> None:
        if self._held is not None:
            assert self._held.pts is not None
            self._held.duration = self._durations.pop(self._held.pts, 0)
            if self._clock is not None:
                self._clock.as_milliseconds(self._held)
            self._container.mux(self._held)
            self._held = None

    def _finish(self) -> None:
        if self.frames:
            self._mux(self._stream.encode(None))
            self._release()
        else:
            self._part_path.touch()
        self._container.close()
        if self.frames and self._clock is not None:
            matroska.finish(self._part_path, self._clock.scale, self.settings.sample_aspect_ratio)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._finish()
            except BaseException as failure:
                self._part.__exit__(type(failure), failure, failure.__traceback__)
                raise
            self._part.__exit__(None, None, None)
            return
        self._abandon()
        self._part.__exit__(kind, error, trace)

    def _abandon(self) -> None:
        """Close the container without caring for what it holds: the file is about to be removed."""
        try:
            self._container.close()
        except (av.FFmpegError, OSError):
            return
