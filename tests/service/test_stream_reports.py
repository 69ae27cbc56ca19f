"""Reports on a camera's frames: their sums, line by line, by either clock, and the links that lead there."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from media import moments
from media.live_types import CLOCK
from media.recording_files import recording_name
from pipeline.stream_files import StreamFiles
from pipeline.stream_log import line_of, list_logs, log_name, minute_of
from service.report_summary import EVENTS_LISTED, Summary
from tests.media.camera_footage import BEGAN, moment
from tests.service.answers import problem, why

WISH = {"name": "gate", "url": "rtsp://user:hush@192.0.2.10/", "model": "espcn-x2"}
OPTIONS = {"name": "gate", "model": "espcn-x2", "budget_s": 3.0}


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


def write_log(
    folder: Path, begin_s: float, seconds: int, *, camera_s: float | None = None, weights: str = "a" * 64
) -> None:
    """As the camera worker writes it: ten frames a second, each tenth late, on another rung and after two drops.

    camera_s: the camera's clock minus ours.
    """
    heading = {"v": 1, "stream": "x", "epoch": 1, "revision": 1, "options": OPTIONS, "weights": {"espcn-x2": weights}}
    lines = [(BEGAN + begin_s + index / 10, frame_line(begin_s, index, camera_s)) for index in range(seconds * 10)]
    for _, minute in groupby(lines, key=lambda line: minute_of(line[0])):
        (first, content), *others = minute
        path = folder / log_name(first, round(1000 * (camera_s or 0.0)))
        path.write_bytes(b"".join(map(line_of, [heading, content, *(content for _, content in others)])))


def frame_line(begin_s: float, index: int, camera_s: float | None) -> dict[str, Any]:
    at, last = BEGAN + begin_s + index / 10, index % 10 == 9
    content: dict[str, Any] = {"pts": round((begin_s + index / 10) * CLOCK), "arrived_at": moments.moment(at)}
    if camera_s is not None:
        content["captured_at"] = moments.moment(at + camera_s)
    how, rung = ("late", "lanczos") if last else ("enhanced", "espcn-x2")
    content |= {"how": how, "rung": rung, "tiles": 6, "changed": 3, "encoded_s": 0.02}
    content["lag_s"] = 0.9 if last else round(0.2 + index % 10 / 1000, 3)
    if last:
        step = {"from": "espcn-x2", "to": "lanczos", "down": True, "reason": "a frame was late"}
        content |= {"dropped": 2, "events": [{"kind": "rung", "at": moments.moment(at), **step}]}
    if index == 5:
        content["events"] = [{"kind": "gap", "at": moments.moment(at), "seconds": 1.5}]
    return content


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

    assert "stream gate" in why(asked(), 404, "no-report")
    write_log(folder, 0, 1)
    assert asked().status_code == 200
    assert cameras.http.head(path, params={"start": moment(0), "end": moment(60)}).status_code == 200
    problem(asked(start=moment(3600), end=moment(3700)), 404, "no-report")
    problem(asked(end=moment(0)), 422, "invalid-request")
    assert "6 hours" in why(asked(end=moment(6 * 3600 + 1)), 422, "invalid-request")
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


def test_a_summary_says_how_much_was_made_of_several_frames() -> None:
    line = {"pts": 0, "arrived_at": "2025-11-22T19:54:30.000Z", "how": "enhanced", "rung": "espcn-x2"}
    line |= {"tiles": 6, "changed": 3, "encoded_s": 0.1}
    summary = Summary()
    summary.add(line | {"how": "late"})  # what it shows was looked at, and is not what is shown
    assert (summary.body().noise, summary.body().fused_share, summary.body().most_observations) == (None, None, None)
    summary.add(line | {"look": {"noise": 2.0, "kept_error": 0.0, "fused": 3, "observations": 2.5}})
    summary.add(line | {"look": {"noise": 3.0, "kept_error": 0.0, "fused": 6, "observations": 1.5}})
    assert (summary.body().noise, summary.body().fused_share, summary.body().most_observations) == (2.5, 0.5, 2.5)
