"""Live HLS playlists as text, both ways. RFC 8216 and draft-pantos-hls-rfc8216bis (low latency). Touches no file."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from media.moments import moment

VERSION = 9  # of the draft; RFC 8216 alone asks for 6, for EXT-X-MAP
PARTS_LISTED = 3  # target durations from the end within which parts are listed (the draft's 6.2.2)
HOLD_BACK = 3  # part targets that players stay behind the end


@dataclass(frozen=True, slots=True)
class Part:
    duration_s: float
    independent: bool  # begins with a key frame


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment, whole or still growing. Its files are named by its number."""

    number: int  # media sequence number: rises by one, never goes back
    duration_s: float  # of a growing one: so far
    program_date_time: float  # Unix seconds of its first frame
    init: int  # number of its init segment
    era: int  # discontinuity sequence number: how many discontinuities lie before it, its own included
    discontinuity: bool = False  # does not go on from the segment before it
    parts: tuple[Part, ...] = ()


def segment_name(number: int) -> str:
    return f"seg-{number}.m4s"


def part_name(number: int, part: int) -> str:
    return f"part-{number}-{part}.m4s"


def init_name(number: int) -> str:
    return f"init-{number}.mp4"


def playlist(
    segments: Sequence[Segment],
    growing: Segment | None,
    target_s: int,
    part_target_s: float,
    *,
    low_latency: bool = True,
    ended: bool = False,
) -> str:
    """The media playlist. `segments` are whole, with consecutive numbers; `growing` is the one after them.

    target_s must bound every segment's duration, part_target_s every part's that is listed.
    """
    listed = [*segments, growing] if low_latency and growing is not None and growing.parts else list(segments)
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION if low_latency else 7}", f"#EXT-X-TARGETDURATION:{target_s}"]
    if low_latency:
        part_target_s = math.ceil(part_target_s * 1000 - 1e-6) / 1000  # it is a bound, so it is rounded up
        lines.append(f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={HOLD_BACK * part_target_s:.3f}")
        lines.append(f"#EXT-X-PART-INF:PART-TARGET={part_target_s:.3f}")
    if listed:
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{listed[0].number}")
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{listed[0].era - listed[0].discontinuity}")
    lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    with_parts = first_with_parts(segments, growing, target_s) if low_latency else math.inf
    init: int | None = None
    for segment in listed:
        if segment.discontinuity:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.discontinuity or segment.init != init:
            init = segment.init
            lines.append(f'#EXT-X-MAP:URI="{init_name(init)}"')
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{moment(segment.program_date_time)}")
        if segment.number >= with_parts:
            lines += [part_line(segment.number, index, part) for index, part in enumerate(segment.parts)]
        if segment is not growing:
            lines += [f"#EXTINF:{segment.duration_s:.6f},", segment_name(segment.number)]
    if low_latency and not ended and listed:
        number = growing.number if growing is not None else segments[-1].number + 1
        hinted = part_name(number, len(growing.parts) if growing is not None else 0)
        lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{hinted}"')
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def part_line(number: int, index: int, part: Part) -> str:
    independent = ",INDEPENDENT=YES" if part.independent else ""
    return f'#EXT-X-PART:DURATION={part.duration_s:.6f},URI="{part_name(number, index)}"{independent}'


def first_with_parts(segments: Sequence[Segment], growing: Segment | None, target_s: int) -> int:
    """Number of the first segment whose parts are listed."""
    behind = growing.duration_s if growing is not None else 0.0
    first = growing.number if growing is not None else segments[-1].number + 1 if segments else 0
    for segment in reversed(segments):
        if behind >= PARTS_LISTED * target_s:
            break
        first, behind = segment.number, behind + segment.duration_s
    return first


def leaving_count(segments: Sequence[Segment], keep: int, target_s: int) -> int:
    """How many of `segments` may leave the list: those beyond `keep`, but never below three target durations of it."""
    total = sum(segment.duration_s for segment in segments)
    leaving = 0
    while len(segments) - leaving > keep and total - segments[leaving].duration_s >= 3 * target_s:
        total -= segments[leaving].duration_s
        leaving += 1
    return leaving


def rounded(duration_s: float) -> int:
    """To the nearest whole second, halves up: what RFC 8216, 4.3.3.1 compares with the target duration."""
    return math.floor(duration_s + 0.5)


@dataclass(frozen=True, slots=True)
class Left:
    """What an owner before left: its last playlist."""

    segments: tuple[Segment, ...]
    growing: Segment | None
    target_s: int
    part_target_s: float


_PART = re.compile(r'#EXT-X-PART:DURATION=([\d.]+),URI="part-\d+-\d+\.m4s"(,INDEPENDENT=YES)?$')
_MAP = re.compile(r'#EXT-X-MAP:URI="init-(\d+)\.mp4"$')


def read_back(text: str) -> Left:
    """The playlist that `playlist` wrote. Raises ValueError where it is not one, or was cut."""
    if not text.startswith("#EXTM3U\n") or not text.endswith("\n"):
        raise ValueError("not a playlist")
    header: dict[str, float] = {"#EXT-X-PART-INF:PART-TARGET": 0.0}
    segments: list[Segment] = []
    number = era = init = 0
    discontinuity, began, parts = False, 0.0, list[Part]()
    duration = 0.0
    for line in text.splitlines():
        name, _, value = line.partition("=" if line.startswith("#EXT-X-PART-INF") else ":")
        if name in ("#EXT-X-TARGETDURATION", "#EXT-X-PART-INF:PART-TARGET"):
            header[name] = float(value)
        elif name == "#EXT-X-MEDIA-SEQUENCE":
            number = int(value)
        elif name == "#EXT-X-DISCONTINUITY-SEQUENCE":
            era = int(value)
        elif line == "#EXT-X-DISCONTINUITY":
            discontinuity, era = True, era + 1
        elif (found := _MAP.match(line)) is not None:
            init = int(found[1])
        elif name == "#EXT-X-PROGRAM-DATE-TIME":
            began = datetime.fromisoformat(value).timestamp()
        elif (found := _PART.match(line)) is not None:
            parts.append(Part(float(found[1]), found[2] is not None))
        elif name == "#EXTINF":
            duration = float(value.rstrip(","))
        elif line and not line.startswith("#"):
            segments.append(Segment(number, duration, began, init, era, discontinuity, tuple(parts)))
            number, discontinuity, parts = number + 1, False, []
    growing = None
    if parts:
        so_far = sum(part.duration_s for part in parts)
        growing = Segment(number, so_far, began, init, era, discontinuity, tuple(parts))
    try:
        target_s = int(header["#EXT-X-TARGETDURATION"])
    except KeyError as error:
        raise ValueError("a playlist without a target duration") from error
    return Left(tuple(segments), growing, target_s, header["#EXT-X-PART-INF:PART-TARGET"])
