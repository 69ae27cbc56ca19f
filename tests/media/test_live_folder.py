"""The folder of a live view: how few files it keeps, taking over from another owner, damage, full disks."""

import errno
import io
import os
import random
from pathlib import Path

import av
import pytest

from media.live_writer import next_era
from media.types import MediaError
from tests.media import hls_rules
from tests.media.live_feeder import Feeder, played
from tests.media.live_frames import coded, steady


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


def test_a_folder_beside_those_of_earlier_owners_goes_on_with_their_discontinuities(tmp_path: Path) -> None:
    assert next_era(tmp_path) == 0
    first = Feeder(tmp_path / "1")
    first.add(coded(steady(10, 5)))
    first.took(first.writer.gap())
    first.add(coded(steady(10, 5, start=900_000)))
    assert first.state.segments[-1].era == 1
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "live.m3u8").write_text("torn")
    assert next_era(tmp_path) == 2
    second = Feeder(tmp_path / "3", first_era=next_era(tmp_path))
    second.add(coded(steady(10, 5)))
    assert {segment.era for segment in second.state.segments} == {2}
    third = Feeder(tmp_path / "3", first_era=next_era(tmp_path))  # the same owner, with other options
    third.add(coded(steady(10, 5)))
    assert [segment.era for segment in third.state.segments] == [2, 2, 2, 3, 3]


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
    second = Feeder(tmp_path, sound=False)
    second.add(coded(steady(25, 5)))
    assert second.state.segments[-1].number > growing
    assert second.state.segments[-1].era > era
    assert not list(tmp_path.glob(".*"))
    with av.open(str(tmp_path / second.state.segments[-1].map_uri)):
        pass


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
