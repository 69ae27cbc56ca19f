"""HLS as it lies in a folder: rules of the playlist at every moment, times, gaps, and playing it."""

import io
import random
from itertools import pairwise
from pathlib import Path

import av
import pytest

from media.live_writer import LiveEvent
from tests.media import hls_rules
from tests.media.live_feeder import Feeder, decoded, played, served
from tests.media.live_frames import START, coded, steady


@pytest.mark.parametrize("rate", [25, 30, 12.5, 4, 3, 1])
def test_steady_cameras_give_even_segments_and_parts(tmp_path: Path, rate: float) -> None:
    feed = Feeder(tmp_path)
    feed.add(coded(steady(rate, 9)))
    assert {segment.duration for segment in feed.state.segments} <= {2} or rate in (12.5, 3)
    assert all(1.8 <= segment.duration <= 2.2 for segment in feed.state.segments)
    assert len({(state.target, state.part_target) for state in feed.states}) == 1  # RFC 8216, 6.2.1: never changed
    for state in feed.states:
        hls_rules.check_lengths_of_parts(state)
    assert feed.writer.dropped == 0


def test_every_frame_is_played_with_its_time(tmp_path: Path) -> None:
    times = steady(25, 9, start=4_000_000_000)
    feed = Feeder(tmp_path)
    feed.add(coded(times))
    feed.took(feed.writer.finish(ended=True))
    feed.look()
    assert played(tmp_path) == [(pts, index, (96, 64)) for index, pts in enumerate(times)]
    with served(tmp_path) as url:
        assert decoded(url, live_start_index="0") == played(tmp_path)
    dates = [segment.date for segment in feed.state.segments]
    assert dates == pytest.approx([START + 4_000_000_000 / 90_000 + 2 * index for index in range(len(dates))], abs=1e-3)


def test_times_of_a_camera_without_a_rhythm_are_exact(tmp_path: Path) -> None:
    rng = random.Random(5)
    times = [0]
    while times[-1] < 12 * 90_000:
        times.append(times[-1] + rng.choice([1500, 3601, 3600, 7201, 30_000]))
    feed = Feeder(tmp_path)
    feed.add(coded(times))
    feed.took(feed.writer.finish(ended=True))
    feed.look()
    assert [pts for pts, _, _ in played(tmp_path)] == times
    ends = [times.index(round(pts)) for pts in starts(feed)]
    assert [float(segment.duration) for segment in feed.state.segments[:-1]] == pytest.approx(
        [(times[end] - times[begin]) / 90_000 for begin, end in pairwise(ends)], abs=1e-6
    )


def starts(feed: Feeder) -> list[int]:
    """pts of each segment's first frame, from the segments themselves."""
    result = []
    for segment in feed.state.segments:
        data = (feed.folder / segment.map_uri).read_bytes() + (feed.folder / str(segment.uri)).read_bytes()
        with av.open(io.BytesIO(data)) as container:
            pts = next(container.demux()).pts
            assert pts is not None
            result.append(pts)
    return result


def test_a_camera_of_a_frame_in_five_seconds(tmp_path: Path) -> None:
    times = steady(0.2, 60)
    feed = Feeder(tmp_path)
    frames = coded(times)
    assert all(frame.key for frame in frames)
    feed.add(frames)
    assert {state.target for state in feed.states} == {5}
    assert {float(segment.duration) for segment in feed.state.segments} == {5.0}
    assert all(segment.era == 0 for segment in feed.state.segments)
    feed.took(feed.writer.finish(ended=True))
    feed.look()
    assert [pts for pts, _, _ in played(tmp_path)] == times[-len(feed.state.segments) :]


def test_a_camera_that_becomes_slow_is_followed(tmp_path: Path) -> None:
    feed = Feeder(tmp_path)
    times = steady(10, 6) + steady(0.2, 40, start=6 * 90_000 + 400_000)
    feed.add(coded(times))
    assert feed.states[0].target == 3
    assert feed.state.target == 5
    assert feed.state.segments[-1].era == 1  # the first long step might have been a gap
    assert feed.writer.dropped == 0


