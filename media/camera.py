"""Pictures of a live camera in presentation order, timed. Knows decoding and colour; the network is the feed's."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import av
import av.error
import numpy as np

from media.camera_clock import CameraClock
from media.camera_feed import Arrived, CameraFeed, OnPacket, Opened, Origin
from media.camera_opening import check_size
from media.colour import ToRgb, decide_tags
from media.deinterlace import FLAGGING_CODECS, Deinterlacer, top_field_first
from media.live_types import CameraError, CameraFacts, CameraLimits, CameraSource, LiveFrame
from media.types import Image

UNSPECIFIED = 2  # of a matrix, primaries or a transfer characteristic
JOIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What a decoded picture came with, kept beside it on its way through the deinterlacer."""

    pts: int | None
    damaged: bool
    origin: Origin | None


class Camera:
    """An iterable of `LiveFrame`; a context manager; one connection, to be iterated once.

    Iterating ends after `stop`, which any thread may call and which takes effect at once, even while the network
    hangs. Everything else ends it with CameraError: "camera-ended" too. What cannot be decoded is counted, not raised,
    unless no picture has come for the source's patience. Where decoding does not keep up, packets are dropped up to a
    key frame, and counted.

    `on_packet(packet, facts, arrived_at)` is called for every packet of the video, before it is decoded, on the
    camera's own thread; what it raises ends the iteration. It must copy packets it alters. `clock` lives over many
    cameras.
    """

    def __init__(
        self,
        source: CameraSource,
        clock: CameraClock,
        *,
        on_packet: OnPacket | None = None,
        limits: CameraLimits | None = None,
    ) -> None:
        self.undecodable = 0  # packets
        self._source, self._clock, self._limits = source, clock, limits or CameraLimits()
        self._feed = CameraFeed(source, self._limits, on_packet)
        self._frames = self._read()
        self._facts: CameraFacts | None = None
        self._shape: tuple[object, ...] = ()
        self._to_rgb: ToRgb | None = None
        self._deinterlacer: Deinterlacer[Shown] | None = None
        self._picture_at: float | None = None  # our time of the last picture, or of the first packet

    @property
    def facts(self) -> CameraFacts | None:
        """As the last picture showed, or as announced; None before the connection stands."""
        return self._facts or self._feed.facts

    @property
    def packets(self) -> int:
        """Read from the network."""
        return self._feed.packets

    @property
    def dropped(self) -> int:
        """Packets that were not decoded because decoding does not keep up."""
        return self._feed.dropped

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stop(self) -> None:
        """Ends the iteration. Any thread, any time, more than once."""
        self._feed.stop()

    def close(self) -> None:
        """Ends reading, by the thread that iterates. A connection that hangs is closed when its timeout ends it."""
        self.stop()
        self._frames.close()
        self._feed.join(JOIN_S)

    def __iter__(self) -> Iterator[LiveFrame]:
        return self._frames

    def _read(self) -> Generator[LiveFrame, None, None]:
        feed = self._feed
        feed.start()
        first = True
        while (arrived := feed.get()) is not None:
            opened = feed.opened
            assert opened is not None
            if first:
                self._clock.reconnected(arrived.origin.at)
                first = False
            if self._picture_at is None:
                self._picture_at = arrived.origin.at
            yield from self._pictures(opened, arrived)
            self._check_patience(arrived.origin.at)

    def _pictures(self, opened: Opened, arrived: Arrived) -> Iterator[LiveFrame]:
        decoder = opened.decoder
        if arrived.after_loss:
            decoder.flush_buffers()
        arrived.packet.opaque = arrived.origin
        try:
            frames = decoder.decode(arrived.packet)
        except MemoryError:
            raise
        except av.error.FFmpegError:
            self.undecodable += 1
            return
        for frame in frames:
            self._picture_at = arrived.origin.at
            check_size(frame.width, frame.height, self._limits)
            origin = frame.opaque if isinstance(frame.opaque, Origin) else None
            shown = Shown(frame.pts, frame.is_corrupt, origin)
            for whole, its in self._whole(frame, shown, opened):
                yield self._live(whole, its, opened, arrived.origin.at)

    def _whole(self, frame: av.VideoFrame, shown: Shown, opened: Opened) -> list[tuple[av.VideoFrame, Shown]]:
        """The frame; or, once fields have been seen, what the deinterlacer gives for it, a frame later."""
        order = "progressive" if self._facts is None else self._facts.interlaced
        if order == "progressive" and frame.interlaced_frame and opened.codec in FLAGGING_CODECS:
            order = "tff" if top_field_first(frame) else "bff"
        self._look(frame, opened, order)
        if order == "progressive":
            return [(frame, shown)]
        if self._deinterlacer is None:
            self._deinterlacer = Deinterlacer(order, opened.codec)
        return self._deinterlacer.push(frame, shown)

    def _look(self, frame: av.VideoFrame, opened: Opened, order: str) -> None:
        """Keeps the facts and the conversion to RGB true to the picture."""
        colour = (int(frame.color_range), int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc))
        shape = (frame.width, frame.height, frame.format.name, *colour, order)
        if shape == self._shape:
            return
        self._shape = shape
        self._facts = replace(
            opened.facts,
            width=frame.width,
            height=frame.height,
            pix_fmt=frame.format.name,
            colour=decide_tags(*colour, frame.height, frame.format.name),
            interlaced=order,
        )
        self._feed.facts = self._facts

    def _live(self, frame: av.VideoFrame, shown: Shown, opened: Opened, arrived_at: float) -> LiveFrame:
        facts = self._facts
        assert facts is not None
        if (frame.width, frame.height) != (facts.width, facts.height):  # the deinterlacer's last of another size
            facts = replace(facts, width=frame.width, height=frame.height)
        if self._to_rgb is None or self._to_rgb.tags != facts.colour:
            self._to_rgb = ToRgb(facts.colour)
        image, grey = self._to_rgb(frame)
        utc = shown.origin.utc if shown.origin is not None else None
        stamp = self._clock.stamp(shown.pts, opened.time_base, arrived_at, utc)
        return LiveFrame(
            image=eight_bits(image),
            pts=stamp.pts,
            captured_at=stamp.captured_at,
            arrived_at=arrived_at,
            grey=grey,
            damaged=shown.damaged,
            facts=facts,
            event=stamp.event,
            gap_s=stamp.gap_s,
        )

    def _check_patience(self, now: float) -> None:
        assert self._picture_at is not None
        if now - self._picture_at <= self._source.patience_s:
            return
        if self._facts is None:
            raise CameraError("camera-no-video", f"{self.undecodable} packets could not be decoded")
        raise CameraError("camera-broken", f"no picture for {self._source.patience_s:g} s though packets come")


def eight_bits(image: Image) -> Image:
    """(H, W, 3) uint8, lines without padding."""
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.ascontiguousarray(image)
