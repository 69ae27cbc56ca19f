"""Matroska with times as fine as the source's, and the pixel shape in its header. Knows neither codecs nor clips.

FFmpeg's muxer writes whole milliseconds. But what it writes is only a count: the file's TimestampScale says of what.
So packets are muxed with times in ticks of `scale` nanoseconds under the name of milliseconds (`as_milliseconds`), and
when the file is whole its header is put right (`finish`): the true scale, the tags that state durations, and the
shape of the pixels, which PyAV has no way to give the muxer. Elements: RFC 9559.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from av.container import OutputContainer
from av.packet import Packet

from media.ebml import VOID, EbmlError, Element, encode_all, parse, read_header, unsigned, void
from media.types import OutputSettings

NANOSECOND = Fraction(1, 1_000_000_000)
MILLISECOND = Fraction(1, 1000)  # what FFmpeg's muxer believes its ticks are
COARSEST = 1_000_000  # ns: the format's default
FINEST = 10  # ns
REACH = (1 << 15) - 1  # ticks that a block's time may be from its cluster's, 16 bits; no cluster's time is below zero

# Checksums would not survive `finish`; limits are stretched as times are; and to shift all streams because one of them
# starts before zero (sound does, by its codec's delay) would falsify the picture's times.
OPTIONS = {
    "write_crc32": "0",
    "cluster_time_limit": "30000",
    "max_interleave_delta": str(10**15),
    "avoid_negative_ts": "disabled",
}

SEGMENT, CLUSTER, SEEK_HEAD, INFO, TRACKS, TAGS = 0x18538067, 0x1F43B675, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1254C367
SEEK, SEEK_ID, SEEK_POSITION = 0x4DBB, 0x53AB, 0x53AC
TIMESTAMP_SCALE = 0x2AD7B1
TRACK_ENTRY, CODEC_DELAY, TRACK_VIDEO = 0xAE, 0x56AA, 0xE0
PIXEL_WIDTH, PIXEL_HEIGHT, DISPLAY_WIDTH, DISPLAY_HEIGHT, DISPLAY_UNIT = 0xB0, 0xBA, 0x54B0, 0x54BA, 0x54B2
UNIT_PIXELS, UNIT_ASPECT_RATIO = 0, 3
TAG, SIMPLE_TAG, TAG_NAME, TAG_STRING = 0x7373, 0x67C8, 0x45A3, 0x4487


def choose_scale(tick: Fraction, start: int) -> tuple[int, bool]:
    """(nanoseconds, exact): the file's tick for times that are multiples of `tick` s, the first `start` ticks.

    Where `tick` is a whole number of nanoseconds, times are exact; else each is nearest to one multiple of `tick` and
    to no other, which counts as exact too. It is False only where no allowed scale tells neighbours apart.
    """
    least = max(FINEST, -(-round(-start * tick / NANOSECOND) // REACH)) if start < 0 else FINEST
    in_ns = tick / NANOSECOND
    if in_ns.denominator == 1:
        for parts in range(1, 1001):
            part = in_ns / parts
            if part.denominator == 1 and least <= part <= COARSEST:
                return int(part), True
    for scale in (10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, FINEST):
        if least <= scale <= in_ns / 2:
            return scale, True
    return max(least, min(COARSEST, int(in_ns / 2))), False


@dataclass(frozen=True, slots=True)
class Clock:
    """Gives packets the times the muxer is to write. delays: ns by stream, as `codec_delays` finds them."""

    scale: int  # ns
    delays: tuple[int, ...] = ()

    @property
    def time_base(self) -> Fraction:
        return self.scale * NANOSECOND

    def as_milliseconds(self, packet: Packet[Any]) -> int:
        """Set the packet's times for the muxer; returns by how many ticks it had to be moved later (0: not at all).

        The muxer adds a codec's delay, as counted in milliseconds; here it becomes the delay in ticks.
        """
        index = packet.stream.index
        delay = self.delays[index] if index < len(self.delays) else 0
        added = _rounded(Fraction(delay, COARSEST))
        shift = _rounded(Fraction(delay, self.scale)) - added
        ratio = packet.time_base / self.time_base
        earliest = -REACH - added
        moved = 0
        pts, dts, duration = packet.pts, packet.dts, packet.duration
        packet.time_base = MILLISECOND
        if dts is not None:
            wanted = _rounded(dts * ratio) + shift
            packet.dts = max(wanted, earliest)
            moved = packet.dts - wanted
        if pts is not None:
            wanted = _rounded(pts * ratio) + shift
            packet.pts = max(wanted, earliest)
            moved = max(moved, packet.pts - wanted)
        if duration:
            packet.duration = _rounded(duration * ratio)
        return moved


def clock_of(settings: OutputSettings, delays: tuple[int, ...] = ()) -> Clock | None:
    """The clock of a Matroska file; None for another container."""
    if settings.container != "matroska":
        return None
    return Clock(int(settings.time_base / NANOSECOND), delays)


def codec_delays(set_up: Callable[[OutputContainer], object]) -> tuple[int, ...]:
    """Nanoseconds by which the muxer will shift each stream, by index, learned from a header written to memory.

    set_up adds the same streams, in the same order, as to the real file.
    """
    import av

    memory = io.BytesIO()
    with av.open(memory, "w", format="matroska", container_options=OPTIONS) as container:
        set_up(container)
        container.start_encoding()
    memory.seek(0)
    _, elements = _header(memory)
    tracks = next(element for element in elements if element.id == TRACKS)
    entries = [parse(entry.data) for entry in parse(tracks.data) if entry.id == TRACK_ENTRY]
    return tuple(next((e.number for e in entry if e.id == CODEC_DELAY), 0) for entry in entries)


def finish(path: Path, scale: int, pixel_shape: Fraction) -> None:
    """Put right the header of a file whose packets went through a Clock of this scale. Not atomic: use a part file.

    pixel_shape: width of a pixel divided by its height, of the first video track. Raises EbmlError where the file is
    not as FFmpeg's muxer writes it.
    """
    with path.open("r+b") as file:
        start, elements = _header(file)
        total = file.tell() - start
        file.seek(start)
        file.write(_rewritten(elements, total, scale, pixel_shape))


def _header(file: BinaryIO) -> tuple[int, list[Element]]:
    """Where the segment's payload starts, and its elements before the first cluster; leaves `file` at their end."""
    _, size = read_header(file)  # the EBML header
    file.seek(size, io.SEEK_CUR)
    id, _ = read_header(file)
    if id != SEGMENT:
        raise EbmlError(f"element {id:#x} stands where the segment should")
    start = end = file.tell()
    elements: list[Element] = []
    while True:
        try:
            id, size = read_header(file)
        except EbmlError:  # the end of the file: there is no packet in it
            break
        if id == CLUSTER or (elements and elements[-1].id == TAGS):
            break
        elements.append(Element(id, file.read(size)))
        end = file.tell()
    file.seek(end)
    return start, elements


