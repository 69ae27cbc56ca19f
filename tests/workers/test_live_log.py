"""Each frame of a live stream has its line, written to files of a minute; the real session's add up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.live_types import CLOCK, CameraSource
from pipeline.stream import RetentionOptions
from pipeline.stream_log import list_logs, minute_of, read_lines
from tests.media.camera_servers import Behaviour, serve
from tests.workers.camera_rig import CameraRig
from tests.workers.live_rig import Watched, play
from tests.workers.live_sim import live_frame
from tests.workers.rig import Doubling, enhancer
from tests.workers.test_live import Slow
from workers import log_writer
from workers.live_frames import Shown
from workers.live_log import HELD_S, WAIT_S, LiveLog, LogLine
from workers.log_writer import LogWriter

WaitFor = Callable[..., None]
ROOT = Path(__file__).parents[2]
BEGAN = 1_763_841_240.0  # a whole minute


def shown(seconds: float, how: str = "enhanced", captured_s: float | None = None, detail: str = "") -> Shown:
    frame = live_frame(seconds, seed=0)
    frame.arrived_at = BEGAN + seconds
    frame.captured_at = None if captured_s is None else BEGAN + captured_s
    return Shown(frame, np.zeros((2, 2, 3), np.uint8), seconds, how, "espcn-x2", 6, 2, detail)


class Kept:
    """A log whose lines are kept, at a clock that tests set."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.lines: list[LogLine] = []
        self.log = LiveLog(self.lines.append, clock=lambda: self.now)

    @property
    def contents(self) -> list[dict[str, Any]]:
        return [line.content for line in self.lines]


def test_a_line_says_what_became_of_a_frame_and_what_happened_before_it() -> None:
    kept = Kept()
    kept.log.dropped(2)
    kept.log.event("gap", BEGAN + 0.9, {"seconds": 4.5})
    kept.log.shown(shown(1.0, "late", captured_s=0.75, detail="a frame was not back"), 0.3217)
    kept.log.dropped(1)
    kept.log.shown(shown(1.1), 0.05)
    assert kept.lines == []  # nobody can fetch them yet
    kept.log.available(round(1.0 * CLOCK), 0.81249)
    assert kept.contents == [
        {
            "pts": CLOCK,
            "arrived_at": "2025-11-22T19:54:01.000Z",
            "captured_at": "2025-11-22T19:54:00.750Z",
            "how": "late",
            "rung": "espcn-x2",
            "tiles": 6,
            "changed": 2,
            "encoded_s": 0.322,
            "detail": "a frame was not back",
            "dropped": 2,
            "events": [{"kind": "gap", "at": "2025-11-22T19:54:00.900Z", "seconds": 4.5}],
            "lag_s": 0.812,
        }
    ]
    assert kept.lines[0].offset_s == -0.25
    kept.log.close()
    assert (kept.contents[1]["dropped"], "lag_s" in kept.contents[1]) == (1, False)


def test_a_frame_that_never_becomes_available_holds_nothing_up() -> None:
    kept = Kept()
    for number in range(3):
        kept.log.shown(shown(number * 0.1), 0.01)
    kept.log.available(round(0.1 * CLOCK), 0.5)
    assert ["lag_s" in line for line in kept.contents] == [False, True]
    kept.now += WAIT_S - 0.1
    kept.log.look()
    assert len(kept.lines) == 2
    kept.now += 0.2
    kept.log.look()
    assert len(kept.lines) == 3
    kept.log.available(round(0.2 * CLOCK), 30.0)  # too late to be told
    assert len(kept.lines) == 3


def test_drops_and_events_that_no_frame_follows_are_told_all_the_same() -> None:
    kept = Kept()
    kept.log.dropped(3)
    kept.log.event("lost", BEGAN, {"code": "camera-silent"})
    kept.log.look()
    assert kept.lines == []
    kept.now += HELD_S
    kept.log.look()
    event = {"kind": "lost", "at": "2025-11-22T19:54:00.000Z", "code": "camera-silent"}
    assert kept.contents == [{"at": "2025-11-22T19:54:02.000Z", "dropped": 3, "events": [event]}]
    kept.log.dropped(1)
    kept.log.close()
    assert kept.contents[1] == {"at": "2025-11-22T19:54:02.000Z", "dropped": 1}


