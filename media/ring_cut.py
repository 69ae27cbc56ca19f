"""A stretch of a camera's ring as one clip, joined packet by packet. Decodes nothing, invents nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

from media.live_types import CLOCK
from media.opening import open_input
from media.partfile import part_file
from media.ring_files import APART_S, RingFile, list_files
from media.types import MediaError


@dataclass(frozen=True, slots=True)
class Cut:
    """What a cut holds, in Unix seconds. Its first frame is a key frame, so it may begin before what was asked for."""

    start: float
    end: float
    gaps: tuple[tuple[float, float], ...]  # of what was asked for, what the ring does not have


@dataclass(frozen=True, slots=True)
class Placed:
    packet: Packet[VideoStream]
    pts: int  # ticks since the cut's origin
    dts: int


def cut(folder: Path, start: float, end: float, out: Path) -> Cut:
    """Writes the frames from the key frame at or before `start` up to `end`, Unix seconds, to `out`, a .mov.

    Times between frames are as they were, gaps included. Files of another codec than the first count as gaps. Raises
    MediaError: "no-footage" where the ring has nothing of it, "bad-range", "disk-full".
    """
    if not start < end:
        raise MediaError("bad-range", "The end of the stretch is not after its start; give a later end.")
    files = [file for file in list_files(folder) if file.end > start and file.start < end]
    if not files:
        raise MediaError("no-footage", "Nothing of this stretch is kept any more (or yet); ask for a later one.")
    with part_file(out) as part:
        return Joining(folder, files, start, end).write(part)


class Joining:
    def __init__(self, folder: Path, files: list[RingFile], start: float, end: float) -> None:
        self._folder, self._files, self._start, self._end = folder, files, start, end
        self._origin_us = files[0].session_us
        self._last_dts: int | None = None
        self._reached = start
        self._gaps: list[tuple[float, float]] = []
        self._zero: int | None = None  # pts of the first frame written, ticks since the origin

    def write(self, path: Path) -> Cut:
        codec = ""
        out: av.container.OutputContainer | None = None
        stream: Any = None
        try:
            for number, file in enumerate(self._files):
                try:
                    container = open_input(self._folder / file.name)
                except MediaError:  # it had its time while we read, or the disk has gone bad
                    continue
                with container:
                    source = container.streams.video[0]
                    if out is None:
                        codec = source.codec_context.codec.name
                        out = av.open(str(path), "w", format="mov")
                        stream = out.add_stream_from_template(source, opaque=True)
                        stream.time_base = Fraction(1, CLOCK)
                    elif source.codec_context.codec.name != codec:
                        continue
                    self._note_gap(file)
                    for placed in self._packets(container, source, file, first=number == 0):
                        self._mux(out, stream, placed)
            if out is None or self._zero is None:
                raise MediaError("no-footage", "What was kept of this stretch cannot be read; ask for another one.")
        finally:
            if out is not None:
                out.close()
        if self._end - self._reached > APART_S:
            self._gaps.append((self._reached, self._end))
        return Cut(self._origin_us / 1e6 + self._zero / CLOCK, self._reached, tuple(self._gaps))

    def _note_gap(self, file: RingFile) -> None:
        if file.start - self._reached > APART_S:
            self._gaps.append((self._reached, file.start))

    def _packets(
        self, container: av.container.InputContainer, source: VideoStream, file: RingFile, first: bool
    ) -> Iterator[Placed]:
        """Those of one file, from the last key frame at or before the start on, up to the end."""
        shift = round((file.session_us - self._origin_us) * CLOCK / 1e6) + file.first
        begin = round((self._start - self._origin_us / 1e6) * CLOCK)
        end = round((self._end - self._origin_us / 1e6) * CLOCK)
        zero: int | None = None
        highest = begin
        held: list[Placed] = []  # a group of pictures that may turn out to be before the start
        for packet in container.demux(source):
            if not packet.size or packet.pts is None or packet.dts is None:
                continue
            base = Fraction(packet.time_base) * CLOCK
            pts, dts = round(packet.pts * base), round(packet.dts * base)
            if zero is None:
                zero = pts
                if self._last_dts is not None and self._zero is not None:  # it follows, even where it overlaps
                    shift += max(0, self._last_dts + self._zero + 1 - (dts - zero + shift))
            placed = Placed(packet, pts - zero + shift, dts - zero + shift)
            if placed.dts >= end and placed.pts > highest:  # frames between those written are still to come
                break
            highest = max(highest, placed.pts)
            if first and packet.is_keyframe and placed.pts <= begin:
                held.clear()
            if first and placed.pts <= begin:
                held.append(placed)
                continue
            yield from held
            held.clear()
            yield placed
        yield from held

    def _mux(self, out: av.container.OutputContainer, stream: Any, placed: Placed) -> None:
        zero = self._zero = placed.pts if self._zero is None else self._zero
        dts = placed.dts - zero
        if self._last_dts is not None:
            dts = max(dts, self._last_dts + 1)
        self._last_dts = dts
        copy: Packet[Any] = Packet(bytes(placed.packet))
        copy.stream, copy.time_base = stream, Fraction(1, CLOCK)
        copy.dts, copy.pts, copy.duration = dts, max(dts, placed.pts - zero), placed.packet.duration
        copy.is_keyframe = placed.packet.is_keyframe
        self._reached = max(self._reached, self._origin_us / 1e6 + (placed.pts + (copy.duration or 0)) / CLOCK)
        out.mux(copy)
