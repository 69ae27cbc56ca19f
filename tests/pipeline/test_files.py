"""Paths stay inside the data directory; removal bears races."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipeline.files import JobFiles


@pytest.mark.parametrize("job_id", ["", ".", "..", "../x", "a/b", "A", "a\n", "-a", "a" * 65, "ä", "a.b"])
def test_an_id_that_is_none_names_no_path(tmp_path: Path, job_id: str) -> None:
    files = JobFiles(tmp_path)
    calls = (files.folder, files.create, files.source, files.plan, files.report, files.remove, files.upload)
    for call in calls:
        with pytest.raises(ValueError, match="is no job id"):
            call(job_id)


def test_numbers_and_suffixes_are_checked(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    for number in (-1, 100_000, True, "1"):
        with pytest.raises(ValueError, match="number"):
            files.segment("job", number)  # type: ignore[arg-type]
    for suffix in ("", "mp4", "./../x", ".MP4", ".mp4/", ".mp4\n"):
        with pytest.raises(ValueError, match="suffix"):
            files.result("job", suffix)
    with pytest.raises(ValueError, match="preview"):
        files.preview("job", 0, "../a")


def test_layout(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    folder = files.create("job-1")
    assert files.create("job-1") == folder == tmp_path / "jobs" / "job-1"
    assert folder.stat().st_mode & 0o777 == 0o700
    named = [files.source("job-1"), files.plan("job-1"), files.segment("job-1", 3), files.segment_log("job-1", 3)]
    named += [files.result("job-1", ".mkv"), files.report("job-1"), files.preview("job-1", 2, "after")]
    assert [str(path.relative_to(folder)) for path in named] == [
        "source",
        "plan.json",
        "segments/00003.mp4",
        "segments/00003.jsonl",
        "result.mkv",
        "report.json",
        "preview/2-after.png",
    ]
    for path in named:
        path.write_bytes(b"x")  # every folder is there


def test_remove_bears_absence_repeats_and_a_broken_earlier_removal(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    files.remove("job")
    files.create("job")
    files.source("job").write_bytes(b"x")
    leftover = tmp_path / "jobs" / ".removed-job-1"
    leftover.mkdir()
    (leftover / "old").write_bytes(b"x")
    assert files.job_ids() == {"job"}
    files.remove("job")
    files.remove("job")
    assert list((tmp_path / "jobs").iterdir()) == []
    assert files.job_ids() == set()


def test_stale_uploads_go_and_growing_ones_stay(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    assert files.clean_uploads() == 0
    old, new = files.upload("old"), files.upload("new")
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    assert files.clean_uploads(older_than_s=3600) == 1
    assert not old.exists()
    assert new.exists()


def test_free_bytes(tmp_path: Path) -> None:
    assert JobFiles(tmp_path / "not" / "yet").free_bytes() > 0
