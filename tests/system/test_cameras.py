"""The whole service on a camera: live view, snapshot, a clip of what it saw, and nothing left when it is removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import httpx2
import numpy as np
import pytest

from service.client import Client
from tests.media.camera_material import material
from tests.media.camera_servers import Behaviour, serve
from tests.system.conftest import Service
from tests.system.test_clips import metric
from tests.waiting import wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
SIZE = (96, 64)
WAIT_S = 60.0


def until(look: Callable[[], Any], service: Service) -> Any:
    """What `look` gives once it is true."""
    return wait_for(look, WAIT_S, pause_s=0.05, why=lambda: f"log:\n{service.log.read_text()[-5000:]}")


def test_a_camera_is_watched_pictured_clipped_and_removed(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service(camera_networks="127.0.0.1/32", camera_ports="any", camera_workers="1")
    loop = material(size=SIZE, gop=8)
    with serve(Behaviour(loop, rate=8.0, reports=True)) as camera, httpx2.Client(base_url=service.url) as http:
        wanted = {"name": "yard", "url": camera.url, "model": "espcn-x4", "ladder": ["espcn-x4"], "budget_s": 5.0}
        added = http.post("/v1/streams", json=wanted)
        assert added.status_code == 201, added.text
        stream = added.headers["Location"]

        def playlist() -> str | None:
            answer = http.get(f"{stream}/live/live.m3u8", timeout=30)
            return answer.text if answer.status_code == 200 and answer.text.count("#EXTINF") >= 2 else None

        until(playlist, service)
        shown = http.get(stream).json()
        assert shown["state"] == "online"
        assert shown["options"]["ladder"] == ["espcn-x4", "lanczos"]
        assert (shown["live"]["source"]["width"], shown["live"]["source"]["height"]) == SIZE
        with av.open(f"{service.url}{stream}/live/live.m3u8", options={"live_start_index": "0"}) as player:
            frames = [frame for frame, _ in zip(player.decode(video=0), range(8), strict=False)]
        assert all((frame.width, frame.height) == (4 * SIZE[0], 4 * SIZE[1]) for frame in frames)
        assert all(b.pts > a.pts for a, b in pairwise(frames))

        for which, width in (("source", SIZE[0]), ("enhanced", 4 * SIZE[0])):
            answer = http.get(f"{stream}/snapshot.jpg", params={"which": which}, timeout=30)
            assert answer.headers["content-type"] == "image/jpeg", answer.text
            picture = (
                av.CodecContext.create("mjpeg", "r").decode(av.Packet(answer.content))[0].to_ndarray(format="rgb24")
            )
            assert picture.shape[1] == width
            assert np.ptp(picture) > 50

        assert metric(service, "gleaner_stream_frames_total", result="enhanced") > 0
        stopped = http.patch(stream, json={"enabled": False}, timeout=30)
        assert stopped.json()["state"] == "stopped"
        until(lambda: camera.clients == 0, service)

        def kept() -> dict[str, str] | None:  # the ring's last file is closed when the stream is let go
            ranges = http.get(f"{stream}/source").json()["ranges"]
            return ranges[0] if ranges and ranges[0]["seconds"] > 2 else None

        stretch = until(kept, service)
        start = datetime.fromisoformat(stretch["start"]).timestamp()
        times = [datetime.fromtimestamp(start + offset, UTC).isoformat() for offset in (0.2, 1.7)]
        cut = http.post(f"{stream}/clips", params={"start": times[0], "end": times[1], "model": "lanczos", "scale": 2})
        assert cut.status_code == 202, cut.text
        with Client(service.url) as client:
            job = list(client.follow(cut.json()["id"]))[-1]
            assert job["state"] == "done", job["problem"]
            assert 10 <= job["frames_total"] <= 24  # 1.5 s, from the key frame before
            client.download(job["id"], "result", tmp_path / "clip.mp4")

        assert http.delete(stream).status_code == 204
        assert http.get(stream).status_code == 404
        folder = service.data / "streams"
        until(lambda: not list(folder.iterdir()) and not service.frames_left(), service)
    assert service.stop() == 0
    log = service.log.read_text()
    assert "Traceback" not in log
    assert "level=error" not in log
