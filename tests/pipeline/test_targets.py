"""Files that are to be written, refused before any work."""

from pathlib import Path

import pytest

from pipeline.targets import TargetError, check_suffix, check_targets


def test_the_source_is_never_a_target_by_whatever_name(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(b"x")
    (tmp_path / "soft.mp4").symlink_to(source)
    (tmp_path / "hard.mp4").hardlink_to(source)
    for name in ("in.mp4", "soft.mp4", "hard.mp4", "../" + tmp_path.name + "/in.mp4"):
        for targets in ([tmp_path / name], [tmp_path / "out.mp4", tmp_path / name]):
            with pytest.raises(TargetError, match="never overwritten"):
                check_targets(source, targets)


def test_folders_missing_folders_and_doubles_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    with pytest.raises(TargetError, match="is a folder"):
        check_targets(source, [tmp_path])
    with pytest.raises(TargetError, match=r"folder of out\.mp4 does not exist"):
        check_targets(source, [tmp_path / "nowhere" / "out.mp4"])
    with pytest.raises(TargetError, match="twice"):
        check_targets(source, [tmp_path / "out", tmp_path / "out"])


def test_new_and_existing_files_are_fine(tmp_path: Path) -> None:
    (tmp_path / "old.mp4").write_bytes(b"x")
    check_targets(tmp_path / "in.mp4", [tmp_path / "old.mp4", None, tmp_path / "report.json"])


def test_the_suffix_must_say_what_the_file_is(tmp_path: Path) -> None:
    check_suffix(tmp_path / "a.MP4", ".mp4")
    check_suffix(tmp_path / "a.mkv", ".mkv")
    for name, suffix, better in (("a.mp4", ".mkv", "a.mkv"), ("a.avi", ".mp4", "a.mp4"), ("a", ".mp4", "a.mp4")):
        with pytest.raises(TargetError, match=f"name it {better}"):
            check_suffix(tmp_path / name, suffix)
