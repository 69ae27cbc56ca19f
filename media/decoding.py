"""One run of a decoder over a clip, from a place on: frames in presentation order, timed, damage counted.

Knows packets and frames; knows no colour and no fields, and does not decide where to begin (`media.reader` does).
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.container
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

from media.opening import codec_name, open_video
from media.packets import packet_time, read_packets, timed_by_decoding
from media.timeline import DecodeClock, Placed, Timeline
from media.types import ClipFacts, Damage, DamageEvent

ROOMY_PIXELS = (
    16_000_000  # pictures may change size within a clip; larger ones than this (or 4 x the first) are refused
)
NOMINAL_RATE = 25  # where a clip does not tell its rate
JUMP_S = 1.0  # timestamps that fall back by more are a clock that was set, not jitter

# Codecs that code pictures that are never shown, or packets that hold none: no frame of such a packet is no damage.
HIDDEN_PICTURES = frozenset({"vp8", "vp9", "mpeg4", "msmpeg4v3", "wmv3", "vc1"})


class KeyMissingError(Exception):
    """The key frame a span starts with did not come where the container's index says."""


@dataclass(frozen=True, slots=True)
class Window:
    """start <= pts < end, each open where None: the frames whose damage counts."""

    start: int | None = None
    end: int | None = None

    def __contains__(self, pts: int | None) -> bool:
        if pts is None:  # nobody knows where; only a reader of everything may count it, or it would count twice
            return self.start is None and self.end is None
        return (self.start is None or pts >= self.start) and (self.end is None or pts < self.end)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to begin: seek to `seek`, then decode from the key frame `key` on, or from one before it if `preroll`.

    key None: from the next key frame on, whichever it is.
    """

    seek: int
    key: int | None
    preroll: bool


@dataclass(frozen=True, slots=True)
class Decoded:
    frame: av.VideoFrame
    pts: int
    duration: int | None
    damaged: bool


def frame_ticks(facts: ClipFacts) -> int:
    """Ticks of one frame at the clip's average rate."""
    rate = facts.average_rate or NOMINAL_RATE
    return max(1, round(1 / (rate * facts.time_base)))


