"""Playlists as text: judged by rules of their own, and read back."""

from dataclasses import replace

import pytest

from media import hls
from media.hls import Left, Part, Segment, leaving_count, playlist, read_back
from media.moments import moment
from tests.media import hls_rules

PARTS = (Part(0.5, True), Part(0.5, False), Part(0.5, False), Part(0.5, False))


def segments(count: int, first: int = 0) -> list[Segment]:
    return [Segment(n, 2.0, 1_790_000_000.25 + 2 * n, 0, 0, parts=PARTS) for n in range(first, first + count)]


def test_an_empty_playlist_is_one() -> None:
    assert hls_rules.read(playlist([], None, 3, 0.5, low_latency=False)).segments == []


def test_parts_are_listed_for_the_last_three_target_durations() -> None:
    media = hls_rules.read(playlist(segments(8), None, 3, 0.55))
    assert [len(segment.parts) for segment in media.segments] == [0, 0, 0, 4, 4, 4, 4, 4]
    assert media.hint == "part-8-0.m4s"


def test_the_growing_segment_shows_its_parts_and_the_next() -> None:
    growing = Segment(8, 1.0, 1_790_000_016.25, 0, 0, parts=PARTS[:2])
    media = hls_rules.read(playlist(segments(8), growing, 3, 0.55))
    assert media.growing is not None
    assert [part.uri for part in media.growing.parts] == ["part-8-0.m4s", "part-8-1.m4s"]
    assert media.growing.date == 1_790_000_016.25
    assert media.hint == "part-8-2.m4s"


def test_discontinuities_are_counted_as_they_leave() -> None:
    whole = segments(6)
    whole = [
        replace(s, era=1 + (s.number >= 4), discontinuity=s.number in (2, 4), init=s.number // 4) for s in whole[2:]
    ]
    media = hls_rules.read(playlist(whole, None, 3, 0.55))
    assert media.discontinuity_sequence == 0  # the first one's own has not left yet
    assert [(segment.era, segment.map_uri) for segment in media.segments] == [
        (1, "init-0.mp4"),
        (1, "init-0.mp4"),
        (2, "init-1.mp4"),
        (2, "init-1.mp4"),
    ]
    later = hls_rules.read(playlist(whole[1:], None, 3, 0.55))
    assert later.discontinuity_sequence == 1
    hls_rules.check_change(media, later)


@pytest.mark.parametrize("ended", [True, False])
def test_what_was_written_is_read_back(ended: bool) -> None:
    whole = [
        replace(s, era=int(s.number >= 7), discontinuity=s.number == 7, init=s.number // 7) for s in segments(4, 5)
    ]
    growing = Segment(9, 1.0, 1_790_000_018.5, 1, 1, parts=PARTS[:2])
    assert read_back(playlist(whole, growing, 3, 0.55, ended=ended)) == Left(tuple(whole), growing, 3, 0.55)


def test_a_playlist_without_low_latency_is_read_back_too() -> None:
    left = read_back(playlist(segments(4), None, 3, 0.0, low_latency=False))
    assert [segment.number for segment in left.segments] == [0, 1, 2, 3]
    assert left.part_target_s == 0


@pytest.mark.parametrize("text", ["", "#EXTM3U", "#EXTM3U\n#EXT-X-VERSION:9\n", "hello\n", "#EXTM3U\n#EXTINF:x,\n"])
def test_what_is_no_playlist_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the reason, the caller begins anew
        read_back(text)


def test_bounds_are_rounded_up() -> None:
    third = replace(segments(1)[0], parts=(Part(1 / 3, True),), duration_s=1 / 3)
    hls_rules.read(playlist([third], None, 1, 1 / 3))


def test_the_list_is_never_shorter_than_three_target_durations() -> None:
    assert leaving_count(segments(10), keep=8, target_s=3) == 2
    assert leaving_count(segments(10), keep=2, target_s=3) == 5  # 10 s are left
    assert leaving_count(segments(4), keep=8, target_s=3) == 0
    assert leaving_count([], keep=8, target_s=3) == 0


@pytest.mark.parametrize(("seconds", "whole"), [(2.499, 2), (2.5, 3), (3.0, 3)])
def test_durations_are_rounded_half_up(seconds: float, whole: int) -> None:
    assert hls.rounded(seconds) == whole


def test_moments_have_milliseconds_in_utc() -> None:
    assert moment(1_790_000_000.0004) == "2026-09-21T14:13:20.000Z"
    assert moment(1_789_999_999.9996) == "2026-09-21T14:13:20.000Z"
