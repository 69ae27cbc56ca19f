"""What a clip is: facts from its headers, its first packets and its first pictures. Runs in the probing child process.

Knows nothing of processes; takes an open container and limits, gives `ClipFacts` or raises `MediaError`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice

import av
import av.container
import av.error
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from media.colour import bit_depth, decide_tags
from media.deinterlace import FIELD_ORDERS, FLAGGING_CODECS, NEVER, top_field_first
from media.limits import ProbeLimits
from media.opening import check_codec, codec_name, container_name
from media.packets import packet_time, read_packets, reorders, timed_by_decoding
from media.types import ClipFacts, MediaError, StreamFacts

PICTURES = 25  # decoded, to see interlacing, rotation and formats that headers do not tell
PICTURE_PACKETS = 300  # read in search of them: a recording cut in mid-GOP begins with packets that give none
COUNT_SHARE = 0.5  # of the time limit, spent on counting packets
MICROSECONDS = 1_000_000  # the container's clock
MATROSKA_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")  # a tag of each stream, by FFmpeg and mkvmerge
KINDS = frozenset(("video", "audio", "subtitle", "data", "attachment"))


@dataclass(slots=True)
class Counted:
    """What reading every packet found; `whole` is False where time ran out first."""

    packets: int = 0
    first: int | None = None
    last_end: int | None = None
    whole: bool = False


@dataclass(slots=True)
class Looked:
    """What the first pictures show. Only the first is kept: pictures weigh megabytes."""

    first: av.VideoFrame
    sizes: set[tuple[int, int]] = field(default_factory=set)
    pictures: int = 0
    top_first: int = 0  # interlaced pictures that show their top field first
    bottom_first: int = 0
    undecodable: int = 0


def examine(container: av.container.InputContainer, limits: ProbeLimits) -> ClipFacts:
    """Raises MediaError with the codes of `media.probe.probe`. Reads the container to its end."""
    began = time.monotonic()
    if len(container.streams) > limits.max_streams:
        found = len(container.streams)
        raise MediaError(
            "too-many-streams",
            f"The file has {found} streams, at most {limits.max_streams} are accepted; export it with fewer.",
        )
    stream = choose(container)
    codec = check_codec(stream)
    check_size(stream.width, stream.height, limits)
    declared = declared_duration(container, stream)
    check_duration(declared, limits)
    looked = look(container, stream, limits)
    first = looked.first
    counted = count(container, stream, began + limits.timeout_s * COUNT_SHARE)
    warnings: list[str] = []
    duration = declared
    if counted.whole and duration is None and counted.first is not None and counted.last_end is not None:
        duration = float((counted.last_end - counted.first) * time_base(stream))
        warnings.append("the container does not say how long the clip is; measured from its packets")
    check_duration(duration, limits)
    context = stream.codec_context
    colour = decide_tags(
        int(first.color_range or context.color_range),
        int(first.colorspace if first.colorspace != 2 else context.colorspace),
        int(first.color_primaries if first.color_primaries != 2 else context.color_primaries),
        int(first.color_trc if first.color_trc != 2 else context.color_trc),
        first.height,
        first.format.name,
    )
    if looked.undecodable:
        warnings.append(f"{looked.undecodable} of the first packets could not be decoded")
    if len(looked.sizes) > 1:
        warnings.append("the picture size changes within the clip; pictures of another size are resized to the first")
    if timed_by_decoding(container) and reorders(stream):
        warnings.append("the container times pictures in decoding order; as shown, they get the same times in order")
    rotation, note = rotation_of(first)
    warnings += note
    interlaced, note = interlacing(stream, codec, looked)
    warnings += note
    frames = counted.packets if counted.whole else stream.frames or None
    missing = stream.frames - present(counted, timed_by_decoding(container)) if counted.whole else 0
    if missing > 0:
        frames = stream.frames  # the promise, so that the reader can say what is missing
        warnings.append(f"the container promises {stream.frames} frames, {missing} of them are not in the file")
    return ClipFacts(
        container=container_name(container),
        codec=codec,
        width=first.width,
        height=first.height,
        pix_fmt=first.format.name,
        bit_depth=bit_depth(first.format),
        grey=first.format.name.startswith(("gray", "ya8", "ya16", "mono")),
        rotation=rotation,
        sample_aspect_ratio=aspect_ratio(stream),
        colour=colour,
        interlaced=interlaced,
        time_base=time_base(stream),
        start_pts=stream.start_time if stream.start_time is not None else counted.first,
        duration_s=duration,
        average_rate=stream.average_rate or stream.guessed_rate or None,
        frames=frames,
        video_index=stream.index,
        streams=tuple(stream_facts(s) for s in container.streams),
        warnings=tuple(warnings),
    )


def choose(container: av.container.InputContainer) -> VideoStream:
    """The video stream to enhance: the one marked default, else the largest; cover pictures do not count."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = sorted({kind_of(s) for s in container.streams}) or ["no stream at all"]
        raise MediaError("no-video", f"The file has no video stream (only: {', '.join(kinds)}); upload a video clip.")
    return max(streams, key=lambda s: (bool(s.disposition & Disposition.default), s.width * s.height, -s.index))