class Decoding:
    """Decodes once. `damage` grows while `frames` is read; only damage inside the window counts.

    threads: 1 conceals damage the same way every time, and tells of an error at the packet that has it. With more,
    damaged pictures differ from run to run (measured with FFmpeg 8.1), and PyAV loses a frame with some errors.
    """

    def __init__(self, path: Path, facts: ClipFacts, window: Window, threads: int = 1) -> None:
        self.damage = Damage()
        self._path, self._facts, self._window, self._threads = path, facts, window, threads
        self._hidden = False
        self._by_decoding = False
        self._clock = DecodeClock(0)
        self._decode_times: dict[int, int] = {}  # pts -> dts of packets sent, where packets are timed by decoding
        self._waiting: list[int] = []  # pts of packets sent whose frames have not come; a heap
        self._missing: dict[int, DamageEvent] = {}

    def frames(self, place: Place | None = None) -> Generator[Decoded, None, None]:
        """Frames in presentation order, from the clip's beginning or from `place`, to the clip's end.

        Raises KeyMissingError where `place` is not found, MediaError where the clip cannot be opened; never for damage.
        """
        facts = self._facts
        step = frame_ticks(facts)
        timeline: Timeline[av.VideoFrame] = Timeline(step, round(JUMP_S / facts.time_base), facts.start_pts or 0)
        with open_video(self._path, facts.video_index) as (container, stream):
            self._prepare(stream)
            self._by_decoding = timed_by_decoding(container)
            self._clock = DecodeClock(stream.codec_context.reorder_depth)
            if place is not None and place.seek > (facts.start_pts or 0):  # else the file's beginning is the place
                self._seek(container, stream, place.seek)
            packets = read_packets(container, stream, self._on_read_error)
            if place is not None:
                packets = self._from_key(packets, place)
            for packet in packets:
                for frame in self._decode(stream, packet):
                    yield from map(self._decoded, timeline.push(self._time(frame), frame))
            for frame in self._drain(stream):
                yield from map(self._decoded, timeline.push(self._time(frame), frame))
            yield from map(self._decoded, timeline.flush())
            self._passed(None)

    def _prepare(self, stream: VideoStream) -> None:
        context = stream.codec_context
        context.thread_count = max(1, self._threads)
        context.thread_type = "FRAME" if self._threads > 1 else "NONE"
        pixels = max(ROOMY_PIXELS, 4 * self._facts.width * self._facts.height)
        context.options = {"max_pixels": str(pixels)}
        self._hidden = codec_name(stream) in HIDDEN_PICTURES

    @staticmethod
    def _seek(container: av.container.InputContainer, stream: VideoStream, pts: int) -> None:
        try:
            container.seek(pts, stream=stream, backward=True, any_frame=False)
        except av.error.FFmpegError:
            raise KeyMissingError from None

    def _on_read_error(self, what: str) -> None:
        if None in self._window:
            self.damage.packets += 1
            self.damage.note(None, what)

    def _from_key(self, packets: Iterator[Packet[VideoStream]], place: Place) -> Iterator[Packet[VideoStream]]:
        """The packets from the span's key frame on, or, with preroll, from a key frame before it on."""
        began = found = False
        for packet in packets:
            time = packet_time(packet, self._by_decoding)
            if packet.is_keyframe and not found:
                if place.key is not None and (time is None or time > place.key):
                    raise KeyMissingError
                if place.key is None or time == place.key:
                    found = True
                    if place.preroll and not began:
                        raise KeyMissingError
                began = began or found or place.preroll
            if began:
                yield packet
        if not found and place.key is not None:
            raise KeyMissingError

    def _decode(self, stream: VideoStream, packet: Packet[VideoStream]) -> list[av.VideoFrame]:
        time = packet_time(packet, self._by_decoding)
        if self._by_decoding and packet.dts is not None:
            self._clock.sent(packet.dts)
            if packet.pts is not None:
                self._decode_times[packet.pts] = packet.dts
        discarded = packet.is_discard  # decoded for others' sake, outside an edit list
        try:
            frames = stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            if self._by_decoding and packet.dts is not None:
                self._clock.lost(packet.dts)
            self._lost(time, f"packet could not be decoded ({error.strerror})")
            return []
        if packet.pts is not None and not discarded and not self._hidden:
            heapq.heappush(self._waiting, packet.pts)
        return frames

    def _drain(self, stream: VideoStream) -> list[av.VideoFrame]:
        """The frames the decoder still holds at the end."""
        try:
            return stream.codec_context.decode(None)
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            self._lost(None, f"the last frames could not be decoded ({error.strerror})")
            return []

    def _time(self, frame: av.VideoFrame) -> int | None:
        """The time a frame came with, before repair."""
        self._passed(frame.pts)
        if not self._by_decoding:
            return frame.pts if frame.pts is not None else frame.dts
        own = None if frame.pts is None else self._decode_times.pop(frame.pts, None)
        return self._clock.next(own)

    def _passed(self, pts: int | None) -> None:
        """A frame with this pts came (None: the end): frames with smaller ones will not come any more."""
        if pts is not None and (event := self._missing.pop(pts, None)) is not None:  # it did come, late
            self.damage.packets -= 1
            if event in self.damage.events:
                self.damage.events.remove(event)
        while self._waiting and (pts is None or self._waiting[0] <= pts):
            gone = heapq.heappop(self._waiting)
            if gone != pts and self._lost(gone, "packet gave no frame"):
                self._missing[gone] = DamageEvent(gone, "packet gave no frame")

    def _lost(self, pts: int | None, what: str) -> bool:
        if pts not in self._window:
            return False
        self.damage.packets += 1
        self.damage.note(pts, what)
        return True

    def _decoded(self, placed: Placed[av.VideoFrame]) -> Decoded:
        frame, pts = placed.item, placed.pts
        damaged = frame.is_corrupt
        if pts in self._window:
            if placed.repair is not None:
                self.damage.note(pts, placed.repair)
            if damaged:
                self.damage.frames += 1
                self.damage.note(pts, "frame is corrupt")
        return Decoded(frame, pts, frame.duration or None, damaged)
