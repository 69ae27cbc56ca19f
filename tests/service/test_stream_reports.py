"""Reports on a camera's frames: their sums, line by line, by either clock, and the links that lead there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.live_types import CLOCK
from media.recording_files import recording_name
from pipeline.stream_files import StreamFiles
from pipeline.stream_log import list_logs
from service.report_summary import EVENTS_LISTED, Summary
from tests.workers.live_sim import live_frame
from workers.live_frames import Shown
from workers.live_log import LiveLog
from workers.log_writer import LogWriter

BEGAN = 1_763_841_265.0  # 2025-11-22T19:54:25Z
WISH = {"name": "gate", "url": "rtsp://user:hush@192.0.2.10/", "model": "espcn-x2"}
OPTIONS = {"name": "gate", "model": "espcn-x2", "budget_s": 3.0}


@pytest.fixture
def cameras(serve: Callable[..., Any]) -> Any:
    return serve(camera_networks="192.0.2.0/24")


@pytest.fixture
def stream(cameras: Any) -> str:
    """Id of a stream."""
    return str(cameras.http.post("/v1/streams", json=WISH).json()["id"])


@pytest.fixture
def folder(cameras: Any, stream: str) -> Path:
    """Of the stream's frame log."""
    files = StreamFiles(cameras.settings.data_dir)
    files.create(stream, 1)
    return files.log(stream)


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(BEGAN + seconds, UTC).isoformat()


def problem(answer: Any, status: int, code: str) -> str:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    return str(answer.json()["detail"])


def write_log(
    folder: Path, begin_s: float, seconds: int, *, camera_s: float | None = None, weights: str = "a" * 64
) -> None:
    """As the camera worker writes it: ten frames a second, each tenth late, on another rung and after two drops.

    camera_s: the camera's clock minus ours.
    """
    heading = {"stream": "x", "epoch": 1, "revision": 1, "options": OPTIONS, "weights": {"espcn-x2": weights}}
    with LogWriter(folder, heading, 1e12, 1 << 30) as writer:
        log = LiveLog(writer.put)
        for index in range(seconds * 10):
            at, last = BEGAN + begin_s + index / 10, index % 10 == 9
            frame = live_frame(begin_s + index / 10, seed=0)
            frame.arrived_at, frame.captured_at = at, None if camera_s is None else at + camera_s
            if last:
                log.dropped(2)
                log.event("rung", at, {"from": "espcn-x2", "to": "lanczos", "down": True, "reason": "a frame was late"})
            if index == 5:
                log.event("gap", at, {"seconds": 1.5})
            how, rung = ("late", "lanczos") if last else ("enhanced", "espcn-x2")
            log.shown(Shown(frame, np.zeros((2, 2, 3), np.uint8), 0.0, how, rung, 6, 3), 0.02)
            log.available(frame.pts, 0.9 if last else 0.2 + index % 10 / 1000)
        log.close()


def test_a_stretch_is_summed_up(cameras: Any, stream: str, folder: Path) -> None:
    write_log(folder, 0, 70)
    assert len(list_logs(folder)) == 2  # the minutes of 19:54 and 19:55
    path = f"/v1/streams/{stream}/report"
    assert cameras.http.get(f"/v1/streams/{stream}").json()["links"]["report"] == path
    answer = cameras.http.get(path, params={"start": moment(30), "end": moment(50)})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), answer.text
    body = answer.json()
    assert (body["stream"], body["name"], body["clock"]) == (stream, "gate", "arrival")
    assert (body["start"], body["end"]) == ("2025-11-22T19:54:55.000Z", "2025-11-22T19:55:15.000Z")
    (settings,) = body["settings"]
    assert (settings["weights"], settings["options"]) == ({"espcn-x2": "a" * 64}, OPTIONS)
    summary = body["summary"]
    assert (summary["first_frame_at"], summary["last_frame_at"]) == (
        "2025-11-22T19:54:55.000Z",
        "2025-11-22T19:55:14.900Z",
    )
    assert (summary["frames"], summary["how"]) == (200, {"enhanced": 180, "late": 20})
    assert {name: rung["frames"] for name, rung in summary["rungs"].items()} == {"espcn-x2": 180, "lanczos": 20}
    assert (summary["dropped"], summary["recomputed_share"], summary["lines_lost"]) == (40, 0.5, 0)
    assert summary["lag"] == {"frames": 200, "p50_s": 0.204, "p95_s": 0.9, "max_s": 0.9}
    assert summary["rungs"]["espcn-x2"]["lag"] == {"frames": 180, "p50_s": 0.204, "p95_s": 0.208, "max_s": 0.208}
    assert summary["encoded"]["max_s"] == 0.02
    assert (summary["event_counts"], summary["events_left_out"]) == ({"rung": 20}, 0)
    assert summary["events"][0]["reason"] == "a frame was late"
    whole = cameras.http.get(path, params={"start": moment(-60), "end": moment(3600)}).json()["summary"]
    assert (whole["frames"], whole["gaps"], whole["gaps_s"]) == (700, 1, 1.5)
    assert "hush" not in answer.text


