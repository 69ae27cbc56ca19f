"""A writer in the background: the bytes of the one in the foreground, and its failures told in time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from media.background import BEHIND, BackgroundWriter
from media.colour_changes import Box
from media.writer import VideoWriter
from tests.media.test_writer import pictures, settings

SIZE = (640, 400)


def threads() -> int:
    return sum(thread.name == "encode" for thread in threading.enumerate())


@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
def test_bytes_are_those_of_a_writer_that_converts_every_picture(tmp_path: Path, codec: str) -> None:
    """Whole changes, small ones and none; the image is written over as soon as it was taken."""
    output = settings(codec, SIZE)
    image = pictures(1, SIZE)[0]
    with (
        VideoWriter(tmp_path / "plain", output, threads=2) as plain,
        BackgroundWriter(tmp_path / "background", output, threads=2) as background,
    ):
        for n in range(14):
            changed: list[Box] | None = None
            if n % 5 == 4:
                image[...] = np.roll(image, 7, axis=1)
            elif n % 2:
                changed = []
            elif n:
                changed = [Box(30 * n, 20 * n, 30 * n + 50, 20 * n + 40)]
                image[20 * n : 20 * n + 40, 30 * n : 30 * n + 50] ^= 255
            plain.write(image, 3600 * n, grey=n == 9, duration=3600)
            background.write(image, 3600 * n, grey=n == 9, duration=3600, changed=changed)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "background").read_bytes()
    assert threads() == 0


def test_pictures_of_another_size_are_resized_and_those_that_did_not_change_are_given_again(tmp_path: Path) -> None:
    output = settings("ffv1", (96, 64))
    large = pictures(1, (200, 120))[0]
    with VideoWriter(tmp_path / "plain", output) as plain, BackgroundWriter(tmp_path / "other", output) as background:
        for n, changed in enumerate([None, [], [Box(0, 0, 4, 4)], []]):
            if changed:
                large[:4, :4] ^= 255
            plain.write(large, n)
            background.write(large, n, changed=changed)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "other").read_bytes()


def test_what_the_encoder_raises_is_raised_by_a_later_write_and_leaves_no_file(
    tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    def write() -> None:
        with BackgroundWriter(tmp_path / "clip.mp4", settings()) as writer:
            writer.write(pictures(1)[0], 3600)
            writer.write(pictures(1)[0], 3600)
            wait_for(lambda: writer._error is not None)
            with pytest.raises(ValueError, match="pts must increase"):
                writer.check()
            writer.write(pictures(1)[0], 7200)
            pytest.fail("written after an error")

    with pytest.raises(ValueError, match="pts must increase"):
        write()
    assert list(tmp_path.iterdir()) == []
    assert threads() == 0


def test_what_the_encoder_raises_last_is_raised_at_the_end(tmp_path: Path) -> None:
    def write() -> None:
        with BackgroundWriter(tmp_path / "clip.mp4", settings()) as writer:
            writer.write(pictures(1)[0], 3600)
            writer.write(pictures(1)[0], 3600)

    with pytest.raises(ValueError, match="pts must increase"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_after_an_error_nobody_waits_for_room(tmp_path: Path) -> None:
    def write() -> None:
        with BackgroundWriter(tmp_path / "clip.mp4", settings()) as writer:
            for _ in range(5 * BEHIND):
                writer.write(pictures(1)[0], 3600)

    with pytest.raises(ValueError, match="pts must increase"):
        write()


def test_the_callers_error_leaves_nothing_and_no_thread(tmp_path: Path) -> None:
    def write() -> None:
        with BackgroundWriter(tmp_path / "clip.mp4", settings()) as writer:
            writer.write(pictures(1)[0], 0)
            raise KeyError("the caller's")

    with pytest.raises(KeyError):
        write()
    assert list(tmp_path.iterdir()) == []
    assert threads() == 0
