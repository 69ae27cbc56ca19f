"""Media playlists judged by the rules of RFC 8216 and its successor's draft. Shares nothing with what writes them.

Not a test file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^,"\s]+)(?:,|$)')


@dataclass
class ListedPart:
    duration: Decimal
    uri: str
    independent: bool


@dataclass
class Listed:
    number: int
    era: int
    uri: str | None  # None: it still grows
    duration: Decimal
    map_uri: str
    date: float
    parts: list[ListedPart] = field(default_factory=list)


@dataclass
class Media:
    target: int
    part_target: Decimal | None
    sequence: int
    discontinuity_sequence: int
    segments: list[Listed]
    growing: Listed | None
    hint: str | None
    ended: bool


def attributes(text: str) -> dict[str, str]:
    found = ATTRIBUTE.findall(text)
    assert ",".join(f"{name}={value}" for name, value in found) == text, text  # 4.2: nothing but attributes
    assert len(dict(found)) == len(found), text
    return {name: value.strip('"') for name, value in found}


def read(text: str) -> Media:
    """Parses, and asserts every rule that one playlist can break."""
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U"  # 4.3.1.1
    assert "\r" not in text
    assert not text.startswith("\ufeff")
    once = ("VERSION", "TARGETDURATION", "MEDIA-SEQUENCE", "DISCONTINUITY-SEQUENCE", "SERVER-CONTROL", "PART-INF")
    for name in once:
        assert sum(line.startswith(f"#EXT-X-{name}:") for line in lines) <= 1, name
    head: dict[str, str] = {}
    segments: list[Listed] = []
    part_inf: Decimal | None = None
    control: dict[str, str] = {}
    era_change, map_uri, date, duration, hint = 0, "", None, None, None
    parts: list[ListedPart] = []
    seen_segment = ended = False
    for line in lines[1:]:
        tag, _, value = line.partition(":")
        if tag in ("#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE"):
            assert not seen_segment
            assert not era_change
            head[tag] = value
        elif tag in ("#EXT-X-TARGETDURATION", "#EXT-X-VERSION"):
            assert re.fullmatch(r"\d+", value)
            head[tag] = value
        elif tag == "#EXT-X-SERVER-CONTROL":
            control = attributes(value)
        elif tag == "#EXT-X-PART-INF":
            part_inf = Decimal(attributes(value)["PART-TARGET"])
        elif tag == "#EXT-X-DISCONTINUITY":
            assert duration is None
            assert not parts
            era_change += 1
        elif tag == "#EXT-X-MAP":
            map_uri = attributes(value)["URI"]
        elif tag == "#EXT-X-PROGRAM-DATE-TIME":
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value)
            date = datetime.fromisoformat(value).timestamp()
        elif tag == "#EXT-X-PART":
            seen_segment = True
            fields = attributes(value)
            assert hint is None
            parts.append(ListedPart(Decimal(fields["DURATION"]), fields["URI"], fields.get("INDEPENDENT") == "YES"))
        elif tag == "#EXTINF":
            assert re.fullmatch(r"\d+(\.\d+)?,", value)
            duration = Decimal(value.rstrip(","))
        elif tag == "#EXT-X-PRELOAD-HINT":
            fields = attributes(value)
            assert fields["TYPE"] == "PART"
            assert hint is None
            hint = fields["URI"]
        elif tag == "#EXT-X-ENDLIST":
            ended = True
        elif line.startswith("#"):
            assert line == "#EXT-X-INDEPENDENT-SEGMENTS", line
        elif line:
            assert duration is not None
            assert map_uri
            assert date is not None
            seen_segment = True
            segments.append(Listed(0, era_change, line, duration, map_uri, date, parts))
            duration, date, parts = None, None, []
    growing = Listed(0, era_change, None, Decimal(0), map_uri, date or 0.0, parts) if parts else None
    sequence, first_era = (int(head.get(f"#EXT-X-{name}SEQUENCE", "0")) for name in ("MEDIA-", "DISCONTINUITY-"))
    for index, segment in enumerate([*segments, growing] if growing else segments):
        segment.number, segment.era = sequence + index, first_era + segment.era
    media = Media(int(head["#EXT-X-TARGETDURATION"]), part_inf, sequence, first_era, segments, growing, hint, ended)
    check(media, control, int(head["#EXT-X-VERSION"]))
    return media


def check(media: Media, control: dict[str, str], version: int) -> None:
    assert version >= 6  # 7: EXT-X-MAP without I-frames only
    for segment in media.segments:
        assert segment.duration.quantize(Decimal(1), ROUND_HALF_UP) <= media.target, segment  # 4.3.3.1
    uris = [segment.uri for segment in media.segments]
    assert len(set(uris)) == len(uris)
    if media.part_target is None:
        assert media.growing is None
        assert media.hint is None
        assert not any(segment.parts for segment in media.segments)
        return
    assert control["CAN-BLOCK-RELOAD"] == "YES"
    assert Decimal(control["PART-HOLD-BACK"]) >= 2 * media.part_target  # draft, 4.4.3.8; three times is advised
    for segment in [*media.segments, *([media.growing] if media.growing else [])]:
        for part in segment.parts:
            assert part.duration <= media.part_target, (part, media.part_target)  # draft, 4.4.4.9
        if segment.parts:
            assert segment.parts[0].independent  # EXT-X-INDEPENDENT-SEGMENTS
    with_parts = [bool(segment.parts) for segment in media.segments]
    assert with_parts == sorted(with_parts)  # parts are listed at the end only
    if not media.ended:
        assert media.hint is not None


def check_lengths_of_parts(media: Media) -> None:
    """Draft, 4.4.4.9: no less than 85 % of the target, but for the last of a segment. Holds for steady cameras only."""
    assert media.part_target is not None
    for segment in media.segments:
        for part in segment.parts[:-1]:
            assert part.duration >= media.part_target * Decimal("0.85"), (part, media.part_target)
        if segment.parts:
            assert abs(sum(part.duration for part in segment.parts) - segment.duration) < Decimal("0.0001")


def check_change(before: Media, after: Media) -> None:
    """What may change from one state of a live playlist to the next (6.2.1, 6.2.2)."""
    assert after.sequence >= before.sequence
    assert after.discontinuity_sequence >= before.discontinuity_sequence
    old = {segment.number: segment for segment in before.segments}
    for segment in after.segments:
        if segment.number in old:
            same = old[segment.number]
            assert (segment.uri, segment.duration, segment.map_uri, segment.era, segment.date) == (
                same.uri,
                same.duration,
                same.map_uri,
                same.era,
                same.date,
            )
    end_before = before.sequence + len(before.segments)
    end_after = after.sequence + len(after.segments)
    assert end_after >= end_before
    assert after.sequence <= end_before or not before.segments  # no hole in the numbers
    if before.growing is not None:
        follower = next((s for s in [*after.segments, after.growing] if s and s.number == before.growing.number), None)
        assert follower is not None
        assert follower.era == before.growing.era
        assert [part.uri for part in follower.parts][: len(before.growing.parts)] in (
            [part.uri for part in before.growing.parts],
            [],
        )


def check_files(media: Media, folder: Path) -> None:
    """Everything that a player may ask for is there."""
    for segment in [*media.segments, *([media.growing] if media.growing else [])]:
        assert (folder / segment.map_uri).is_file()
        assert segment.uri is None or (folder / segment.uri).is_file(), segment.uri
        for part in segment.parts:
            assert (folder / part.uri).is_file(), part.uri
        if segment.uri and segment.parts:
            joined = b"".join((folder / part.uri).read_bytes() for part in segment.parts)
            assert joined == (folder / segment.uri).read_bytes()