def test_the_lines_come_as_they_were_written(cameras: Any, stream: str, folder: Path) -> None:
    write_log(folder, 30, 10)
    write_log(folder, 40, 2, weights="b" * 64)
    (first, *_) = list_logs(folder)
    with (folder / first.name).open("ab") as file:
        file.write(b'{"pts":1,"arr')  # a crash
    query = {"start": moment(39), "end": moment(41), "format": "jsonl"}
    answer = cameras.http.get(f"/v1/streams/{stream}/report", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson"), answer.text
    assert "gate-" in answer.headers["content-disposition"]
    heading, *lines, last = [json.loads(line) for line in answer.text.splitlines()]
    assert heading["report"]["stream"] == stream
    frames = [line for line in lines if "pts" in line]
    assert [line["pts"] for line in frames] == [round((39 + n / 10) * CLOCK) for n in range(20)]
    assert [line["weights"]["espcn-x2"][0] for line in lines if "v" in line] == ["a", "b"]
    assert {"how", "rung", "tiles", "changed", "lag_s", "encoded_s", "arrived_at"} <= frames[0].keys()
    assert (frames[9]["dropped"], frames[9]["events"][0]["kind"]) == (2, "rung")
    plain = cameras.http.get(f"/v1/streams/{stream}/report", params=query | {"format": "json"}).json()
    assert last["summary"] == plain["summary"]
    again = cameras.http.get(plain["links"]["lines"])
    assert again.text == answer.text
    assert len(plain["settings"]) == 2


def test_a_recording_leads_to_the_report_of_its_frames_by_the_cameras_clock(
    cameras: Any, stream: str, folder: Path
) -> None:
    write_log(folder, 0, 20, camera_s=3600.0)
    recordings = StreamFiles(cameras.settings.data_dir).recordings(stream)
    (recordings / recording_name(BEGAN + 3600 + 5, 10.0)).write_bytes(b"video")
    (found,) = cameras.http.get(f"/v1/streams/{stream}/recordings").json()["recordings"]
    report = cameras.http.get(found["report"]).json()
    assert (report["clock"], report["summary"]["frames"], report["summary"]["with_capture_time"]) == (
        "capture",
        100,
        100,
    )
    assert report["summary"]["first_frame_at"] == "2025-11-22T19:54:30.000Z"


def test_reports_that_cannot_be_are_refused(cameras: Any, stream: str, folder: Path) -> None:
    path = f"/v1/streams/{stream}/report"

    def asked(**query: Any) -> Any:
        return cameras.http.get(path, params={"start": moment(0), "end": moment(60), **query})

    assert "stream gate" in problem(asked(), 404, "no-report")
    write_log(folder, 0, 1)
    assert asked().status_code == 200
    assert cameras.http.head(path, params={"start": moment(0), "end": moment(60)}).status_code == 200
    problem(asked(start=moment(3600), end=moment(3700)), 404, "no-report")
    problem(asked(end=moment(0)), 422, "invalid-request")
    assert "6 hours" in problem(asked(end=moment(6 * 3600 + 1)), 422, "invalid-request")
    problem(asked(start="yesterday"), 422, "invalid-request")
    problem(asked(format="csv"), 422, "invalid-request")
    problem(cameras.http.get(path), 422, "invalid-request")
    problem(cameras.http.get("/v1/streams/none/report"), 404, "not-found")
    cameras.http.delete(f"/v1/streams/{stream}")
    assert not folder.exists()
    problem(asked(), 404, "not-found")


def test_a_summary_of_many_events_stays_small() -> None:
    summary = Summary()
    for _ in range(EVENTS_LISTED + 5):
        summary.add({"at": "2025-11-22T19:54:30.000Z", "events": [{"kind": "gap", "seconds": 0.5}]})
    body = summary.body()
    assert (len(body.events), body.events_left_out, body.gaps, body.gaps_s) == (500, 5, 505, 252.5)
    assert (body.frames, body.lag, body.recomputed_share) == (0, None, None)