def check_size(width: int, height: int, limits: ProbeLimits) -> None:
    if width * height > limits.max_pixels:
        raise MediaError(
            "too-many-pixels",
            f"The picture is {width}x{height}, at most {limits.max_pixels} pixels are accepted; scale the clip down.",
        )


def check_duration(seconds: float | None, limits: ProbeLimits) -> None:
    if seconds is not None and seconds > limits.max_duration_s:
        raise MediaError(
            "too-long",
            f"The clip is {seconds:.0f} s long, at most {limits.max_duration_s:.0f} s are accepted; cut it into parts.",
        )


def look(container: av.container.InputContainer, stream: VideoStream, limits: ProbeLimits) -> Looked:
    """The first pictures; raises MediaError where none of the first packets gives one, or one is too large."""
    stream.codec_context.thread_count = 1  # bounded memory
    # A picture may be larger than its headers say; the decoder must not allocate it.
    stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
    looked: Looked | None = None
    undecodable = 0
    reason = "no packet was found"
    unread: list[str] = []
    for packet in islice(read_packets(container, stream, unread.append), PICTURE_PACKETS):
        try:
            frames = stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            undecodable += 1
            reason = error.strerror or reason
            continue
        for frame in frames:
            check_size(frame.width, frame.height, limits)
            looked = looked or Looked(frame)
            add(looked, frame)
        if looked is not None and looked.pictures >= PICTURES:
            break
    if looked is None or looked.pictures < PICTURES:  # a short clip may be in the decoder to its last frame
        for frame in drain(stream):
            check_size(frame.width, frame.height, limits)
            looked = looked or Looked(frame)
            add(looked, frame)
    if looked is None:
        raise MediaError(
            "unreadable",
            f"No picture of the {codec_name(stream)} video could be decoded ({reason}); export or copy the clip again.",
        )
    looked.undecodable = undecodable + len(unread)
    return looked


def drain(stream: VideoStream) -> list[av.VideoFrame]:
    try:
        return stream.codec_context.decode(None)
    except MemoryError:
        raise
    except av.error.FFmpegError:
        return []


def add(looked: Looked, frame: av.VideoFrame) -> None:
    looked.pictures += 1
    looked.sizes.add((frame.width, frame.height))
    if frame.interlaced_frame:
        top = top_field_first(frame)
        looked.top_first += top
        looked.bottom_first += not top


