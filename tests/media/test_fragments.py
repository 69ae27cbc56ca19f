"""Fragments as another reader sees them: FFmpeg's demuxer, and their boxes."""

import io
import random
from fractions import Fraction

import av

from media.fragments import TimedFrame, boxes, fragment, init_segment, span
from media.live_encoder import Encoded
from media.nal_units import nal_units
from tests.media.live_frames import coded, number


def timed(frames: list[Encoded], last: int) -> list[TimedFrame]:
    ends = [*(frame.pts for frame in frames[1:]), frames[-1].pts + last]
    return [TimedFrame(frame, end - frame.pts) for frame, end in zip(frames, ends, strict=True)]


def test_times_durations_and_pictures_are_exact_however_frames_are_grouped() -> None:
    rng = random.Random(3)
    times = [10**14]  # ticks: 35 years
    while len(times) < 40:
        times.append(times[-1] + rng.choice([1, 1499, 3600, 3603, 90_000, 2_000_000]))
    frames = timed(coded(times), 777)
    for size in (1, 3, 40):
        data = init_segment(frames[0].encoded)
        data += b"".join(fragment(frames[i : i + size], 1 + i) for i in range(0, 40, size))
        with av.open(io.BytesIO(data)) as container:
            packets = [packet for packet in container.demux() if packet.size]
            assert container.streams.video[0].time_base == Fraction(1, 90_000)
        assert [(p.pts, p.dts, p.duration, p.is_keyframe) for p in packets] == [
            (f.encoded.pts, f.encoded.pts, f.duration, f.encoded.key) for f in frames
        ]
        with av.open(io.BytesIO(data)) as container:
            assert [number(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)] == list(range(40))
        assert span(data) == (times[0], times[-1] + 777)


def test_a_fragment_can_begin_at_any_key_frame() -> None:
    frames = timed(coded([0, 200_000, 400_000, 403_600]), 3600)
    with av.open(io.BytesIO(init_segment(frames[0].encoded) + fragment(frames[2:], 9, offset=90_000))) as container:
        assert [(f.pts, number(f.to_ndarray(format="rgb24"))) for f in container.decode(video=0)] == [
            (490_000, 2),
            (493_600, 3),
        ]


def test_boxes_lie_where_they_should() -> None:
    frames = timed(coded([0, 3600]), 3600)
    data = fragment(frames, 5)
    (moof, start, middle), (mdat, begin, end) = boxes(data)
    assert (moof, mdat) == (b"moof", b"mdat")
    assert (start, middle, end) == (0, begin, len(data))
    init = init_segment(frames[0].encoded)
    assert [name for name, _, _ in boxes(init)] == [b"ftyp", b"moov"]
    assert b"mvex" in init
    assert b"elst" not in init  # an edit list would move every time


def test_the_init_segment_depends_on_the_format_only() -> None:
    first, *_, last = coded([0, 3600, 200_000])
    assert last.key
    assert init_segment(first) == init_segment(last)


def test_nal_units_are_found_behind_both_start_codes() -> None:
    assert list(nal_units(b"\0\0\0\1\x67a\0\0\1\x68b\0\0\0\1\x65c\0\0\3\1")) == [b"\x67a", b"\x68b", b"\x65c\0\0\3\1"]
    assert list(nal_units(b"no start code")) == []
