"""Joins enhanced segments and everything else of the source into the finished clip. Decodes no picture.

Packets are taken in the order of their times from the segments and from the source, one at a time, so memory does not
grow with the length of the clip.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.rational import AVRational
from av.stream import Discard
from av.video.stream import VideoStream

from media import matroska
from media.carry import Carried, carry_streams, carry_tags, lost_tags
from media.encoder import carry_geometry
from media.opening import open_input
from media.partfile import part_file
from media.types import ClipFacts, MediaError, OutputSettings
from media.writer import mp4_options

MAX_TIMESCALE = (1 << 31) - 1
PACKETS_PER_PROGRESS = 50
REFUSALS = (av.error.ArgumentError, av.error.InvalidDataError, av.error.PatchWelcomeError)


@dataclass(frozen=True, slots=True)
class JoinReport:
    frames: int
    kept: tuple[str, ...]  # streams of the source that went along, and how
    dropped: tuple[str, ...]  # what did not, and why


def join(
    segments: Sequence[Path],
    source: Path,
    facts: ClipFacts,
    settings: OutputSettings,
    out: Path,
    *,
    keep_audio: bool,
    on_progress: Callable[[], None] | None = None,
) -> JoinReport:
    """Write `out` from the segments, in order, and the sound, subtitles, chapters and dates of the source.

    Times are those of the segments and the source, unchanged; `out` appears whole or not at all. `on_progress` is
    called every few packets. Raises MediaError: "join-mismatch" where segments do not continue each other, "disk-full".
    """
    segments = [segment for segment in segments if segment.stat().st_size]  # a span may have no frame that decodes
    if not segments:
        raise MediaError("join-mismatch", "There is no segment to join: the clip gave no frame.")
    try:
        return attempt(segments, source, facts, settings, out, keep_audio, on_progress, refused=None)
    except REFUSALS as error:
        # Better the picture alone than nothing, after hours of work: damaged sound must not cost the clip.
        refused = f"its packets are damaged, the container refuses them ({error.strerror})"
    try:
        return attempt(segments, source, facts, settings, out, keep_audio, on_progress, refused)
    except REFUSALS as error:
        raise MediaError("join-mismatch", f"The segments cannot be joined ({error.strerror}).") from error


def attempt(
    segments: Sequence[Path],
    source: Path,
    facts: ClipFacts,
    settings: OutputSettings,
    out: Path,
    keep_audio: bool,
    on_progress: Callable[[], None] | None,
    refused: str | None,
) -> JoinReport:
    with part_file(out) as part, open_input(source) as clip:
        with open_segment(segments[0], settings) as first:

            def set_up(target: OutputContainer) -> tuple[VideoStream, Carried]:
                video = target.add_stream_from_template(first.streams.video[0], opaque=True)
                video.time_base = settings.time_base
                carried = carry_streams(clip, target, settings.container, facts.video_index, keep_audio, refused)
                carry_tags(clip, target, facts.video_index, video)
                carry_geometry(video, settings)
                if "timecode" in video.metadata and facts.average_rate:
                    video.codec_context.framerate = facts.average_rate  # a time code counts frames
                return video, carried

            delays = matroska.codec_delays(set_up) if settings.container == "matroska" else ()
            clock = matroska.clock_of(settings, delays)
            with open_output(part, clip, settings) as target:
                video, carried = set_up(target)
                joiner = Joiner(target, video, carried, clock, on_progress)
                joiner.run(video_packets(segments, settings), source_packets(clip, carried))
        if clock is not None:
            matroska.finish(part, clock.scale, settings.sample_aspect_ratio)
        with av.open(part, format=demuxer(settings)) as written:
            dropped = [*carried.dropped, *lost_tags(clip, written)]
        for index, count in sorted(joiner.moved.items()):
            limit = f"{float(matroska.REACH * settings.time_base):.3f}"
            dropped.append(f"the times of {count} packets of stream {index}: Matroska holds none {limit} s before zero")
        for index, transcoder in carried.transcoders.items():
            if transcoder.lost:
                dropped.append(f"{transcoder.lost} packets of stream {index}: they could not be decoded")
    return JoinReport(joiner.frames, tuple(carried.kept), tuple(dropped))


class Joiner:
    """Merges two series of packets by time into one container."""

    def __init__(
        self,
        out: OutputContainer,
        video: VideoStream,
        carried: Carried,
        clock: matroska.Clock | None,
        on_progress: Callable[[], None] | None,
    ) -> None:
        self.frames = 0
        self.moved: Counter[int] = Counter()  # by output stream: packets whose times the container cannot hold
        self._clock = clock
        self._out = out
        self._video = video
        self._carried = carried
        self._on_progress = on_progress
        self._packets = 0
        self._last_dts: dict[int, int] = {}  # by output stream, in its own ticks

    def run(self, video: Iterator[Packet[Any]], others: Iterator[Packet[Any]]) -> None:
        """Mux everything, the earlier packet first, then flush the transcoders."""
        self._out.start_encoding()  # from here on the streams' time bases are the muxer's
        other = next(others, None)
        for packet in video:
            while other is not None and seconds(other) <= seconds(packet):
                self._mux_other(other)
                other = next(others, None)
            packet.stream = self._video
            self._mux(packet)
            self.frames += 1
        while other is not None:
            self._mux_other(other)
            other = next(others, None)
        for transcoder in self._carried.transcoders.values():
            for packet in transcoder.flush():
                self._mux(packet)

    def _mux_other(self, packet: Packet[Any]) -> None:
        index = packet.stream.index
        transcoder = self._carried.transcoders.get(index)
        if transcoder is not None:
            for encoded in transcoder.feed(packet):
                self._mux(encoded)
            return
        packet.stream = self._carried.copies[index]
        if packet.dts is not None:
            self._keep_order(packet)
        self._mux(packet)

    def _keep_order(self, packet: Packet[Any]) -> None:
        """Muxers refuse times that run backwards, as damaged recordings have them: such packets go right after."""
        base = packet.stream.time_base if self._clock is None else self._clock.time_base
        packet.rescale_ts(AVRational(base))
        assert packet.dts is not None
        index = packet.stream.index
        last = self._last_dts.get(index)
        if last is not None and packet.dts <= last:
            packet.dts = last + 1
            packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
        self._last_dts[index] = packet.dts

    def _mux(self, packet: Packet[Any]) -> None:
        if self._clock is not None and self._clock.as_milliseconds(packet):
            self.moved[packet.stream.index] += 1
        self._out.mux(packet)
        self._packets += 1
        if self._on_progress is not None and self._packets % PACKETS_PER_PROGRESS == 0:
            self._on_progress()


def open_segment(path: Path, settings: OutputSettings) -> InputContainer:
    try:
        return av.open(path, format=demuxer(settings))
    except av.FFmpegError as error:
        raise MediaError("join-mismatch", f"Segment {path.name} cannot be read ({error.strerror}).") from error


def open_output(part: Path, clip: InputContainer, settings: OutputSettings) -> OutputContainer:
    options = {"fflags": "+bitexact"}
    if settings.container == "mp4":
        rates = [stream.codec_context.sample_rate for stream in clip.streams.audio if stream.codec_context is not None]
        scale = math.lcm(settings.time_base.denominator, *(rate for rate in rates if rate))
        # Starts other than zero are stored in ticks of the movie: exact for sound too, where one number can serve both.
        options |= mp4_options(scale if scale <= MAX_TIMESCALE else settings.time_base.denominator)
        options |= {"video_track_timescale": str(settings.time_base.denominator), "movflags": "+faststart"}
        if any("timecode" in stream.metadata for stream in clip.streams.video):
            options["write_tmcd"] = "1"
    else:
        options |= matroska.OPTIONS
    return av.open(part, "w", format=settings.container, container_options=options)


def demuxer(settings: OutputSettings) -> str:
    return "mov" if settings.container == "mp4" else "matroska"


def video_packets(segments: Sequence[Path], settings: OutputSettings) -> Iterator[Packet[Any]]:
    """The packets of all segments. Raises MediaError("join-mismatch") where headers differ or times do not increase."""
    header: tuple[object, ...] | None = None
    last: int | None = None
    for path in segments:
        with open_segment(path, settings) as segment:
            stream = segment.streams.video[0]
            context = stream.codec_context
            found = (context.name, context.width, context.height, context.pix_fmt, bytes(context.extradata or b""))
            for packet in segment.demux(stream):
                if packet.size == 0:
                    continue
                if header is not None and found != header:
                    raise MediaError(
                        "join-mismatch", f"Segment {path.name} was encoded with other settings than those before it."
                    )
                header = found
                if packet.pts is None or (last is not None and not follows(packet.pts, last, settings)):
                    raise MediaError(
                        "join-mismatch",
                        f"Segment {path.name} has a frame at {packet.pts} ticks of {settings.time_base} s "
                        f"after one at {last}: frames are repeated or out of order.",
                    )
                last = packet.pts
                yield packet


def follows(pts: int, last: int, settings: OutputSettings) -> bool:
    # Its ticks may be coarser than those of a source whose own are below what they can be.
    return pts > last or (pts == last and settings.container == "matroska")


def source_packets(clip: InputContainer, carried: Carried) -> Iterator[Packet[Any]]:
    """Packets of the streams that go along, in the file's order. Damage that ends reading is noted as dropped."""
    wanted = [stream for stream in clip.streams if stream.index in carried.indices]
    for stream in clip.streams:
        if stream not in wanted:
            stream.discard = Discard.all
    if not wanted:
        return
    last = Fraction(0)
    try:
        for packet in clip.demux(wanted):
            if packet.size and (packet.dts is not None or packet.pts is not None):
                last = seconds(packet)
                yield packet
    except av.error.InvalidDataError:
        carried.dropped.append(f"everything but the picture after {float(last):.3f} s: the source is damaged there")


def seconds(packet: Packet[Any]) -> Fraction:
    ticks = packet.dts if packet.dts is not None else packet.pts
    assert ticks is not None
    return ticks * packet.time_base
