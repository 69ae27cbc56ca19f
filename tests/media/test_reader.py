"""Readers give every frame, in order, with its own pts; spans join without a seam; damage is counted, never raised."""

from __future__ import annotations

import zlib
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media.plan import plan_segments
from media.probe import probe
from media.reader import VideoReader, sample_frames
from media.types import ClipFacts, Damage, MediaError, Span, VideoFrame
from tests.media.clips import (
    CLOSED_GOPS,
    LIMITS,
    NO_B_FRAMES,
    OPEN_GOPS,
    flip_bits,
    picture,
    truncate,
    write_clip,
)

Seen = tuple[int, int, bool, bool, int | None]


def seen(frame: VideoFrame) -> Seen:
    return frame.pts, zlib.crc32(frame.image), frame.grey, frame.damaged, frame.duration


def read(path: Path, facts: ClipFacts, span: Span | None = None) -> tuple[list[Seen], Damage, bool]:
    with VideoReader(path, facts, span) as reader:
        return [seen(frame) for frame in reader], reader.damage, reader.restarted


def read_spans(path: Path, facts: ClipFacts, target_s: float = 0.4) -> tuple[list[Seen], list[Damage], list[bool]]:
    parts = [read(path, facts, span) for span in plan_segments(path, facts, target_s).spans]
    return [frame for part in parts for frame in part[0]], [part[1] for part in parts], [part[2] for part in parts]


CLIPS: dict[str, dict[str, Any]] = {
    "closed.mp4": {"params": CLOSED_GOPS},
    "open.mp4": {"params": OPEN_GOPS},
    "open.mkv": {"params": OPEN_GOPS},
    "open.ts": {"params": OPEN_GOPS},
    "closed.flv": {"params": CLOSED_GOPS},
    "plain.avi": {"params": NO_B_FRAMES},
    "reordered.avi": {"params": CLOSED_GOPS},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "12"}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}},
    "hevc.mkv": {"codec": "libx265", "params": "keyint=12:min-keyint=12:scenecut=0:bframes=2:open-gop=1"},
    "sound.mp4": {"params": CLOSED_GOPS, "audio": True},
    "sound.ts": {"params": OPEN_GOPS, "audio": True},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+delay_moov+default_base_moof"}, "audio": True},
    "interlaced.mp4": {"params": CLOSED_GOPS, "fields": "tff"},
    "interlaced.ts": {"params": OPEN_GOPS, "fields": "bff"},
    "interlaced.mkv": {"params": OPEN_GOPS, "fields": "tff"},
}


@pytest.mark.parametrize("name", CLIPS)
def test_spans_one_after_the_other_are_the_clip(tmp_path: Path, name: str) -> None:
    clip = write_clip(tmp_path / name, **CLIPS[name])
    facts = probe(clip, LIMITS)
    whole, damage, _ = read(clip, facts)
    joined, _, restarted = read_spans(clip, facts)
    assert joined == whole
    assert len(whole) == 48
    assert not any(restarted), "every span's key frame is found by seeking"
    assert (len(restarted) > 1) == (name != "reordered.avi")
    assert (damage.packets, damage.frames, damage.events) == (0, 0, [])


