"""What happens to a whole frame, under noise and through a codec; in `test_reuse.py` without either."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.still_scene import GRID, HEIGHT, WIDTH, coded, noisy, street
from workers.reuse import NoisyReuse


@pytest.mark.parametrize(("sigma", "crf"), [(4.0, None), (1.0, 28)])
@pytest.mark.parametrize(
    ("event", "before", "after"),
    [
        ("light", lambda picture: picture, lambda picture: picture // 4 + 6),  # switched off: noise is strong then
        ("light", lambda picture: picture // 4 + 6, lambda picture: lamp(picture // 4 + 6)),  # in a corner, yellow
        ("cut", lambda picture: picture, lambda picture: picture[::-1, ::-1].copy()),
        ("infrared switched", lambda picture: picture, lambda picture: infrared(picture)),
    ],
)
def test_events_are_told_apart_under_noise_and_through_a_codec(event, before, after, sigma, crf) -> None:  # type: ignore[no-untyped-def]
    frames = noisy([before(street())] * 6 + [after(street())] * 4, sigma)
    reuse, events = NoisyReuse(GRID), []
    for frame in frames if crf is None else coded(frames, crf=crf, gop=100):
        reuse.changed(frame)
        assert reuse.look is not None
        events.append(reuse.look.event)
    assert events == [None] * 6 + [event] + [None] * 3


def lamp(picture: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    light = 1 + 3 * np.exp(-((x - 80) ** 2 + (y - 60) ** 2) / (2 * 120**2))
    return np.clip(picture * light[..., None] * (1.1, 1.0, 0.85), 0, 255).astype(np.uint8)


def infrared(picture: np.ndarray) -> np.ndarray:
    """Red weighs most, and dark places come out brighter."""
    grey = 255 * (picture @ np.array([0.7, 0.2, 0.1]) / 255) ** 0.7
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def test_strong_noise_is_no_event() -> None:
    reuse = NoisyReuse(GRID)
    for frame in noisy([street()] * 4, 16.0):
        reuse.changed(frame)
        assert reuse.look is not None
        assert reuse.look.event is None
    assert reuse.look.noise == pytest.approx(16, rel=0.25)


def test_a_cloud_is_no_key_frame() -> None:
    frames = [(street() * (1 - 0.3 * n / 40)).astype(np.uint8) for n in range(24)]
    reuse = NoisyReuse(GRID)
    for frame in coded(noisy(frames, 1.0), crf=28, gop=100):
        reuse.changed(frame)
        assert reuse.look is not None
        assert reuse.look.event is None
