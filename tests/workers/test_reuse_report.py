"""What the report says of reuse and fusion."""

from __future__ import annotations

from typing import Any

from workers.reuse import KEY_FRAME, Look
from workers.reuse_report import MOST_EVENTS, ReuseSummary, look_json


def line(number: int, changed: int, look: Look | None) -> dict[str, Any]:
    plain: dict[str, Any] = {"pts": 40 * number, "tiles": 10, "changed": changed}
    return plain if look is None else plain | {"look": look_json(look)}


def test_shares_noise_and_events() -> None:
    summary = ReuseSummary("on")
    looks = [
        Look(None, 1.0, 0.0),
        Look(KEY_FRAME, 1.0, 2.0),
        Look("camera moved", 1.5, 0.0, by_noise=True),
        Look("camera moved", 1.5, 0.0),
        Look(None, 2.0, 1.0),
        Look("camera moved", 2.0, 0.0),
    ]
    for number, look in enumerate(looks):
        summary.add(line(number, 10 if look.whole else 1, look))
    found = summary.to_json()
    assert (found["mode"], found["recomputed_share"], found["noise"]) == ("on", 33 / 60, 1.5)
    assert found["kept_psnr_dB"] == {"mean": 51.1, "least": 45.1}
    assert (found["key_frames"], found["frames_by_noise"]) == (1, 1)
    assert "noise" in found["note"]
    assert found["events"] == [
        {"what": "camera moved", "pts": 80, "last_pts": 120, "frames": 2},
        {"what": "camera moved", "pts": 200, "last_pts": 200, "frames": 1},
    ]
    assert summary.fusion_json(applied=False) == {"applied": False, "how": None}


def test_where_nothing_is_measured_the_share_is_said() -> None:
    summary = ReuseSummary("exact")
    for number in range(4):
        summary.add(line(number, 5, None))
    assert summary.to_json().keys() == {"mode", "how", "recomputed_share"}
    assert summary.to_json()["recomputed_share"] == 0.5
    assert ReuseSummary("off").to_json()["recomputed_share"] == 0.0


def test_events_are_bounded() -> None:
    summary = ReuseSummary("on")
    for number in range(3 * MOST_EVENTS):
        summary.add(line(number, 10, Look("cut" if number % 2 else "light", 0.0, 0.0)))
    found = summary.to_json()
    assert (len(found["events"]), found["events_not_listed"]) == (MOST_EVENTS, 2 * MOST_EVENTS)


def test_fusion_is_summed_up() -> None:
    summary = ReuseSummary("on")
    for number in range(4):
        summary.add(line(number, 1, Look(None, 3.0, 0.0, fused=2 * number, observations=1.0 + number)))
    found = summary.fusion_json(applied=True)
    assert (found["shown_share"], found["most_observations"]) == (12 / 40, 4.0)
