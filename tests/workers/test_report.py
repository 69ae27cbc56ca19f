"""The report says what happened to each frame, whatever the length of the clip."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from media.estimate.degradation import Degradation
from media.remux import JoinReport
from media.types import ClipFacts, ColourTags, Damage, DamageEvent, OutputSettings
from models.catalog import MODELS
from pipeline.job import CameraStretch
from workers.added import Added
from workers.framelog import FrameLog
from workers.report import STATEMENT_LEARNED, STATEMENT_PLAIN, Subject, summarise, write_report
from workers.stretch import FrameRecord, Tally

COLOUR = ColourTags(full_range=False, matrix=1, primaries=1, transfer=1)
CLIP = ClipFacts(
    container="matroska,webm",
    codec="h264",
    width=96,
    height=64,
    pix_fmt="yuv420p",
    bit_depth=8,
    grey=False,
    rotation=0,
    sample_aspect_ratio=Fraction(1),
    colour=COLOUR,
    interlaced="progressive",
    time_base=Fraction(1, 1000),
    start_pts=0,
    duration_s=0.2,
    average_rate=None,
    frames=5,
    video_index=0,
)
OUTPUT = OutputSettings(
    codec="h264",
    quality="standard",
    container="mp4",
    suffix=".mp4",
    pix_fmt="yuv420p",
    width=192,
    height=128,
    time_base=Fraction(1, 1000),
    colour=COLOUR,
    rotation=0,
    sample_aspect_ratio=Fraction(1),
    notes=("a note",),
)
HOWS = ("enhanced", "enhanced-float32", "reused", "resized")


def subject(model: str) -> Subject:
    return Subject(
        job="job-a",
        source_name='a "clip" – 1.mkv',
        source_sha256="ab" * 32,
        source_bytes=123,
        clip=CLIP,
        model=MODELS[model],
        scale=2,
        output=OUTPUT,
        requested={"model": model},
    )


@pytest.fixture
def logs(tmp_path: Path) -> list[Path]:
    """Two segments of four and one frames."""
    paths = [tmp_path / "00000.jsonl", tmp_path / "00001.jsonl"]
    with FrameLog(paths[0]) as log:
        for number, how in enumerate(HOWS):
            log.add(FrameRecord(40 * number, how, 6, 3, damaged=how == "resized", detail=how))
        events = [DamageEvent(120, "frame is corrupt")] * 60
        damage = Damage(packets=1, frames=1, events=events)
        log.finish(Tally(frames=4, resized=1, tiles=24, reused=12, busy_s=1.5), damage, 2.0)
    with FrameLog(paths[1]) as log:
        log.add(FrameRecord(163, "enhanced", 6, 6, damaged=False))
        log.finish(Tally(frames=1, tiles=6, busy_s=0.25), Damage(packets=2, events=events), 1.0)
    return paths


def test_sums_go_over_all_segments(logs: list[Path]) -> None:
    summary = summarise(subject("lanczos"), logs, JoinReport(5, ("audio",), ("data: why",)), "cd" * 32, 456)
    assert summary["frames"] == {
        "written": 5,
        "enhanced": 3,
        "enhanced_again_in_float32": 1,
        "reused_whole": 1,
        "resized_only": 1,
    }
    assert summary["timing"] == {"time_base": "1/1000", "first_pts": 0, "last_pts": 163}
    assert summary["reuse_share"] == 0.4
    assert (summary["damage"]["packets"], summary["damage"]["frames"]) == (3, 1)
    assert len(summary["damage"]["events"]) == 100
    assert summary["network_s"] == 1.75
    assert summary["streams"] == {"kept": ["audio"], "dropped": ["data: why"]}
    assert (summary["output"]["sha256"], summary["output"]["bytes"]) == ("cd" * 32, 456)
    assert summary["output"]["notes"] == ["a note"]


@pytest.mark.parametrize(("model", "statement"), [("lanczos", STATEMENT_PLAIN), ("espcn-x2", STATEMENT_LEARNED)])
def test_it_says_whether_the_model_learned(model: str, statement: str, logs: list[Path]) -> None:
    summary = summarise(subject(model), logs, JoinReport(5, (), ()), "cd" * 32, 456)
    assert summary["statement"] == statement
    assert summary["model"]["name"] == model
    assert summary["model"]["learned"] is (model != "lanczos")
    assert summary["model"]["weights_sha256"] == MODELS[model].sha256


def test_the_file_is_one_json_document_with_every_frame(logs: list[Path], tmp_path: Path) -> None:
    summary = summarise(subject("espcn-x2"), logs, JoinReport(5, (), ()), "cd" * 32, 456)
    path = tmp_path / "report.json"
    write_report(path, summary, logs)
    written = json.loads(path.read_text(encoding="utf-8"))
    frames = written.pop("frame_log")
    assert written == json.loads(json.dumps(summary))
    assert [frame["pts"] for frame in frames] == [0, 40, 80, 120, 163]
    assert [frame["how"] for frame in frames] == [*HOWS, "enhanced"]
    assert not (tmp_path / "report.json.part").exists()


def test_added_detail_is_summed_up_over_all_segments(tmp_path: Path) -> None:
    """Maps of 6 x 4 cells, a frame of each segment with its own."""
    paths = [tmp_path / "00000.jsonl", tmp_path / "00001.jsonl"]
    one, other = "01" * 24, "0." + "03" * 23
    frames = [[Added(1.0, 0.5, one), Added(2.0, 1.5, one)], [Added(None, None, other), Added(6.0, 1.0, other)]]
    for number, path in enumerate(paths):
        with FrameLog(path) as log:
            for n, added in enumerate(frames[number]):
                log.add(FrameRecord(100 * number + n, "enhanced", 6, 6, damaged=False, added=added))
            log.finish(Tally(frames=2), Damage(), 1.0)
    added = summarise(subject("espcn-x2"), paths, JoinReport(4, (), ()), "cd" * 32, 456)["added"]
    assert added["error"] == {"mean": 3.0, "max": 6.0, "max_pts": 101, "frames": 3}
    assert added["detail"] == {"mean": 1.0, "max": 1.5, "max_pts": 1, "frames": 3}
    # Digits 1 and 3 stand for 0.59 and 1.19 levels; their root mean square over equally many frames is 0.94.
    assert added["map"] == {"columns": 6, "rows": 4, "mean": "01" + "02" * 23}
    assert "8-bit levels" in added["legend"]


@pytest.mark.parametrize("consistency", [True, False])
def test_it_says_whether_consistency_was_asked_for(consistency: bool, logs: list[Path]) -> None:
    asked = replace(subject("lanczos"), requested={"model": "lanczos", "consistency": consistency})
    summary = summarise(asked, logs, JoinReport(5, (), ()), "cd" * 32, 456)
    assert summary["consistency"]["applied"] is consistency
    assert ("shrinks" in (summary["consistency"]["how"] or "")) is consistency


def test_footage_beyond_what_the_model_was_measured_on_is_said_to_be_so(logs: list[Path]) -> None:
    limits = MODELS["espcn-x2"].limits
    assert limits is not None
    found = Degradation(9, noise=21.2, blur=0.6, blockiness=0.5, combing=0.0, grey=False, level=90.0, contrast=140.0)
    for model, words in (
        ("espcn-x2", [f"noise of about 21 levels; espcn-x2 was measured up to {limits.noise:g}"]),
        ("lanczos", []),
    ):
        asked = replace(subject(model), estimate=found)
        summary = summarise(asked, logs, JoinReport(5, (), ()), "cd" * 32, 456)
        assert summary["source"]["estimate"]["noise"] == 21.2
        assert summary["outside_envelope"] == words
    unknown = summarise(subject("espcn-x2"), logs, JoinReport(5, (), ()), "cd" * 32, 456)
    assert (unknown["source"]["estimate"], unknown["outside_envelope"]) == (None, [])


def test_a_clip_of_a_camera_says_what_was_cut_and_what_is_missing(logs: list[Path]) -> None:
    cut = CameraStretch(stream="s", name="gate", asked_start=1.0, asked_end=9.0, start=0.5, end=9.0, gaps=((3.0, 4.0),))
    joined = JoinReport(5, (), ())
    source = summarise(replace(subject("lanczos"), camera=cut), logs, joined, "00" * 32, 9)["source"]
    assert (source["camera"]["name"], source["camera"]["start"], source["camera"]["gaps"]) == (
        "gate",
        0.5,
        [[3.0, 4.0]],
    )
    assert summarise(subject("lanczos"), logs, joined, "00" * 32, 9)["source"]["camera"] is None


def test_a_clip_without_frames_has_a_report(tmp_path: Path) -> None:
    log_file = tmp_path / "00000.jsonl"
    with FrameLog(log_file) as log:
        log.finish(Tally(), Damage(packets=3), 0.1)
    summary = summarise(subject("lanczos"), [log_file], JoinReport(0, (), ()), "cd" * 32, 0)
    assert summary["timing"]["first_pts"] is None
    assert summary["reuse_share"] == 0.0
    assert summary["added"]["error"] == {"mean": None, "max": None, "max_pts": None, "frames": 0}
    assert set(summary["added"]["map"]["mean"]) == {"."}
    write_report(tmp_path / "report.json", summary, [log_file])
    assert json.loads((tmp_path / "report.json").read_text())["frame_log"] == []


def test_a_report_that_cannot_be_written_leaves_nothing(logs: list[Path], tmp_path: Path) -> None:
    summary = summarise(subject("lanczos"), logs, JoinReport(5, (), ()), "cd" * 32, 456)
    logs[1].unlink()
    with pytest.raises(FileNotFoundError):
        write_report(tmp_path / "report.json", summary, logs)
    assert [path.name for path in tmp_path.iterdir()] == ["00000.jsonl"]
