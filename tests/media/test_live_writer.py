"""HLS as it lies in a folder: rules of the playlist at every moment, playing it, taking over, failures."""

import errno
import http.server
import io
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import av
import pytest

from media.live_encoder import Encoded
from media.live_writer import LiveEvent, LiveWriter
from media.types import MediaError
from tests.media import hls_rules
from tests.media.live_frames import START, coded, number, steady


class Feeder:
    """Feeds a writer, and judges each new playlist and its files."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.now = 1000.0
        self.folder = folder
        self.states: list[hls_rules.Media] = []
        self.events: list[LiveEvent] = []
        self.writer = LiveWriter(folder, clock=lambda: self.now, **options)  # type: ignore[arg-type]
        self.look()

    def add(self, frames: list[Encoded]) -> None:
        for frame in frames:
            self.now = 1000.0 + frame.pts / 90_000
            self.took(self.writer.add(frame, START + frame.pts / 90_000))

    def took(self, events: list[LiveEvent]) -> None:
        self.events += events
        if events:
            self.look()

    def look(self) -> None:
        path = self.folder / "live.m3u8"
        if path.is_file():
            state = hls_rules.read(path.read_text())
            hls_rules.check_files(state, self.folder)
            if self.states:
                hls_rules.check_change(self.states[-1], state)
            self.states.append(state)

    @property
    def state(self) -> hls_rules.Media:
        return self.states[-1]


def decoded(source: str, **options: str) -> list[tuple[int, int, tuple[int, int]]]:
    """(pts in ticks of 1/90000 s, picture's number, size) of every frame, as a player gets them."""
    with av.open(source, options=options) as container:
        frames = []
        for frame in container.decode(video=0):
            assert frame.pts is not None
            image = frame.to_ndarray(format="rgb24")
            frames.append((round(frame.pts * frame.time_base * 90_000), number(image), (frame.width, frame.height)))
        return frames


def played(folder: Path) -> list[tuple[int, int, tuple[int, int]]]:
    return decoded(str(folder / "live.m3u8"), allowed_extensions="ALL", protocol_whitelist="file", live_start_index="0")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/live.m3u8"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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


def test_an_endless_stream_keeps_few_files(tmp_path: Path) -> None:
    feed = Feeder(tmp_path, keep=6)
    frames = coded(steady(3, 90))
    most = 0
    for frame in frames:
        feed.add([frame])
        most = max(most, len(list(tmp_path.iterdir())))
    assert len(feed.state.segments) == 6
    assert len(list(tmp_path.glob("seg-*"))) <= 6 + 1 + (6 * 2 + 10) // 2
    assert most < 100
    assert feed.state.sequence == 45 - 1 - 6
    # A player that loaded a playlist just before may still fetch what it lists.
    earlier = next(state for state in feed.states if state.sequence == feed.state.sequence - 3)
    hls_rules.check_files(earlier, tmp_path)


def test_inits_go_with_their_segments(tmp_path: Path) -> None:
    feed = Feeder(tmp_path, keep=3)
    for turn in range(8):
        size = (96, 64) if turn % 2 else (64, 64)
        feed.add(coded(steady(3, 6, start=turn * 540_000), size=size))
    assert {int(path.stem[5:]) for path in tmp_path.glob("init-*")} <= set(range(2, 8))
    assert feed.state.segments[-1].era == 7
    assert feed.state.discontinuity_sequence >= 5


def test_a_new_owner_goes_on_with_the_numbers(tmp_path: Path) -> None:
    first = Feeder(tmp_path, keep=20)
    first.add(coded(steady(25, 7.3)))  # killed in the midst of segment 3
    assert first.state.growing is not None
    second = Feeder(tmp_path, keep=20)
    hls_rules.check_change(first.state, second.state)
    assert len(second.state.segments) == 4
    second.add(coded(steady(25, 5), first=400))  # its pts begin at zero again
    second.took(second.writer.finish(ended=True))
    assert [(segment.number, segment.era, segment.map_uri) for segment in second.state.segments] == [
        *[(n, 0, "init-0.mp4") for n in range(4)],
        *[(n, 1, "init-1.mp4") for n in range(4, 7)],
    ]
    shown = [index for _, index, _ in played(tmp_path)]
    assert shown[:150] == list(range(150))
    assert shown[-125:] == list(range(400, 525))


@pytest.mark.parametrize("loss", ["playlist", "half a playlist", "a part", "a segment"])
def test_a_new_owner_finds_a_damaged_folder(tmp_path: Path, loss: str) -> None:
    first = Feeder(tmp_path)
    first.add(coded(steady(25, 4)))
    first.took(first.writer.gap())
    first.add(coded(steady(25, 3.3, start=1_000_000)))
    assert first.state.growing is not None
    growing, era = first.state.growing.number, first.state.growing.era
    if loss == "playlist":
        (tmp_path / "live.m3u8").unlink()
    elif loss == "half a playlist":
        text = (tmp_path / "live.m3u8").read_text()
        (tmp_path / "live.m3u8").write_text(text[: len(text) // 2])
    elif loss == "a part":
        (tmp_path / f"part-{growing}-0.m4s").unlink()
    else:
        (tmp_path / "seg-1.m4s").unlink()
    (tmp_path / ".seg-9.m4s.tmp").write_bytes(b"half")
    second = Feeder.__new__(Feeder)
    second.__dict__.update(now=0.0, folder=tmp_path, states=[], events=[])
    second.writer = LiveWriter(tmp_path, clock=lambda: second.now)
    second.add(coded(steady(25, 5)))
    assert second.state.segments[-1].number > growing
    assert second.state.segments[-1].era > era
    assert not list(tmp_path.glob(".*"))
    with av.open(str(tmp_path / second.state.segments[-1].map_uri)):
        pass


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


def test_a_full_disk_costs_a_gap_and_not_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feeder(tmp_path, keep=20)
    frames = coded(steady(10, 14))
    feed.add(frames[:46])
    real = Path.write_bytes
    full = True

    def write_bytes(path: Path, data: bytes) -> int:
        if full:
            real(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    failures: list[MediaError] = []
    for frame in frames[46:95]:
        try:
            feed.add([frame])
        except MediaError as error:
            failures.append(error)
    assert len(failures) >= 2
    assert {error.code for error in failures} == {"disk-full"}
    assert not any(str(tmp_path) in str(error) for error in failures)
    full = False
    feed.add(frames[95:])
    feed.took(feed.writer.finish(ended=True))
    feed.look()
    assert not list(tmp_path.glob(".*"))
    assert [segment.era for segment in feed.state.segments] == [0, 0, 0, 1, 1]
    shown = [index for _, index, _ in played(tmp_path)]
    assert shown == [*range(45), *range(100, 140)]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_playlist_keeps_the_rules(tmp_path: Path, seed: int) -> None:
    """Rates, gaps, sizes, clocks, missing key frames, new owners, flushes: at random."""
    rng = random.Random(seed)
    feed = Feeder(tmp_path, keep=4)
    pts, shown = 0, 0
    added: list[int] = []
    for _ in range(10):
        step = rng.choice([1500, 3600, 9000, 90_000, 450_000, 1_200_000])
        times = [pts := pts + max(1, round(step * rng.uniform(0.5, 1.5))) for _ in range(rng.randint(1, 40))]
        frames = coded(times, size=rng.choice([(96, 64), (64, 64)]), first=shown % 1000, key_s=rng.choice([1, 2, 5]))
        shown += len(frames)
        for frame in frames:
            chance = rng.random()
            if chance < 0.05:
                continue  # lost, key frame or not
            if chance < 0.08:
                feed.took(feed.writer.gap())
            before = feed.writer.dropped
            feed.add([frame])
            if feed.writer.dropped == before:
                added.append(frame.pts)
            if rng.random() < 0.2:
                feed.now += rng.uniform(0, 3)
                feed.took(feed.writer.flush())
        if rng.random() < 0.3:
            states = feed.states
            feed = Feeder(tmp_path, keep=4)
            if states and feed.states:
                hls_rules.check_change(states[-1], feed.state)
            feed.states = states + feed.states
        elif rng.random() < 0.2:
            pts = rng.randint(0, pts)  # the stream's timeline begins anew
    feed.took(feed.writer.finish(ended=True))
    options = {"allowed_extensions": "ALL", "protocol_whitelist": "file", "live_start_index": "0"}
    with av.open(str(tmp_path / "live.m3u8"), options=options) as container:
        times = [packet.pts or 0 for packet in container.demux() if packet.size]
    assert times == sorted(set(times))
    assert len(times) == sum(frames_of(feed, segment) for segment in feed.state.segments)


def frames_of(feed: Feeder, segment: hls_rules.Listed) -> int:
    data = (feed.folder / segment.map_uri).read_bytes() + (feed.folder / str(segment.uri)).read_bytes()
    with av.open(io.BytesIO(data)) as container:
        return sum(1 for packet in container.demux() if packet.size)
