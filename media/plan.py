"""A clip cut into spans at key frames, so that each can be enhanced on its own. Reads packets, decodes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from av.packet import Packet
from av.video.stream import VideoStream

from media.opening import codec_name, open_video
from media.packets import packet_time, read_packets, reorders, timed_by_decoding
from media.types import ClipFacts, Span

# Codecs whose key frames begin afresh, so that decoding from one gives the same bytes as decoding up to it. Not so
# wmv1, wmv2 and flv1 (measured).
INTER_CODECS = ("h264", "hevc", "av1", "vp8", "vp9", "mpeg1video", "mpeg2video", "mpeg4", "h263", "ffv1")
INTRA_CODECS = ("mjpeg", "dvvideo", "prores", "dnxhd", "huffyuv", "ffvhuff", "utvideo", "rawvideo")
RESTARTABLE = frozenset((*INTER_CODECS, *INTRA_CODECS))


@dataclass(frozen=True, slots=True)
class ClipPlan:
    spans: tuple[Span, ...]  # in order; together they hold every frame of the clip once
    frames: int  # packets counted: an estimate for progress, the reader decides


def plan_segments(path: Path, facts: ClipFacts, target_s: float) -> ClipPlan:
    """Spans of at least `target_s` seconds each but the last, cut at key frames.

    From the first timestamp on that is missing, doubled or out of place, the rest of the clip is one span: the reader
    repairs such timestamps from those before, which a reader that starts later would not know. Clips whose container
    does not time presentation (AVI with B-frames), and codecs that are not RESTARTABLE, are one span. Memory grows with
    the spans, not with the packets.
    Raises MediaError as `media.opening.open_video`.
    """
    with open_video(path, facts.video_index) as (container, stream):
        by_decoding = timed_by_decoding(container)
        planner = Planner(max(1, round(target_s / facts.time_base)), by_decoding)
        if codec_name(stream) not in RESTARTABLE or (by_decoding and reorders(stream)):
            planner.distrust()
        for packet in read_packets(container, stream, lambda _: planner.distrust()):
            planner.see(packet)
        return planner.plan()


class Planner:
    """Takes packets in decoding order. A cut is sure only when its whole GOP was seen: damage in it forbids the cut."""

    def __init__(self, target: int, by_decoding: bool) -> None:
        """target: ticks of a span."""
        self._target, self._by_decoding = target, by_decoding
        self._cuts: list[int] = []
        self._counts = [0]  # packets of each span
        self._span_start: int | None = None
        self._trusted = True
        self._cut: int | None = None  # the key frame of the GOP being seen, where it may become a cut
        self._key: int | None = None  # the key frame of the GOP being seen
        self._previous_key: int | None = None
        self._highest: int | None = None  # of all times before this GOP
        self._times: set[int] = set()  # of this GOP
        self._leading = self._own = 0  # packets of this GOP shown before its key frame, and the others

    def see(self, packet: Packet[VideoStream]) -> None:
        time = packet_time(packet, self._by_decoding)
        if packet.is_keyframe:
            self._close()
            self._open(time, usable=not packet.is_corrupt)
        if self._trusted and (time is None or time in self._times or not self._in_place(time)):
            self.distrust()
        if self._trusted and time is not None:
            self._times.add(time)
        if self._key is not None and time is not None and time < self._key:
            self._leading += 1
        else:
            self._own += 1

    def distrust(self) -> None:
        """From here on timestamps are not relied on."""
        self._trusted = False
        self._cut = None
        self._times.clear()

    def plan(self) -> ClipPlan:
        self._close()
        bounds: list[int | None] = [None, *self._cuts, None]
        spans = tuple(Span(i, bounds[i], bounds[i + 1], count) for i, count in enumerate(self._counts))
        return ClipPlan(spans, sum(self._counts))

    def _in_place(self, time: int) -> bool:
        """Pictures shown before the key frame of their GOP come after everything of the GOPs before the last."""
        if self._key is None or time >= self._key:
            return True
        return self._previous_key is None or time > self._previous_key

    def _open(self, time: int | None, usable: bool) -> None:
        self._previous_key, self._key = self._key, time
        if not self._trusted or time is None:
            return
        if self._highest is not None and time <= self._highest:
            self.distrust()
            return
        if self._span_start is None:
            self._span_start = time
        elif usable and time - self._span_start >= self._target:
            self._cut = time

    def _close(self) -> None:
        """The GOP is over: cut at its key frame, if that may be."""
        if self._cut is not None:
            self._counts[-1] += self._leading
            self._counts.append(self._own)
            self._cuts.append(self._cut)
            self._span_start, self._cut = self._cut, None
        else:
            self._counts[-1] += self._leading + self._own
        if self._times:
            highest = max(self._times)
            self._highest = highest if self._highest is None else max(self._highest, highest)
        self._times.clear()
        self._leading = self._own = 0