def _rewritten(elements: list[Element], total: int, scale: int, pixel_shape: Fraction) -> bytes:
    """The same elements put right, in as many bytes: the muxer leaves a void behind the seek head, which gives way."""
    changes: dict[int, Callable[[Element], Element]] = {
        INFO: lambda info: _info(info, scale),
        TRACKS: lambda tracks: _tracks(tracks, pixel_shape),
        TAGS: lambda tags: _tags(tags, scale),
    }
    body = [changes[e.id](e) if e.id in changes else e for e in elements if e.id not in (VOID, SEEK_HEAD)]
    encoded = [element.encode() for element in body]
    seek_head = next(element for element in elements if element.id == SEEK_HEAD)
    positions: dict[int, int] = {}
    at = total
    for element, data in zip(reversed(body), reversed(encoded), strict=True):
        at -= len(data)
        positions[element.id] = at
    first = _seek_head(seek_head, positions).encode()
    return first + void(total - len(first) - sum(map(len, encoded))) + b"".join(encoded)


def _seek_head(seek_head: Element, positions: dict[int, int]) -> Element:
    """Positions of what was moved; of what lies behind the clusters they stay."""
    seeks = []
    for seek in parse(seek_head.data):
        parts = {part.id: part for part in parse(seek.data)}
        target = parts[SEEK_ID].number if seek.id == SEEK else 0
        if target in positions:
            seek = Element(SEEK, encode_all([parts[SEEK_ID], unsigned(SEEK_POSITION, positions[target])]))
        seeks.append(seek)
    return Element(SEEK_HEAD, encode_all(seeks))