def line(seconds: float, offset_s: float = 0.0) -> LogLine:
    return LogLine(BEGAN + seconds, offset_s, {"pts": round(seconds * CLOCK)})


def read(folder: Path) -> list[tuple[str, list[Any]]]:
    found = []
    for file in list_logs(folder):
        heading, *lines = [content for _, content in read_lines(folder / file.name)]
        assert heading == {"v": 1, "stream": "gate"}
        found.append((file.name, [content["pts"] / CLOCK for content in lines]))
    return found


def test_files_begin_with_each_minute_and_where_the_clocks_part(tmp_path: Path) -> None:
    with LogWriter(tmp_path, {"stream": "gate"}, 1e12, 1 << 30) as writer:
        for seconds, offset_s in ((1, 0.2), (59.9, 0.3), (60, 0.3), (61, 3600.0), (62, 3600.5)):
            writer.put(line(seconds, offset_s))
    assert read(tmp_path) == [
        ("2025-11-22T19-54-01-000Z_200.jsonl", [1, 59.9]),
        ("2025-11-22T19-55-00-000Z_300.jsonl", [60]),
        ("2025-11-22T19-55-01-000Z_3600000.jsonl", [61, 62]),
    ]


def test_another_owner_at_the_same_moment_has_a_file_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        with LogWriter(tmp_path, {"stream": "gate"}, 1e12, 1 << 30) as writer:
            writer.put(line(1))
    assert [lines for _, lines in read(tmp_path)] == [[1], [1]]


def test_what_has_had_its_time_is_deleted(tmp_path: Path, wait_for: WaitFor) -> None:
    for minutes in range(4):
        with LogWriter(tmp_path, {"stream": "gate"}, 1e12, 1 << 30) as writer:
            writer.put(line(60.0 * minutes))
    with LogWriter(tmp_path, {"stream": "gate"}, 90, 1 << 30, clock=lambda: BEGAN + 240):
        wait_for(lambda: len(list_logs(tmp_path)) == 2, 20)
    with LogWriter(tmp_path, {"stream": "gate"}, 90, 10, clock=lambda: BEGAN + 240):
        wait_for(lambda: list_logs(tmp_path) == [], 20)


def test_a_disk_that_does_not_take_it_stops_nothing_and_what_is_lost_is_counted(
    tmp_path: Path, wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "WRITE_S", 0.02)
    folder = tmp_path / "log"  # not there, as after a deletion
    with LogWriter(folder, {"stream": "gate"}, 1e12, 1 << 30) as writer:
        writer.put(line(1))
        wait_for(lambda: writer.problem is not None)
        assert not folder.exists()
        folder.mkdir()
        writer.put(line(2))
        wait_for(lambda: writer.problem is None)
    (file,) = list_logs(folder)
    assert [content for _, content in read_lines(folder / file.name)][1:] == [{"pts": 2 * CLOCK, "lost": 1}]


WRITES = """
import sys, threading
from pathlib import Path
from pipeline.stream_log import list_logs
from workers.live_log import LogLine
from workers.log_writer import LogWriter
folder, pause = Path(sys.argv[1]), threading.Event()
with LogWriter(folder, {"stream": "gate"}, 1e12, 1 << 30) as writer:
    for number in range(1_000_000):
        writer.put(LogLine(1_763_841_240.0 + number / 100, 0.0, {"pts": number}))
        pause.wait(0.001)
        if number % 100 == 99 and list_logs(folder):
            print("written", flush=True)
"""


