"""Plans cut clips at key frames, count every packet once, and stop cutting where timestamps cannot be relied on."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from media.plan import plan_segments
from media.probe import probe
from tests.media.clips import CLOSED_GOPS, LIMITS, NO_B_FRAMES, OPEN_GOPS, write_clip


@pytest.mark.parametrize("params", [CLOSED_GOPS, OPEN_GOPS])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_spans_begin_at_key_frames_and_hold_every_frame(tmp_path: Path, suffix: str, params: str) -> None:
    clip = write_clip(tmp_path / f"a{suffix}", params=params)
    facts = probe(clip, LIMITS)
    plan = plan_segments(clip, facts, 0.4)
    with av.open(str(clip)) as container:
        keys = [p.pts for p in container.demux(video=0) if p.is_keyframe]
    assert [span.start_pts for span in plan.spans] == [None, *keys[1:]]
    assert [span.end_pts for span in plan.spans] == [*keys[1:], None]
    assert [span.index for span in plan.spans] == [0, 1, 2, 3]
    assert [span.frames for span in plan.spans] == [12, 12, 12, 12]
    assert plan.frames == 48


def test_spans_are_at_least_as_long_as_asked(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4")
    assert [span.frames for span in plan_segments(clip, probe(clip, LIMITS), 0.9).spans] == [24, 24]
    assert len(plan_segments(clip, probe(clip, LIMITS), 60.0).spans) == 1


def test_a_clip_of_one_frame_is_one_span(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=1)
    plan = plan_segments(clip, probe(clip, LIMITS), 0.1)
    assert [(s.start_pts, s.end_pts, s.frames) for s in plan.spans] == [(None, None, 1)]


def test_avi_is_cut_without_b_frames_and_whole_with_them(tmp_path: Path) -> None:
    plain = write_clip(tmp_path / "a.avi", params=NO_B_FRAMES)
    assert len(plan_segments(plain, probe(plain, LIMITS), 0.4).spans) == 4
    reordered = write_clip(tmp_path / "b.avi", params=CLOSED_GOPS)
    assert len(plan_segments(reordered, probe(reordered, LIMITS), 0.4).spans) == 1


def test_a_codec_that_carries_state_across_key_frames_is_not_cut(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.flv", codec="flv", options={"g": "12"})
    assert len(plan_segments(clip, probe(clip, LIMITS), 0.4).spans) == 1


def test_nothing_is_cut_after_a_clock_that_was_set_back(tmp_path: Path) -> None:
    late = write_clip(tmp_path / "c.ts", params=NO_B_FRAMES, frames=36, times=range(1000, 1036))
    early = write_clip(tmp_path / "d.ts", params=NO_B_FRAMES, frames=36)
    joined = tmp_path / "e.ts"
    joined.write_bytes(late.read_bytes() + early.read_bytes())
    plan = plan_segments(joined, probe(joined, LIMITS), 0.4)
    assert [span.frames for span in plan.spans] == [12, 12, 48]


def test_leading_pictures_at_the_very_beginning_do_not_forbid_cuts(tmp_path: Path) -> None:
    """A recording cut at an open GOP begins with pictures that come before its first key frame."""
    whole = write_clip(tmp_path / "a.ts", params=OPEN_GOPS, frames=60)
    cut = tmp_path / "b.ts"
    with av.open(str(whole)) as container, av.open(str(cut), "w") as copy:
        stream = container.streams.video[0]
        target = copy.add_stream_from_template(stream)
        keys = 0
        for packet in (p for p in container.demux(stream) if p.size):
            keys += packet.is_keyframe
            if keys >= 2:
                packet.stream = target
                copy.mux(packet)
    assert [span.frames for span in plan_segments(cut, probe(cut, LIMITS), 0.4).spans] == [14, 12, 12, 12]
