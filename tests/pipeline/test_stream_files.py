"""Where streams' files lie, and that no name leads elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.stream_files import StreamFiles


@pytest.fixture
def files(tmp_path: Path) -> StreamFiles:
    return StreamFiles(tmp_path)


def test_folders_are_private_and_each_owner_has_its_own(files: StreamFiles, tmp_path: Path) -> None:
    folder = files.create("yard", 7)
    files.create("yard", 8)
    assert folder == tmp_path / "streams" / "yard"
    found = {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.glob("**/*")}
    assert found == dict.fromkeys(["live", "live/7", "live/8", "ring", "recordings", "log", "snapshot"], 0o700)
    assert files.live("yard", 7) == folder / "live" / "7"
    assert files.snapshot("yard", "source") == folder / "snapshot" / "source.jpg"


def test_what_earlier_owners_wrote_is_cleared(files: StreamFiles) -> None:
    for epoch in (7, 8, 9):
        files.create("yard", epoch)
        (files.live("yard", epoch) / "live.m3u8").touch()
    files.clear_live("yard", keep=8)
    assert [path.name for path in files.live("yard", 8).parent.iterdir()] == ["8"]
    files.clear_live("yard")
    assert list(files.live("yard", 8).parent.iterdir()) == []
    files.clear_live("gate")  # which has none


def test_all_of_a_stream_is_removed_and_nothing_of_another(files: StreamFiles) -> None:
    for stream_id in ("yard", "yard2"):
        files.create(stream_id, 1)
    files.remove("yard")
    files.remove("yard")
    assert [path.name for path in files.folder("yard").parent.iterdir()] == ["yard2"]


@pytest.mark.parametrize("name", ["", "..", "../jobs", "a/b", "A", "a" * 65])
def test_no_name_leads_elsewhere(files: StreamFiles, name: str) -> None:
    with pytest.raises(ValueError, match="is no job id"):
        files.live(name, 1)
    with pytest.raises(ValueError, match="names no snapshot"):
        files.snapshot("yard", name)