def count(container: av.container.InputContainer, stream: VideoStream, deadline: float) -> Counted:
    """Reads all packets of the stream, none of which is decoded, until the deadline (monotonic clock)."""
    counted = Counted()
    unread: list[str] = []
    by_decoding = timed_by_decoding(container)
    try:
        container.seek(0)
        stream.codec_context.flush_buffers()
        for packet in read_packets(container, stream, unread.append):
            counted.packets += 1
            when = packet_time(packet, by_decoding)
            when = packet.dts if when is None else when
            if when is not None:
                end = when + (packet.duration or 0)
                counted.first = when if counted.first is None else min(counted.first, when)
                counted.last_end = end if counted.last_end is None else max(counted.last_end, end)
            if counted.packets % 256 == 0 and time.monotonic() > deadline:
                return counted
    except av.error.FFmpegError:
        return counted  # it cannot be sought; damage is the reader's business
    counted.whole = not unread
    return counted


def present(counted: Counted, by_decoding: bool) -> int:
    """Frames in the file by the container's own way of counting: AVI counts ticks, also those that repeat a picture."""
    if by_decoding and counted.first is not None and counted.last_end is not None:
        return max(counted.packets, counted.last_end - counted.first)
    return counted.packets


def declared_duration(container: av.container.InputContainer, stream: VideoStream) -> float | None:
    """Seconds from the first frame on: of the video stream where its container says so, else of the longest stream."""
    if stream.duration:
        return float(stream.duration * time_base(stream))
    seconds = container.duration / MICROSECONDS if container.duration else None
    if match := MATROSKA_DURATION.fullmatch(stream.metadata.get("DURATION", "")):
        seconds = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    if seconds is not None and container.format.name == "matroska":  # counts from 0, not from the first frame
        seconds = max(0.0, seconds - float((stream.start_time or 0) * time_base(stream)))
    return seconds


def time_base(stream: VideoStream) -> Fraction:
    if not stream.time_base:
        raise MediaError("unreadable", "The video stream has no time base; export or convert the clip again.")
    return Fraction(stream.time_base)


def aspect_ratio(stream: VideoStream) -> Fraction:
    """Of one sample. The container's word goes before the codec's, as in players; nonsense counts as unknown."""
    for ratio in (stream.sample_aspect_ratio, stream.codec_context.sample_aspect_ratio):
        if ratio and ratio != 1 and Fraction(1, 10) <= ratio <= 10:
            return Fraction(ratio)
    return Fraction(1)


def rotation_of(frame: av.VideoFrame) -> tuple[int, list[str]]:
    """Degrees as the display matrix says, 0, 90, 180 or 270, and a warning where it says something between."""
    degrees = frame.rotation % 360
    nearest = round(degrees / 90) * 90 % 360
    if degrees != nearest:
        return nearest, [f"the clip is rotated by {degrees} degrees; {nearest} is written"]
    return nearest, []


def interlacing(stream: VideoStream, codec: str, looked: Looked) -> tuple[str, list[str]]:
    """("progressive", "tff" or "bff", warnings), from the first pictures' flags, else the stream's field order."""
    order = FIELD_ORDERS.get(int(stream.codec_context.field_order), "progressive")
    flagged = looked.top_first + looked.bottom_first
    if codec in NEVER:
        note = "interlaced H.265 codes single fields, which are not woven; pictures are enhanced as they are coded"
        return "progressive", [note] if flagged or order != "progressive" else []
    if codec in FLAGGING_CODECS and flagged:
        return "tff" if looked.top_first >= looked.bottom_first else "bff", []
    return order, []


def kind_of(stream: Stream) -> str:
    return stream.type if stream.type in KINDS else "data"


def stream_facts(stream: Stream) -> StreamFacts:
    context = getattr(stream, "codec_context", None)
    codec = context.codec.canonical_name if context is not None else "unknown"
    detail = ""
    if stream.type == "audio" and context is not None:
        detail = f"{context.sample_rate} Hz, {context.channels} channels"
    elif stream.type == "video" and context is not None:
        detail = f"{context.width}x{context.height}"
    return StreamFacts(stream.index, kind_of(stream), codec, detail)
