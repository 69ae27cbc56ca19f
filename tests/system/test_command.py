"""The command `gleaner`: what cannot be used gets one clear line on stderr and exit code 2."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.media.clips import truncate, write_clip, write_sound

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


def gleaner(*arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GLEANER_", "REDIS"))}
    return subprocess.run(
        [sys.executable, "-m", "gleaner", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, env=clean | {"GLEANER_THREADS": "1"} | env, check=False,
    )  # fmt: skip


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("this is no video\n" * 100)


def no_moov(path: Path) -> None:
    truncate(write_clip(path.with_name("whole.mp4"), frames=10), path, 0.5)


def playlist(path: Path) -> None:
    path.write_text(PLAYLIST)


def concat_script(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile /etc/passwd\n")


def sound_only(path: Path) -> None:
    write_sound(path)


BAD_FILES: dict[str, Callable[[Path], None]] = {
    "is empty": empty,
    "not a video": text,
    "cannot be opened.*moov": no_moov,
    "playlist": playlist,
    "concat|script|not a video": concat_script,
    "no video": sound_only,
}


@pytest.mark.parametrize("words", BAD_FILES)
def test_unusable_clips_are_named_in_one_line(words: str, tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    BAD_FILES[words](source)
    _refused(gleaner("enhance", source, tmp_path / "out.mp4"), words)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "nonesuch"], "nonesuch.*espcn"),
        (["--model", "espcn-x4", "--scale", "3"], "no scale 3.*target_height"),
        (["--model", "espcn-x4", "--target-height", "9000"], "target.height|8640"),
        (["--scale", "4", "--target-height", "100"], "cannot both"),
    ],
)
def test_impossible_wishes_are_named_in_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", frames=2)
    _refused(gleaner("enhance", source, tmp_path / "out.mp4", *arguments), words)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    _refused(gleaner("enhance", tmp_path / "none.mp4", tmp_path / "out.mp4"), "none.mp4|no such file|not a file|exist")
    source = write_clip(tmp_path / "in.mp4", frames=2)
    _refused(gleaner("enhance", source, tmp_path / "nowhere" / "out.mp4"), "folder")


def test_what_cannot_be_written_is_said_before_any_work(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", frames=2)
    before = source.read_bytes()
    _refused(gleaner("enhance", source, source), "never overwritten")
    _refused(gleaner("enhance", source, tmp_path / "out.mp4", "--report", tmp_path / "no" / "r.json"), "folder")
    _refused(gleaner("enhance", source, tmp_path / "out.mp4", "--codec", "ffv1"), "name it out.mkv")
    _refused(gleaner("submit", source, "-o", source), "never overwritten")
    assert source.read_bytes() == before
    assert not (tmp_path / "out.mp4").exists()


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", frames=40, size=(320, 240))
    limited = f"ulimit -f 8; trap '' XFSZ; exec {sys.executable} -m gleaner enhance {source} {tmp_path}/out.mkv"
    limited += " --model lanczos --scale 2 --codec ffv1"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, timeout=120, check=False)
    _refused(done, "could not be written")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", frames=2)
    _refused(gleaner("enhance", source, tmp_path / "out.mp4", GLEANER_DEVICE="abacus"), "GLEANER_DEVICE.*abacus")


def test_a_service_that_could_never_run_is_not_started(tmp_path: Path) -> None:
    data = {"GLEANER_DATA_DIR": str(tmp_path / "data")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        _refused(gleaner("serve", GLEANER_PORT=port, **data), f"port {port} .*is taken")
        _refused(gleaner("api", GLEANER_PORT=port, REDIS_URL="redis://127.0.0.1:9", **data), f"port {port} .*is taken")
    _refused(gleaner("serve", GLEANER_PORT="abc", **data), "GLEANER_PORT.*abc")
    _refused(gleaner("serve", GLEANER_DEFAULT_MODEL="nonesuch", **data), "GLEANER_DEFAULT_MODEL.*nonesuch.*lanczos")
    assert not (tmp_path / "data").exists()


def test_no_service_is_named(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", frames=2)
    _refused(gleaner("submit", source, "--url", "http://127.0.0.1:9"), "no answer.*gleaner serve")


def test_workers_without_redis_say_so() -> None:
    for arguments in (["worker", "clip"], ["worker", "enhance"], ["api"]):
        _refused(gleaner(*arguments), "REDIS_URL")


def test_models_and_probe_answer(tmp_path: Path) -> None:
    assert "espcn-x4" in gleaner("models").stdout
    assert '"codec": "h264"' in gleaner("probe", write_clip(tmp_path / "in.mp4", frames=2)).stdout


def _refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert lines, "nothing on stderr"
    last = [line for line in lines if line.startswith("gleaner: ")]
    assert len(last) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(words, last[0], re.IGNORECASE), last[0]
