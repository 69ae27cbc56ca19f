from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from media.colour import decide_tags
from media.examine import examine
from media.kept_files import expired
from media.live_types import CLOCK, CameraFacts
from media.nal_units import parameter_sets
from media.opening import open_input
from media.probe import probe
from media.reader import VideoReader
from media.ring import SourceRing, cut, list_ranges
from media.ring_files import APART_S, RingFile, list_files
from media.types import ClipFacts, MediaError, VideoFrame
from tests.media.camera_material import material
from tests.media.clips import CLOSED_GOPS, LIMITS, NO_B_FRAMES, write_clip

START = 1_800_000_000.0
FRAME = 1 / 25
PLENTY = 1 << 30


def facts(codec: str = "h264", size: tuple[int, int] = (96, 64)) -> CameraFacts:
    tags = decide_tags(1, 6, 2, 2, size[1], "yuv420p")
    return CameraFacts(codec, *size, "yuv420p", Fraction(25), None, tags, "progressive")


def feed(
    ring: SourceRing, clip: Path, at: float, *, codec: str = "h264", jump_s: float = 0.0, jump_at: int = -1
) -> int:
    """Gives the ring a clip's packets as a camera's, arriving from `at` on. Returns how many.

    From packet `jump_at` on, the camera's clock is `jump_s` ahead.
    """
    count = 0
    with open_input(clip) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if 0 <= jump_at <= count and packet.pts is not None and packet.dts is not None:
                moved = round(jump_s / packet.time_base)
                packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
            ring.add(packet, facts(codec), at + count * FRAME)
            count += 1
    return count


def looked_at(path: Path) -> ClipFacts:
    """As `probe`, without its child process."""
    with open_input(path) as container:
        return examine(container, LIMITS)


def frames_of(path: Path) -> list[VideoFrame]:
    with VideoReader(path, looked_at(path)) as reader:
        return list(reader)


def seconds(path: Path) -> list[float]:
    found = looked_at(path)
    return [float(frame.pts * found.time_base) for frame in frames_of(path)]


@pytest.fixture
def ring(tmp_path: Path) -> SourceRing:
    return SourceRing(tmp_path / "ring", keep_s=3600, keep_bytes=PLENTY, file_s=1.0)


@pytest.mark.parametrize("params", [NO_B_FRAMES, CLOSED_GOPS], ids=["no B frames", "B frames"])
def test_what_is_cut_is_what_was_sent(tmp_path: Path, ring: SourceRing, params: str) -> None:
    clip = write_clip(tmp_path / "clip.ts", frames=120, params=params)
    assert feed(ring, clip, START) == 120
    ring.close()
    assert ring.problem is None
    [(start, end)] = list_ranges(tmp_path / "ring")
    assert start == pytest.approx(START, abs=0.001)
    assert end == pytest.approx(START + 120 * FRAME, abs=0.001)
    done = cut(tmp_path / "ring", start, end, tmp_path / "cut.mov")
    assert (done.start, done.gaps) == (start, ())
    sent, kept = frames_of(clip), frames_of(tmp_path / "cut.mov")
    assert len(kept) == len(sent) == 120
    assert all(np.array_equal(one.image, other.image) for one, other in zip(sent, kept, strict=True))
    assert seconds(tmp_path / "cut.mov") == pytest.approx([n * FRAME for n in range(120)], abs=1e-4)


@pytest.mark.parametrize(("codec", "encoder", "suffix"), [("hevc", "libx265", ".ts"), ("mjpeg", "mjpeg", ".mkv")])
def test_other_codecs_are_kept_too(tmp_path: Path, ring: SourceRing, codec: str, encoder: str, suffix: str) -> None:
    params, pix_fmt = "keyint=12:bframes=0", "yuvj420p" if codec == "mjpeg" else "yuv420p"
    clip = write_clip(tmp_path / f"clip{suffix}", codec=encoder, params=params, pix_fmt=pix_fmt, frames=60)
    feed(ring, clip, START, codec=codec)
    ring.close()
    done = cut(tmp_path / "ring", START + 0.5, START + 2.0, tmp_path / "cut.mov")
    assert START <= done.start <= START + 0.5
    assert probe(tmp_path / "cut.mov", LIMITS).codec == codec
    assert len(frames_of(tmp_path / "cut.mov")) == pytest.approx((done.end - done.start) * 25, abs=0.1)