def test_spans_of_a_clip_refreshed_without_key_frames_are_read_from_its_beginning(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.ts", params="keyint=24:intra-refresh=1:bframes=0")
    facts = probe(clip, LIMITS)
    joined, _, restarted = read_spans(clip, facts)
    assert joined == read(clip, facts)[0]
    assert restarted == [False, True]


def number_of(image: Any) -> int:
    """The frame number drawn by `picture`."""
    height, width = image.shape[:2]
    row = image[height // 8, :, 2].astype(float) / (65535 if image.dtype == np.uint16 else 255)
    return sum((row[bit * width // 8 + width // 16] > 0.5) << bit for bit in range(8))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bframes.mp4", {}),
        ("bframes.avi", {}),
        ("mpeg4.avi", {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}}),
        ("ten.mkv", {"pix_fmt": "yuv420p10le"}),
        ("odd.mp4", {"pix_fmt": "yuv444p", "size": (97, 63)}),
    ],
)
def test_frames_come_in_the_order_they_are_shown(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    clip = write_clip(tmp_path / name, frames=40, **options)
    facts = probe(clip, LIMITS)
    with VideoReader(clip, facts) as reader:
        frames = list(reader)
    step = 1 / (25 * facts.time_base)
    assert [number_of(frame.image) for frame in frames] == list(range(40))
    assert [frame.pts for frame in frames] == [i * step for i in range(40)]
    assert frames[0].image.shape == (facts.height, facts.width, 3)
    assert frames[0].image.flags.c_contiguous
    assert frames[0].image.dtype == (np.uint16 if facts.bit_depth > 8 else np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_variable_rate_is_kept_to_the_tick(tmp_path: Path, suffix: str) -> None:
    times = [700 + i * 40 + (i * i * 7) % 30 for i in range(48)]
    clip = write_clip(tmp_path / f"a{suffix}", times=times, time_base=Fraction(1, 1000))
    facts = probe(clip, LIMITS)
    whole = [frame[0] for frame in read(clip, facts)[0]]
    ticks = [Fraction(time, 1000) / facts.time_base for time in times]
    assert [pts - whole[0] for pts in whole] == [tick - ticks[0] for tick in ticks]
    assert whole[0] == facts.start_pts
    assert [frame[0] for frame in read_spans(clip, facts)[0]] == whole


@pytest.mark.parametrize("fields", ["", "tff"])
def test_a_clip_of_one_frame(tmp_path: Path, fields: str) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=1, fields=fields)
    frames, damage, _ = read(clip, probe(clip, LIMITS))
    assert [frame[0] for frame in frames] == [0]
    assert damage.events == []


def test_grey_frames_of_a_coloured_format_are_told(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv420p", frames=3, grey=True)
    facts = probe(clip, LIMITS)
    with VideoReader(clip, facts) as reader:
        assert all(frame.grey for frame in reader)
    assert not facts.grey


@pytest.mark.parametrize("fields", ["tff", "bff"])
def test_interlaced_frames_keep_their_first_field_and_lose_the_comb(tmp_path: Path, fields: str) -> None:
    clip = write_clip(tmp_path / "a.mp4", params="qp=0:keyint=12", pix_fmt="yuv444p", frames=12, fields=fields)
    facts = probe(clip, LIMITS)
    with VideoReader(clip, facts) as reader:
        frames = list(reader)
    with VideoReader(clip, replace(facts, interlaced="progressive")) as reader:
        combed = list(reader)
    assert [frame.pts for frame in frames] == [frame.pts for frame in combed]
    first = 0 if fields == "tff" else 1
    bottom = slice(24, None)  # below the numbers, the gradient moves by 3 levels a frame
    for index in range(2, 10):
        kept, woven = frames[index].image, combed[index].image
        np.testing.assert_array_equal(kept[first::2], woven[first::2])
        second = picture(index + 1, 96, 64)[bottom, :, 1].astype(int)
        shown = picture(index, 96, 64)[bottom, :, 1].astype(int)
        assert abs(second - shown).mean() > 2.5
        assert abs(kept[bottom, 8:-8, 1].astype(int) - shown[:, 8:-8]).mean() < 1.5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["closed.mp4", "open.mkv", "open.ts", "plain.avi"])
def test_damage_loses_no_frame_at_the_seams(tmp_path: Path, name: str, seed: int) -> None:
    clip = write_clip(tmp_path / name, **CLIPS[name])
    facts = probe(clip, LIMITS)
    damaged = flip_bits(clip, tmp_path / f"damaged{clip.suffix}", count=40, seed=seed)
    whole, damage, _ = read(damaged, facts)
    joined, parts, _ = read_spans(damaged, facts)
    times = [frame[0] for frame in whole]
    assert times == sorted(set(times))
    assert [frame[0] for frame in joined] == times
    assert damage.packets + damage.frames > 0
    assert damage.events
    assert sum(part.frames for part in parts) == damage.frames
    assert [frame[:1] + frame[3:] for frame in joined] == [frame[:1] + frame[3:] for frame in whole]


def test_a_damaged_packet_is_skipped_and_located(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", params=NO_B_FRAMES)
    with av.open(str(clip)) as container:
        packet = [p for p in container.demux(video=0) if p.size][30]
        position, size, pts = packet.pos, packet.size, packet.pts
    content = bytearray(clip.read_bytes())
    content[position + 4 : position + size] = b"\xff" * (size - 4)
    clip.write_bytes(content)
    frames, damage, _ = read(clip, probe(clip, LIMITS))
    assert len(frames) + damage.packets == 48
    assert damage.packets + damage.frames >= 1
    assert damage.events[0].pts == pts


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".flv"])
def test_a_clip_cut_off_is_read_to_its_end_and_says_so(tmp_path: Path, suffix: str) -> None:
    clip = write_clip(tmp_path / f"a{suffix}", params=NO_B_FRAMES)
    cut = truncate(clip, tmp_path / f"b{suffix}", 0.5)
    frames, damage, _ = read(cut, probe(cut, LIMITS))
    assert 15 < len(frames) < 33
    assert "promises" in damage.events[-1].what
    joined = read_spans(cut, probe(cut, LIMITS))[0]
    assert [frame[0] for frame in joined] == [frame[0] for frame in frames]


def test_a_clock_that_was_set_back_loses_no_frame(tmp_path: Path) -> None:
    late = write_clip(tmp_path / "a.ts", params=NO_B_FRAMES, frames=36, times=range(1000, 1036))
    early = write_clip(tmp_path / "b.ts", params=NO_B_FRAMES, frames=36)
    joined = tmp_path / "c.ts"
    joined.write_bytes(late.read_bytes() + early.read_bytes())
    facts = probe(joined, LIMITS)
    frames, damage, _ = read(joined, facts)
    times = [frame[0] for frame in frames]
    assert [b - a for a, b in pairwise(times)] == [3600] * 71
    assert any("jump back" in event.what for event in damage.events)
    assert read_spans(joined, facts)[0] == frames


def test_pictures_of_another_size_are_delivered_in_the_first_size(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "a.ts", params=NO_B_FRAMES, frames=12)
    other = write_clip(tmp_path / "b.ts", params=NO_B_FRAMES, frames=12, size=(128, 96), times=range(12, 24))
    joined = tmp_path / "c.ts"
    joined.write_bytes(first.read_bytes() + other.read_bytes())
    facts = probe(joined, LIMITS)
    with VideoReader(joined, facts) as reader:
        frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == [*range(12), *range(12)]
    assert {frame.image.shape for frame in frames} == {(64, 96, 3)}
    assert any("128x96" in event.what for event in reader.damage.events)


def test_a_clip_without_one_frame_says_so(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", params=NO_B_FRAMES, frames=5)
    facts = probe(clip, LIMITS)
    with av.open(str(clip)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(clip.read_bytes())
    for position, size in packets:
        content[position : position + size] = bytes(size)
    clip.write_bytes(content)
    with VideoReader(clip, facts) as reader, pytest.raises(MediaError) as caught:
        list(reader)
    assert caught.value.code == "no-frames"
    assert "5 packets" in str(caught.value)


def test_a_reader_closed_early_can_be_closed_again(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4")
    reader = VideoReader(clip, probe(clip, LIMITS))
    assert next(iter(reader)).pts == 0
    reader.close()
    reader.close()
    assert list(reader) == []


@pytest.mark.parametrize("name", ["closed.mp4", "open.ts", "plain.avi", "reordered.avi", "interlaced.mkv"])
def test_samples_are_spread_evenly(tmp_path: Path, name: str) -> None:
    clip = write_clip(tmp_path / name, **CLIPS[name])
    facts = probe(clip, LIMITS)
    samples = sample_frames(clip, facts, 4)
    assert [number_of(frame.image) for frame in samples] == [6, 18, 30, 42]


def test_a_short_clip_gives_each_frame_once_as_a_sample(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=2)
    assert [number_of(frame.image) for frame in sample_frames(clip, probe(clip, LIMITS), 5)] == [0, 1]
