"""`gleaner watch` on a real camera: to a folder that plays, to a server, and what it says of what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from gleaner import app
from tests.media.camera_servers import Behaviour, serve
from tests.workers.live_rig import play

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("GLEANER_THREADS", "1")


def test_a_camera_is_watched_into_a_folder(tmp_path: Path) -> None:
    with serve(Behaviour(rate=8)) as camera:
        arguments = ["watch", camera.url, "--model", "espcn-x2", "-o", str(tmp_path / "out"), "--seconds", "6"]
        result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "enhanced" in result.stdout
    assert "the camera sends h264 96x64" in result.stderr
    assert "espcn-x2: " in result.stderr
    shown = play(tmp_path / "out")
    assert len(shown) >= 10
    assert {(width, height) for _, width, height in shown} == {(192, 128)}


def test_a_camera_that_is_not_there_is_told_and_its_password_is_not(tmp_path: Path) -> None:
    with serve() as camera:
        url = f"rtsp://operator:s3cret@127.0.0.1:{camera.port}/live"
    arguments = ["watch", "--ladder", "lanczos", "-o", str(tmp_path / "out"), "--seconds", "2"]
    result = RUNNER.invoke(app, arguments, env={"GLEANER_WATCH_URL": url})
    assert result.exit_code == 1
    assert "backing-off: The connection was refused by the camera" in result.stderr
    assert "0 frames" in result.stdout
    assert "s3cret" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["http://10.0.0.5/x", "-o", "out"], "rtsp:// or rtsps://"),
        (["rtsp://10.0.0.5/x"], "give -o DIR, or --push URL"),
        (["rtsp://10.0.0.5/x", "--push", "http://u:s3cret@h/x"], "--push is no RTSP address"),
        (["rtsp://10.0.0.5/x", "-o", "out", "--model", "none-such"], "none-such"),
        (["rtsp://10.0.0.5/x", "-o", "out", "--scale", "2", "--target-height", "64"], "cannot both be met"),
        (["rtsp://10.0.0.5/x", "-o", "out", "--transport", "smoke"], "tcp or udp"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, ["watch", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "s3cret" not in result.output