def test_a_gap_is_a_discontinuity(tmp_path: Path) -> None:
    feed = Feeder(tmp_path, keep=20)
    times = steady(10, 5) + steady(10, 5, start=30 * 90_000)
    feed.add(coded(times))
    feed.took(feed.writer.finish(ended=True))
    feed.look()
    assert [segment.era for segment in feed.state.segments] == [0, 0, 0, 1, 1, 1]
    assert float(feed.state.segments[2].duration) == pytest.approx(1.0)
    assert [(pts, shown) for pts, shown, _ in played(tmp_path)] == [(pts, i) for i, pts in enumerate(times)]


def test_another_size_is_a_discontinuity_with_another_init_segment(tmp_path: Path) -> None:
    feed = Feeder(tmp_path)
    first, second = steady(10, 4.5), steady(10, 4, start=450_000)
    feed.add(coded(first))
    feed.add(coded(second, size=(160, 96), first=len(first)))
    feed.took(feed.writer.finish(ended=True))
    feed.look()
    assert [(segment.map_uri, segment.era) for segment in feed.state.segments] == [
        *[("init-0.mp4", 0)] * 3,
        *[("init-1.mp4", 1)] * 2,
    ]
    wanted = [(pts, i, (96, 64) if pts < 450_000 else (160, 96)) for i, pts in enumerate(first + second)]
    assert played(tmp_path) == wanted
    with served(tmp_path) as url:
        assert decoded(url, live_start_index="0") == wanted


def test_frames_that_need_one_before_the_gap_are_dropped(tmp_path: Path) -> None:
    feed = Feeder(tmp_path)
    frames = coded(steady(10, 8))
    feed.add(frames[:25])
    feed.took(feed.writer.gap())
    assert feed.writer.wants_key
    feed.add(frames[25:])
    assert feed.writer.dropped == 15  # up to the key frame at 4 s
    assert not feed.writer.wants_key


def test_a_frame_that_waits_is_let_go(tmp_path: Path) -> None:
    feed = Feeder(tmp_path)
    times = steady(1, 6)
    for frame in coded(times):
        feed.add([frame])
        assert feed.writer.flush() == []  # it has not waited yet
        feed.now += 0.6
        feed.took(feed.writer.flush())
        if feed.states:
            assert feed.state.growing is not None
            assert feed.events[-1].kind == "part"
    feed.took(feed.writer.finish(ended=True))
    feed.look()
    assert [pts for pts, _, _ in played(tmp_path)] == times


def test_events_tell_what_can_be_fetched(tmp_path: Path) -> None:
    feed = Feeder(tmp_path)
    told: list[LiveEvent] = []
    for frame in coded(steady(25, 9)):
        before = len(feed.events)
        feed.add([frame])
        told += feed.events[before:]
        for event in feed.events[before:]:
            name = f"seg-{event.number}.m4s" if event.kind == "segment" else f"part-{event.number}-{event.part}.m4s"
            assert (tmp_path / name).is_file()
            assert name in (tmp_path / "live.m3u8").read_text()
    assert told[0] == LiveEvent("segment", 0)  # the first playlist has a whole segment
    assert [event for event in told if event.number == 1] == [
        *[LiveEvent("part", 1, part) for part in range(4)],
        LiveEvent("segment", 1),
    ]
    assert feed.writer.position == (4, 1)


def test_without_low_latency_there_are_no_parts(tmp_path: Path) -> None:
    feed = Feeder(tmp_path, low_latency=False)
    feed.add(coded(steady(25, 7)))
    feed.took(feed.writer.flush())
    assert not list(tmp_path.glob("part-*"))
    assert feed.state.part_target is None
    assert [event.kind for event in feed.events] == ["segment"] * 3
