"""Recordings: what is in the files and their names, what a crash leaves, what is deleted when."""

import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest

from media.fragments import boxes
from media.kept_files import expired
from media.live_encoder import Encoded
from media.recording import Recorder
from media.recording_files import Recording, list_recordings, recording_name
from media.types import MediaError
from tests.media.live_frames import START, coded, number, steady


def record(recorder: Recorder, frames: Sequence[Encoded]) -> None:
    for frame in frames:
        recorder.add(frame, START + frame.pts / 90_000)


def recorder(folder: Path, **options: float) -> Recorder:
    return Recorder(folder, None, None, clock=lambda: START + 3600, **options)


def content(path: Path) -> list[tuple[int, int]]:
    """(ticks since the file's beginning, picture's number) of each frame."""
    with av.open(str(path)) as container:
        assert container.streams.video[0].time_base == Fraction(1, 90_000)
        return [(f.pts or 0, number(f.to_ndarray(format="rgb24"))) for f in container.decode(video=0)]


def test_files_begin_at_key_frames_and_keep_every_frame_with_its_time(tmp_path: Path) -> None:
    times = [round(i * 90_000 / 25) + (i % 3) * 77 + 5_000_000_000 for i in range(275)]
    with recorder(tmp_path, segment_s=4) as writer:
        record(writer, coded(times))
    found = list_recordings(tmp_path)
    assert len(found) == 3
    shown = []
    for recording in found:
        part = content(tmp_path / recording.name)
        begin = times[len(shown)]
        assert recording.start == pytest.approx(START + begin / 90_000, abs=1e-3)
        shown += [(begin + pts, index) for pts, index in part]
    assert shown == [(pts, index) for index, pts in enumerate(times)]
    assert [one.end for one in found[:-1]] == pytest.approx([two.start for two in found[1:]], abs=2e-3)
    assert {path.name for path in tmp_path.iterdir()} == {recording.name for recording in found}


def test_what_comes_at_once_was_filmed_before(tmp_path: Path) -> None:
    frames = coded(steady(10, 12))
    with recorder(tmp_path, segment_s=4) as writer:
        for index, frame in enumerate(frames):  # a camera begins with 0.8 s of the past, and the network is uneven
            writer.add(frame, START + max(0.0, index / 10 - 0.8) + 0.02 * (index % 3))
        for frame in coded(steady(10, 4, start=90_000 * 100)):  # at once, and then the clock is set
            writer.add(frame, START + 50 - (3600 if frame.pts > 90_000 * 102 else 0))
    found = list_recordings(tmp_path)
    assert [one.start - START for one in found[:3]] == pytest.approx([-0.8, 3.2, 7.2], abs=0.05)
    assert [one.end for one in found[:2]] == pytest.approx([two.start for two in found[1:3]], abs=2e-3)
    assert found[3].start - START == pytest.approx(48, abs=0.1)


def test_a_closed_file_is_an_ordinary_mp4(tmp_path: Path) -> None:
    with recorder(tmp_path) as writer:
        record(writer, coded(steady(10, 5)))
    (recording,) = list_recordings(tmp_path)
    data = (tmp_path / recording.name).read_bytes()
    assert b"moof" not in [name for name, _, _ in boxes(data)]  # no player has to look for fragments
    assert recording.bytes == len(data)
    with av.open(str(tmp_path / recording.name)) as container:
        assert container.duration == pytest.approx(5e6, abs=1e3)
        assert container.metadata["creation_time"].startswith("2026-09-21T14:13:20")
        container.seek(4_200_000)
        assert next(container.decode(video=0)).pts == 4 * 90_000


def test_names_sort_and_tell_when() -> None:
    name = recording_name(1_790_000_000.25, 60.04)
    assert name == "2026-09-21T14-13-20-250Z_60040.mp4"
    assert sorted([recording_name(START + 100, 1), recording_name(START, 900)])[0] == recording_name(START, 900)


def test_a_gap_or_another_size_begins_a_new_file(tmp_path: Path) -> None:
    with recorder(tmp_path) as writer:
        record(writer, coded(steady(10, 3)))
        record(writer, coded(steady(10, 3, start=90_000 * 60)))
        record(writer, coded(steady(10, 3, start=90_000 * 63), size=(64, 64)))
        for frame in coded(steady(10, 3)):  # another timeline
            writer.add(frame, START + 70 + frame.pts / 90_000)
    found = list_recordings(tmp_path)
    assert [one.start - START for one in found] == pytest.approx([0, 60, 63, 70])
    assert [one.end - one.start for one in found] == pytest.approx([3] * 4)


