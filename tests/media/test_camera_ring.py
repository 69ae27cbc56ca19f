"""The camera and the ring together, over the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.camera import Camera
from media.camera_clock import CameraClock
from media.examine import examine
from media.live_types import CameraError, CameraSource, LiveFrame
from media.opening import open_input
from media.reader import VideoReader
from media.ring import SourceRing, cut, list_ranges
from media.types import VideoFrame
from tests.media.camera_material import material
from tests.media.camera_servers import Behaviour, serve
from tests.media.clips import LIMITS

LOOP = {codec: material(codec) for codec in ("h264", "hevc", "mjpeg")}


def watch(behaviour: Behaviour, ring: SourceRing) -> list[LiveFrame]:
    """All that the camera sends, kept in the ring too."""
    frames: list[LiveFrame] = []
    with serve(behaviour) as server:
        source = CameraSource(server.url, connect_timeout_s=5, silence_s=3)
        with Camera(source, CameraClock(), on_packet=ring.add) as camera, pytest.raises(CameraError):
            frames.extend(camera)
    ring.close()
    return frames


def kept(folder: Path, out: Path) -> list[VideoFrame]:
    ranges = list_ranges(folder)
    cut(folder, ranges[0][0] - 1, ranges[-1][1] + 1, out)
    with open_input(out) as container:
        facts = examine(container, LIMITS)
    with VideoReader(out, facts) as reader:
        return list(reader)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(loop=LOOP["h264"], parameters=False, frames=40, speed=2),
        Behaviour(loop=LOOP["h264"], in_band=False, frames=40, speed=2),
        Behaviour(loop=LOOP["hevc"], parameters=False, frames=40, speed=2),
        Behaviour(loop=LOOP["hevc"], in_band=False, frames=40, speed=2),
        Behaviour(loop=LOOP["mjpeg"], frames=40, speed=2),
    ],
    ids=["H.264 in band", "H.264 described", "H.265 in band", "H.265 described", "JPEG"],
)
def test_what_was_seen_live_is_what_is_kept(tmp_path: Path, behaviour: Behaviour) -> None:
    ring = SourceRing(tmp_path / "ring", 3600, 1 << 30, file_s=0.5)
    live = watch(behaviour, ring)
    again = kept(tmp_path / "ring", tmp_path / "cut.mov")
    assert len(live) == len(again) == 40
    assert all(np.array_equal(one.image, other.image) for one, other in zip(live, again, strict=True))


def test_a_broken_start_is_kept_from_where_it_can_be_decoded(tmp_path: Path) -> None:
    ring = SourceRing(tmp_path / "ring", 3600, 1 << 30, file_s=0.5)
    live = watch(Behaviour(broken_for_s=0.9, frames=60, speed=2), ring)
    assert ring.problem is None
    assert live
    again = kept(tmp_path / "ring", tmp_path / "cut.mov")
    assert 0 < len(again) <= len(live)
