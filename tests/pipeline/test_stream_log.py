"""Names of frame logs, what is kept of them, and what a crash leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.kept_files import expired
from media.moments import moment
from pipeline.stream import RetentionOptions, StreamOptions
from pipeline.stream_log import LogFile, line_of, list_logs, log_bounds, log_name, read_lines

BEGAN = 1_763_841_240.0  # 2025-11-22T19:54:00Z


def write(folder: Path, start: float, offset_ms: int = 0) -> str:
    name = log_name(start, offset_ms)
    (folder / name).write_bytes(line_of({"v": 1}))
    return name


def test_names_tell_the_minute_and_the_distance_of_the_clocks(tmp_path: Path) -> None:
    assert write(tmp_path, BEGAN + 0.123, -350) == "2025-11-22T19-54-00-123Z_-350.jsonl"
    write(tmp_path, BEGAN + 60)
    for other in ("notes.txt", "2025-13-22T19-54-00-123Z_0.jsonl", "2025-11-22T19-54-00-123Z_0.jsonl.part"):
        (tmp_path / other).touch()
    first, second = list_logs(tmp_path)
    assert (first.start, first.minute, first.end, first.offset_s) == (BEGAN + 0.123, BEGAN, BEGAN + 60, -0.35)
    assert second.start == BEGAN + 60
    assert list_logs(tmp_path / "none") == []


def test_files_of_a_stretch_are_found_by_either_clock() -> None:
    file = LogFile("", BEGAN + 10, 3600.0, 1)  # the camera is an hour ahead

    def touches(start: float, end: float, by_camera: bool = False) -> bool:
        return file.touches(BEGAN + start, BEGAN + end, by_camera=by_camera)

    assert touches(59.9, 100)
    assert touches(-10, 0.1)
    assert not touches(60, 100)
    assert not touches(-10, 0)
    assert touches(3610, 3650, by_camera=True)
    assert not touches(0, 60, by_camera=True)


def test_moments_are_rounded_as_names_are() -> None:
    assert moment(BEGAN + 0.1235) == "2025-11-22T19:54:00.124Z"
    assert moment(BEGAN + 59.9996) == "2025-11-22T19:55:00.000Z"
    assert moment(BEGAN) < moment(BEGAN + 0.001) < moment(BEGAN + 1)


def test_the_old_and_the_too_many_go_first() -> None:
    files = [LogFile(str(n), BEGAN + 60 * n, 0.0, 10) for n in range(5)]

    def gone(now: float, keep_s: float, keep_bytes: int) -> str:
        return "".join(file.name for file in expired(files, now, keep_s, keep_bytes))

    assert gone(BEGAN + 300, 1000, 1000) == ""
    assert gone(BEGAN + 300, 170, 1000) == "01"
    assert gone(BEGAN + 300, 1000, 25) == "012"
    assert gone(BEGAN + 300, 170, 15) == "0123"


def test_the_log_is_kept_as_long_as_ring_or_recording_and_bounded() -> None:
    def bounds(ring: float, hours: float | None = None, gigabytes: float = 10) -> tuple[float, int]:
        record = None if hours is None else RetentionOptions(hours=hours, gigabytes=gigabytes)
        return log_bounds(StreamOptions(name="gate", model="lanczos", ring=ring, record=record))

    assert bounds(60) == (3600, 57_600_000)
    assert bounds(60, hours=2) == (7200, 115_200_000)
    assert bounds(1440, hours=2)[0] == 86400
    assert bounds(0) == (600, 16_000_000)
    assert bounds(0, hours=8784) == (8784 * 3600, 2_000_000_000)


@pytest.mark.parametrize("torn", [b'{"pts":3,"how":"enh', b'{"pts":3}', b"\x00\x00"])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / log_name(BEGAN, 0)
    path.write_bytes(b'{"v":1}\n{"pts":1}\nnonsense\n[1]\n\xff\n{"pts":2}\n' + torn)
    assert list(read_lines(path)) == [
        (b'{"v":1}\n', {"v": 1}),
        (b'{"pts":1}\n', {"pts": 1}),
        (b'{"pts":2}\n', {"pts": 2}),
    ]
    path.unlink()
    assert list(read_lines(path)) == []