def _info(info: Element, scale: int) -> Element:
    parts = [unsigned(TIMESTAMP_SCALE, scale) if part.id == TIMESTAMP_SCALE else part for part in parse(info.data)]
    return Element(INFO, encode_all(parts))


def _tracks(tracks: Element, pixel_shape: Fraction) -> Element:
    """The first video track with its display size; all others as they are."""
    entries = parse(tracks.data)
    for number, entry in enumerate(entries):
        parts = parse(entry.data)
        at = next((i for i, part in enumerate(parts) if part.id == TRACK_VIDEO), None)
        if at is not None:  # also where pixels are square, which the muxer leaves unsaid
            parts[at] = _video(parts[at], pixel_shape)
            entries[number] = Element(entry.id, encode_all(parts))
            break
    return Element(TRACKS, encode_all(entries))


def _video(video: Element, pixel_shape: Fraction) -> Element:
    parts = [p for p in parse(video.data) if p.id not in (DISPLAY_WIDTH, DISPLAY_HEIGHT, DISPLAY_UNIT)]
    size = {part.id: part.number for part in parts}
    wide = size[PIXEL_WIDTH] * pixel_shape
    if wide.denominator == 1:
        shown = (int(wide), size[PIXEL_HEIGHT], UNIT_PIXELS)
    else:  # no whole number of pixels has the shape: the ratio itself is exact
        ratio = wide / size[PIXEL_HEIGHT]
        shown = (ratio.numerator, ratio.denominator, UNIT_ASPECT_RATIO)
    names = (DISPLAY_WIDTH, DISPLAY_HEIGHT, DISPLAY_UNIT)
    return Element(TRACK_VIDEO, encode_all(parts + [unsigned(i, n) for i, n in zip(names, shown, strict=True)]))


def _tags(tags: Element, scale: int) -> Element:
    """Tags named DURATION state a time as text, which the muxer took for milliseconds."""

    def simple(element: Element) -> Element:
        parts = {part.id: part for part in parse(element.data)} if element.id == SIMPLE_TAG else {}
        if TAG_NAME not in parts or parts[TAG_NAME].data.rstrip(b"\0") != b"DURATION":
            return element
        hours, minutes, seconds = parts[TAG_STRING].data.rstrip(b"\0").decode().split(":")
        stated = 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
        text = _clock_time(stated * scale / COARSEST)
        return Element(SIMPLE_TAG, encode_all([parts[TAG_NAME], Element(TAG_STRING, text.encode())]))

    rewritten = []
    for tag in parse(tags.data):
        if tag.id == TAG:
            tag = Element(TAG, encode_all([simple(part) for part in parse(tag.data)]))
        rewritten.append(tag)
    return Element(TAGS, encode_all(rewritten))


def _clock_time(seconds: Fraction) -> str:
    ns = round(seconds / NANOSECOND)
    minutes, ns = divmod(ns, 60 * 10**9)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{ns // 10**9:02d}.{ns % 10**9:09d}"


def _rounded(value: Fraction) -> int:
    """To the nearest whole number, halves away from zero, as FFmpeg's av_rescale does."""
    return int(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)