def test_a_recording_waits_for_a_key_frame(tmp_path: Path) -> None:
    with recorder(tmp_path) as writer:
        assert writer.wants_key
        frames = coded(steady(10, 5))
        record(writer, frames[5:])
        assert not writer.wants_key
    (recording,) = list_recordings(tmp_path)
    assert recording.start == START + 2


def test_a_single_frame_is_a_recording(tmp_path: Path) -> None:
    with recorder(tmp_path) as writer:
        record(writer, coded([0]))
    (recording,) = list_recordings(tmp_path)
    assert content(tmp_path / recording.name) == [(0, 0)]
    assert recording.end - recording.start == pytest.approx(0.04)


CRASH = """
import os, sys
from media.recording import Recorder
from tests.media.live_frames import START, coded, steady
recorder = Recorder(__import__("pathlib").Path(sys.argv[1]), None, None, clock=lambda: START)
for frame in coded(steady(10, 7)):
    recorder.add(frame, START + frame.pts / 90_000)
os._exit(9)
"""


def test_what_a_crash_left_is_finished(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == 9
    assert list_recordings(tmp_path) == []
    (leftover,) = tmp_path.iterdir()
    leftover.write_bytes(leftover.read_bytes() + b"\0\0\1\0moof half")
    (tmp_path / ".2026-09-21T15-00-00-000Z_0.mp4.growing").write_bytes(b"nothing of use")
    recorder(tmp_path).close()
    (recording,) = list_recordings(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [recording.name]
    shown = content(tmp_path / recording.name)
    assert len(shown) >= 60  # all but what came after the last fragment
    assert shown == [(9000 * index, index) for index in range(len(shown))]
    assert recording.start == START
    assert recording.end == pytest.approx(START + len(shown) / 10, abs=0.1)


def test_old_files_go_and_then_those_beyond_the_space() -> None:
    files = [Recording(str(hour), hour * 3600.0, (hour + 1) * 3600.0, 10) for hour in range(10)]
    assert expired(files, 36_000.0, None, None) == []
    assert expired(files, 36_000.0, 2 * 3600.0, None) == files[:7]  # the eighth ended two hours ago, not longer
    assert expired(files, 36_000.0, None, 35) == files[:7]
    assert expired(files, 36_000.0, 8 * 3600.0, 35) == files[:7]
    assert expired(files, 36_000.0, None, 0) == files
    assert expired([], 0.0, 1.0, 1) == []


def test_retention_is_kept_while_recording(tmp_path: Path) -> None:
    now = START
    with Recorder(tmp_path, 6.0, None, 2.0, clock=lambda: now) as writer:
        for frame in coded(steady(10, 20)):
            now = START + frame.pts / 90_000
            writer.add(frame, now)
    assert [one.start - START for one in list_recordings(tmp_path)] == pytest.approx([12, 14, 16, 18], abs=0.01)
    kept = list_recordings(tmp_path)[-1].bytes
    Recorder(tmp_path, None, kept + 10, clock=lambda: now).close()
    assert len(list_recordings(tmp_path)) == 1
    now += 3600
    Recorder(tmp_path, 6.0, None, clock=lambda: now).close()
    assert list_recordings(tmp_path) == []


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "2026-99-99T14-13-20-250Z_1.mp4", "2026-09-21T14-13-20-250Z_1.mp4.part"):
        (tmp_path / name).write_bytes(b"x")
    assert list_recordings(tmp_path) == []
    Recorder(tmp_path, 0.0, 0).close()
    assert len(list(tmp_path.iterdir())) == 3
    assert list_recordings(tmp_path / "none") == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from media.recording import Recorder
from media.recording_files import list_recordings
from media.types import MediaError
from tests.media.live_frames import START, coded, steady
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
frames = coded(steady(10, 30))
folder = Path(sys.argv[1])
recorder = Recorder(folder, None, None, clock=lambda: START)
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
told = []
for frame in frames:
    try:
        recorder.add(frame, START + frame.pts / 90_000)
    except MediaError as error:
        told.append(str(error))
recorder.close()
assert told and len(set(told)) == 1 and sys.argv[1] not in told[0], told
print(told[0])
"""


def test_a_disk_without_room_is_told_and_survived(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "The recording could not be written: the disk is full.\n"
    for recording in list_recordings(tmp_path):
        assert content(tmp_path / recording.name)


def test_a_folder_that_cannot_be_written_is_told_without_its_path(tmp_path: Path) -> None:
    writer = recorder(tmp_path / "there")
    (tmp_path / "there").rmdir()
    with pytest.raises(MediaError, match=os.strerror(errno.ENOENT)) as caught:
        record(writer, coded(steady(10, 1)))
    assert str(tmp_path) not in str(caught.value)


def test_listing_needs_no_pyav() -> None:
    code = "import media.recording_files, sys; assert 'av' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