def test_a_killed_worker_leaves_whole_lines_and_the_next_goes_on(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITES, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"written\n"
        finally:
            process.kill()
    with LogWriter(tmp_path, {"stream": "gate"}, 1e12, 1 << 30) as writer:
        writer.put(line(3000))
    *before, (_, after) = read(tmp_path)
    pts = [round(at * CLOCK) for _, lines in before for at in lines]
    assert pts == list(range(len(pts)))
    assert len(pts) > 10
    assert after == [3000]


def test_every_frame_of_an_overloaded_session_is_accounted_for(tmp_path: Path, wait_for: WaitFor) -> None:
    slow, quick = enhancer(Slow(0.15)), enhancer(Doubling())
    lines: list[LogLine] = []
    log = LiveLog(lines.append)
    with (
        serve(Behaviour(rate=20)) as camera,
        Watched(
            CameraSource(camera.url),
            lambda name, scale: slow if name == "slow" else quick,
            tmp_path / "live",
            ladder=("slow", "doubling"),
            budget_s=2.0,
            journal=log,
        ) as watched,
    ):
        wait_for(lambda: sum(rung == "doubling" for _, _, rung, _ in watched.told.frames) > 10)
    log.close()
    contents = [line.content for line in lines]
    frames = [content for content in contents if "pts" in content]
    assert [(f["pts"], f["how"], f["rung"]) for f in frames] == [
        (pts, how, rung) for _, how, rung, pts in watched.told.frames
    ]
    played = [pts for pts, *_ in play(tmp_path / "live")]
    assert played == [frame["pts"] for frame in frames][-len(played) :]  # the playlist holds the last ones
    assert sum(content.get("dropped", 0) for content in contents) == watched.tally.dropped > 10
    lags = [frame["lag_s"] for frame in frames if "lag_s" in frame]
    assert lags == pytest.approx(watched.told.lags, abs=0.001)
    assert all(frame["encoded_s"] <= frame["lag_s"] + 0.001 for frame in frames if "lag_s" in frame)
    events = [event for content in contents for event in content.get("events", [])]
    assert {"size", "rung"} <= {event["kind"] for event in events}
    (told, *_) = watched.told.of("rung")
    (step, *_) = [event for event in events if event["kind"] == "rung"]
    assert (step["from"], step["to"], step["reason"]) == (told["from"], told["to"], told["reason"])
    assert (sum(f["changed"] for f in frames), sum(f["tiles"] for f in frames)) == (
        watched.tally.computed,
        watched.tally.tiles,
    )


def test_the_owner_of_a_stream_keeps_its_log_until_it_is_removed(rig: CameraRig, wait_for: WaitFor) -> None:
    with serve(Behaviour(rate=10, reports=True, auth="digest")) as camera:
        record = RetentionOptions(hours=1, gigabytes=1)
        stream = rig.make(camera.url, model="lanczos", scale=2, record=record, push_url="rtsp://192.0.2.1/x")
        folder = rig.files.log(stream.id)
        with rig.owned(stream):
            wait_for(lambda: rig.status(stream).frames >= 15)
            wait_for(lambda: list_logs(folder) != [])  # while it runs
            camera.kill()
            wait_for(lambda: rig.status(stream).state == "backing-off")
            camera.start()
            wait_for(lambda: rig.status(stream).frames >= 30)
    files = list_logs(folder)
    frames, kinds = [], []
    for file in files:
        heading, *lines = [content for _, content in read_lines(folder / file.name)]
        assert (heading["stream"], heading["weights"], heading["revision"]) == (stream.id, {"lanczos": None}, 1)
        assert heading["options"]["record"] == {"hours": 1.0, "gigabytes": 1.0}
        frames += [content for content in lines if "pts" in content]
        kinds += [event["kind"] for content in lines for event in content.get("events", [])]
        assert all(minute_of(file.start) <= file.start < file.end for file in files)
    assert len(frames) >= 30
    assert kinds[:2] == ["size", "lost"]
    assert "gap" in kinds
    assert {frame["how"] for frame in frames} <= {"resized", "reused"}
    assert any("captured_at" in frame for frame in frames)
    text = json.dumps(frames) + "".join((folder / file.name).read_text() for file in files)
    assert all(secret not in text for secret in ("s3cret", "operator", "rtsp:"))
    rig.files.remove(stream.id)
    assert not folder.exists()
