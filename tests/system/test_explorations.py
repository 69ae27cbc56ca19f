"""The whole service: a region of an uploaded clip is explored with a small bank, and a second search is cancelled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
import pytest

from service.client import Client
from tests.media.clips import write_clip
from tests.system.conftest import Service
from tests.workers.banks import import_bank

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
SIZE = 32


def followed(url: str) -> list[dict[str, Any]]:
    """Data of all events, to the end of the stream."""
    with httpx2.stream("GET", url, timeout=120) as answer:
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]


def test_a_region_is_explored_and_a_search_is_cancelled(
    start_service: Callable[..., Service], wait_for: Any, tmp_path: Path
) -> None:
    service = start_service(device="cpu")
    import_bank(service.data / "models", "bank", SIZE)  # seen at once
    clip = write_clip(tmp_path / "in.mp4", size=(96, 64), frames=12)
    wanted = {"frame": 9, "box": [30, 20, 7, 8], "count": 3, "steps": 10, "seed": 1}
    with Client(service.url) as client:
        clip_id = client.submit(clip, {"scale": "2"})["id"]
        id = client.explore(clip_id, wanted)["id"]
        events = followed(f"{service.url}/v1/explorations/{id}/events")
        states = [event["state"] for event in events if "state" in event]
        assert states == ["queued", "planning", "running", "finishing", "done"], service.log.read_text()[-5000:]
        assert any(event.get("count") == 3 for event in events)
        result = list(client.follow_exploration(id))[-1]["result"]
        assert "None of them is evidence" in result["statement"]
        assert (result["frame"]["number"], result["region"], result["bank"]["size"]) == (9, [30, 20, 8, 8], SIZE)
        for what in ("sheet", "spread", *(f"candidates/{each['number']}" for each in result["candidates"])):
            client.download_picture(id, what, tmp_path / f"{what.replace('/', '-')}.png")
        sheet = cv2.imread(str(tmp_path / "sheet.png"))
        assert sheet is not None
        assert sheet.shape[0] > 600
        assert 600 < sheet.shape[1] < 2000
        pictures = [cv2.imread(str(tmp_path / f"candidates-{number}.png")) for number in range(3)]
        assert all(picture is not None and picture.shape == (SIZE, SIZE, 3) for picture in pictures)
        assert not any(np.array_equal(pictures[one], pictures[other]) for one, other in ((0, 1), (0, 2), (1, 2)))
        assert np.min(np.array(result["distances"])[~np.eye(3, dtype=bool)]) > 0.01

        long = client.explore(clip_id, wanted | {"steps": 1000, "count": 16})["id"]
        follow = client.follow_exploration(long)
        assert any(job["progress"]["step"] > 0 for job in follow)
        assert httpx2.delete(f"{service.url}/v1/explorations/{long}").status_code == 204
        assert next(follow)["state"] == "cancelled"
        listed = httpx2.get(f"{service.url}/v1/clips/{clip_id}/explorations").json()["explorations"]
        assert [each["id"] for each in listed] == [long, id]
        assert list(client.follow(clip_id))[-1]["state"] == "done"
    wait_for(lambda: not (service.data / "jobs" / long).exists())
    assert service.stop() == 0
    log = service.log.read_text()
    assert "Traceback" not in log
    assert "level=error" not in log