def test_files_are_short_closed_and_begin_with_key_frames(tmp_path: Path, ring: SourceRing) -> None:
    feed(ring, write_clip(tmp_path / "clip.ts", frames=120, params=NO_B_FRAMES), START)
    files = list_files(tmp_path / "ring")
    assert [(file.first, file.last) for file in files] == [(0, 86400 * 3 // 2), (129600, 259200), (259200, 388800)]
    for file in files:
        with av.open(str(tmp_path / "ring" / file.name)) as container:
            packet = next(container.demux(video=0))
            assert packet.is_keyframe
    ring.close()
    assert len(list_files(tmp_path / "ring")) == 4


def test_a_cut_begins_with_the_key_frame_before_and_ends_in_time(tmp_path: Path, ring: SourceRing) -> None:
    feed(ring, write_clip(tmp_path / "clip.ts", frames=120, params=NO_B_FRAMES), START)
    ring.close()
    done = cut(tmp_path / "ring", START + 2.0, START + 3.5, tmp_path / "cut.mov")
    assert done.start == pytest.approx(START + 48 * FRAME, abs=1e-4)  # a key frame every 12
    assert done.end == pytest.approx(START + 3.5, abs=FRAME)
    assert done.gaps == ()
    assert len(frames_of(tmp_path / "cut.mov")) == 40


def test_a_reconnect_is_a_gap_in_the_ranges_and_in_the_clip(tmp_path: Path, ring: SourceRing) -> None:
    clip = write_clip(tmp_path / "clip.ts", frames=48, params=NO_B_FRAMES)
    feed(ring, clip, START)
    feed(ring, clip, START + 10)
    ring.close()
    folder = tmp_path / "ring"
    assert list_ranges(folder) == [
        (pytest.approx(START, abs=0.001), pytest.approx(START + 1.92, abs=0.001)),
        (pytest.approx(START + 10, abs=0.001), pytest.approx(START + 11.92, abs=0.001)),
    ]
    done = cut(folder, START - 5, START + 20, tmp_path / "cut.mov")
    assert [(round(a - START, 2), round(b - START, 2)) for a, b in done.gaps] == [(-5, 0), (1.92, 10), (11.92, 20)]
    times = seconds(tmp_path / "cut.mov")
    assert len(times) == 96
    assert times[48] - times[47] == pytest.approx(10 - 1.88, abs=0.002)


@pytest.mark.parametrize("jump_s", [-3000.0, 5.0, 3000.0])
def test_a_clock_that_is_set_does_not_move_the_footage(tmp_path: Path, ring: SourceRing, jump_s: float) -> None:
    clip = write_clip(tmp_path / "clip.ts", frames=96, params=NO_B_FRAMES)
    feed(ring, clip, START, jump_s=jump_s, jump_at=40)
    ring.close()
    [(start, end)] = list_ranges(tmp_path / "ring")
    assert (start, end) == (pytest.approx(START, abs=0.1), pytest.approx(START + 3.84, abs=0.1))
    cut(tmp_path / "ring", start, end, tmp_path / "cut.mov")
    assert seconds(tmp_path / "cut.mov") == pytest.approx([n * FRAME for n in range(96)], abs=0.05)


@pytest.mark.parametrize("burst_s", [0.9, 3.5])
def test_a_camera_that_sends_what_it_has_kept_at_once_was_filmed_before(tmp_path: Path, burst_s: float) -> None:
    ring = SourceRing(tmp_path / "ring", keep_s=3600, keep_bytes=PLENTY, file_s=4.0)
    clip = write_clip(tmp_path / "clip.ts", frames=200, params=NO_B_FRAMES)
    with open_input(clip) as container:
        for count, packet in enumerate(p for p in container.demux(container.streams.video[0]) if p.size):
            ring.add(packet, facts(), START + max(0.0, count * FRAME - burst_s))
    ring.close()
    ((start, end),) = list_ranges(tmp_path / "ring")
    assert end - start == pytest.approx(8.0, abs=0.1)
    assert end == pytest.approx(START + 8.0 - burst_s, abs=0.1)
    files = list_files(tmp_path / "ring")
    assert all(b.start >= a.end - 1e-6 for a, b in pairwise(files))
    done = cut(tmp_path / "ring", start, end, tmp_path / "cut.mov")
    assert np.diff(seconds(tmp_path / "cut.mov")) == pytest.approx(FRAME, abs=1e-3)
    assert not done.gaps


def test_a_change_of_size_begins_a_file_and_the_clip_still_plays(tmp_path: Path, ring: SourceRing) -> None:
    feed(ring, write_clip(tmp_path / "a.ts", frames=24, params=NO_B_FRAMES), START)
    feed(ring, write_clip(tmp_path / "b.ts", frames=24, params=NO_B_FRAMES, size=(128, 96)), START + 1)
    ring.close()
    cut(tmp_path / "ring", START, START + 3, tmp_path / "cut.mov")
    assert len(frames_of(tmp_path / "cut.mov")) == 48


def test_a_change_of_codec_is_a_gap_of_the_cut(tmp_path: Path, ring: SourceRing) -> None:
    feed(ring, write_clip(tmp_path / "a.ts", frames=24, params=NO_B_FRAMES), START)
    hevc = write_clip(tmp_path / "b.ts", codec="libx265", params="keyint=12:bframes=0", frames=24)
    feed(ring, hevc, START + 1, codec="hevc")
    ring.close()
    done = cut(tmp_path / "ring", START, START + 1.9, tmp_path / "cut.mov")
    assert len(frames_of(tmp_path / "cut.mov")) == 24
    assert [round(gap[0] - START, 2) for gap in done.gaps] == [0.96]


def test_old_footage_goes_by_age_and_by_bytes() -> None:
    files = [RingFile(0, n * 10 * CLOCK, (n + 1) * 10 * CLOCK, 100) for n in range(6)]
    assert expired(files, 60, keep_s=1000, keep_bytes=10_000) == []
    assert expired(files, 60, keep_s=25, keep_bytes=10_000) == files[:3]
    assert expired(files, 60, keep_s=1000, keep_bytes=250) == files[:4]
    assert expired(files, 60, keep_s=1000, keep_bytes=0) == files


def test_the_ring_keeps_no_more_than_it_may(tmp_path: Path) -> None:
    ring = SourceRing(tmp_path / "ring", keep_s=2.0, keep_bytes=PLENTY, file_s=1.0)
    feed(ring, write_clip(tmp_path / "clip.ts", frames=200, params=NO_B_FRAMES), START)
    ring.close()
    [(start, end)] = list_ranges(tmp_path / "ring")
    assert 2.0 <= end - start < 4.0
    assert ring.bytes == sum(path.stat().st_size for path in (tmp_path / "ring").iterdir())


def test_leftovers_of_a_crash_are_removed_and_other_files_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "ring"
    folder.mkdir()
    (folder / "123.part").write_bytes(b"half a file")
    (folder / "notes.txt").write_text("not ours")
    SourceRing(folder, 60, PLENTY)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert list_ranges(folder) == []


def test_a_disk_that_fails_is_told_and_tried_again(tmp_path: Path, ring: SourceRing) -> None:
    clip = write_clip(tmp_path / "clip.ts", frames=24, params=NO_B_FRAMES)
    folder = tmp_path / "ring"
    folder.rmdir()
    feed(ring, clip, START)
    assert ring.problem is not None
    assert str(tmp_path) not in ring.problem
    folder.mkdir()
    feed(ring, clip, START + 30)
    ring.close()
    assert ring.problem is None
    assert len(list_ranges(folder)) == 1


def test_nothing_kept_is_an_error_for_people(tmp_path: Path, ring: SourceRing) -> None:
    with pytest.raises(MediaError) as caught:
        cut(tmp_path / "ring", START, START + 1, tmp_path / "cut.mov")
    assert caught.value.code == "no-footage"
    with pytest.raises(MediaError, match="later end"):
        cut(tmp_path / "ring", START, START, tmp_path / "cut.mov")
    assert not (tmp_path / "cut.mov").exists()


def test_any_stretch_has_rising_times_that_are_where_they_belong(tmp_path: Path, ring: SourceRing) -> None:
    clip = write_clip(tmp_path / "clip.ts", frames=60)
    for at in (0.0, 2.3, 8.0):  # the second overlaps the first by a little
        feed(ring, clip, START + at)
    ring.close()
    rng = random.Random(5)
    for _ in range(12):
        start = START + rng.uniform(-1, 10)
        end = start + rng.uniform(0.05, 6)
        try:
            done = cut(tmp_path / "ring", start, end, tmp_path / "cut.mov")
        except MediaError:
            assert all(b <= start or a >= end for a, b in list_ranges(tmp_path / "ring"))
            continue
        times = seconds(tmp_path / "cut.mov")
        assert all(before < after for before, after in pairwise(times))
        assert done.start + times[-1] <= end + 4 * FRAME
        assert (
            done.start <= max(start, list_ranges(tmp_path / "ring")[0][0]) or done.start - start < APART_S or done.gaps
        )


def test_parameter_sets_are_found_before_the_first_picture() -> None:
    for codec, count in (("h264", 2), ("hevc", 3)):
        loop = material(codec)
        stream = b"".join(b"\x00\x00\x01" + nal for nal in loop.units[0].nals)
        sets = parameter_sets(codec, stream)
        assert sets == b"".join(b"\x00\x00\x00\x01" + nal for nal in loop.parameters)
        assert sets.count(b"\x00\x00\x00\x01") == count
        assert parameter_sets(codec, b"\x00\x00\x01" + loop.units[1].nals[-1]) == b""
    assert parameter_sets("mjpeg", b"\xff\xd8") == b""
