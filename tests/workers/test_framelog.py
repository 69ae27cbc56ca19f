"""Frame logs appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from media.types import Damage, DamageEvent
from workers.added import Added
from workers.framelog import FrameLog, frame_lines, segment_end
from workers.stretch import FrameRecord, Tally


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "00000.jsonl"
    damage = Damage(packets=2, frames=1, events=[DamageEvent(40, "frame is corrupt")])
    with FrameLog(path) as log:
        log.add(FrameRecord(0, "enhanced", 6, 6, damaged=False))
        log.add(FrameRecord(40, "resized", 6, 2, damaged=True, detail='a "reason" in two\nlines – and {"end"'))
        assert not path.exists()
        log.finish(Tally(frames=2, resized=1, tiles=12, reused=4, busy_s=0.5), damage, 1.23456)
    assert [json.loads(line) for line in frame_lines(path)] == [
        {"pts": 0, "how": "enhanced", "tiles": 6, "changed": 6},
        {
            "pts": 40,
            "how": "resized",
            "tiles": 6,
            "changed": 2,
            "damaged": True,
            "detail": 'a "reason" in two\nlines – and {"end"',
        },
    ]
    end = segment_end(path)
    assert Tally(**end.tally) == Tally(frames=2, resized=1, tiles=12, reused=4, busy_s=0.5)
    assert end.damage == {"packets": 2, "frames": 1, "events": [{"pts": 40, "what": "frame is corrupt"}]}
    assert end.wall_s == 1.235
    assert [entry.name for entry in tmp_path.iterdir()] == ["00000.jsonl"]


def test_a_map_is_written_only_where_it_changed(tmp_path: Path) -> None:
    scores = [Added(1.5, 0.25, "10"), Added(1.6, 0.25, "10"), Added(None, None, ".."), Added(1.5, 0.25, "10"), None]
    with FrameLog(tmp_path / "00000.jsonl") as log:
        for pts, added in enumerate(scores):
            log.add(FrameRecord(pts, "enhanced", 6, 6, damaged=False, added=added))
        log.finish(Tally(), Damage(), 1.0)
    lines = [json.loads(line).get("added") for line in frame_lines(tmp_path / "00000.jsonl")]
    assert lines == [
        {"error": 1.5, "detail": 0.25, "map": "10"},
        {"error": 1.6, "detail": 0.25},
        {"error": None, "detail": None, "map": ".."},
        {"error": 1.5, "detail": 0.25, "map": "10"},
        None,
    ]


def test_an_exception_leaves_no_log(tmp_path: Path) -> None:
    def fail() -> None:
        with FrameLog(tmp_path / "00000.jsonl") as log:
            log.add(FrameRecord(0, "enhanced", 6, 6, damaged=False))
            raise KeyError("anything")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", '{"pts":0,"how":"enhanced","tiles":6,"changed":6}\n'])
def test_a_log_that_was_cut_short_is_told_from_a_whole_one(text: str, tmp_path: Path) -> None:
    path = tmp_path / "00000.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match="has no end"):
        segment_end(path)
