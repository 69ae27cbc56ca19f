"""Real footage of many cameras, where it is there: facts, plans and reading against PyAV alone."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest

from media.examine import examine
from media.opening import open_input
from media.plan import plan_segments
from media.reader import VideoReader
from media.types import ClipFacts, Span
from tests.media.clips import LIMITS

MEDIA = Path(__file__).parents[3] / "shared" / "media"
CLIPS = {f"{path.parent.parent.name}-{path.stem}": path for path in sorted(MEDIA.glob("*/clips/*"))}
WHOLE = 90_000_000  # clips of up to so many pixels in all are read from end to end; of others the joints
SEGMENT_S = 2.0

each_clip = pytest.mark.parametrize("name", CLIPS)


def facts_of(path: Path) -> ClipFacts:
    with open_input(path) as container:  # in this process: test_probe.py has the child's, which takes longer
        return examine(container, LIMITS)


def decoded_pts(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [Fraction(frame.pts or 0) * frame.time_base for frame in container.decode(video=0) if frame.time_base]


def packet_pts(path: Path) -> list[int]:
    """In presentation order."""
    with av.open(str(path)) as container:
        return sorted(packet.pts for packet in container.demux(video=0) if packet.pts is not None)


def read_pts(path: Path, facts: ClipFacts, span: Span | None, limit: int | None = None) -> list[int]:
    with VideoReader(path, facts, span) as reader:
        found = [frame.pts for frame in islice(reader, limit)]
    assert (reader.damage.packets, reader.damage.frames, reader.damage.events) == (0, 0, [])
    return found


@each_clip
def test_facts_are_sane(name: str) -> None:
    path = CLIPS[name]
    facts = facts_of(path)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (facts.width, facts.height, facts.codec) == (video.width, video.height, video.codec_context.name)
        assert (facts.time_base, facts.video_index) == (video.time_base, video.index)
        assert len(facts.streams) == len(container.streams)
    assert (facts.interlaced, facts.rotation, facts.bit_depth, facts.grey) == ("progressive", 0, 8, False)
    assert facts.colour.matrix in (1, 5, 6)
    assert facts.colour.full_range == facts.pix_fmt.startswith("yuvj")
    assert facts.average_rate
    assert facts.frames
    assert facts.duration_s == pytest.approx(float(facts.frames / facts.average_rate), rel=0.02)


@each_clip
def test_spans_give_every_frame_once_at_its_time(name: str) -> None:
    path = CLIPS[name]
    facts = facts_of(path)
    plan = plan_segments(path, facts, SEGMENT_S)
    expected = packet_pts(path)
    assert plan.frames == facts.frames == len(expected)
    assert sum(span.frames or 0 for span in plan.spans) == len(expected)
    if facts.width * facts.height * len(expected) <= WHOLE:
        whole = read_pts(path, facts, None)
        assert [pts for span in plan.spans for pts in read_pts(path, facts, span)] == whole
        assert [pts * facts.time_base for pts in whole] == decoded_pts(path)
        return
    at = 0
    for span in plan.spans:
        if span.index in (0, 1, len(plan.spans) - 1):
            assert read_pts(path, facts, span, 4) == expected[at : at + 4]
        at += span.frames or 0


def test_there_are_clips_where_there_is_media() -> None:
    if not MEDIA.is_dir():
        pytest.skip("the media that is not part of this repository is not there")
    assert len(CLIPS) >= 10
