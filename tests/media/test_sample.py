"""The synthetic street and the sample clip made of it."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from media.sample import degrade, write_sample
from media.scene import Scene, scene

FPS = Fraction(12)


@pytest.fixture(scope="module")
def street() -> Scene:
    return scene(320, 184, seed=1)


def test_a_frame_depends_on_its_time_and_seed_only(street: Scene) -> None:
    first = street.draw(Fraction(1, 2))
    street.draw(Fraction(3))
    assert first.shape == (184, 320, 3)
    assert first.dtype == np.uint8
    assert (street.draw(Fraction(1, 2)) == first).all()
    assert (Scene(320, 184, seed=1).draw(Fraction(1, 2)) == first).all()
    assert (Scene(320, 184, seed=2).draw(Fraction(1, 2)) != first).any()


def test_the_camera_is_fixed_and_things_move_smoothly(street: Scene) -> None:
    frames = [street.draw(Fraction(n, 12)).astype(int) for n in range(4)]
    changes = [np.abs(after - before).max(axis=2) for before, after in pairwise(frames)]
    assert all(0.005 < (change > 0).mean() < 0.4 for change in changes)
    assert np.abs(changes[0].mean() - changes[1].mean()) < 0.5 * changes[0].mean()


def test_the_burned_in_clock_follows_the_seconds(street: Scene) -> None:
    def clock(time: Fraction) -> np.ndarray:
        return street.draw(time)[4:14, 14:90]

    assert (clock(Fraction(1, 12)) == clock(Fraction(11, 12))).all()
    assert (clock(Fraction(11, 12)) != clock(Fraction(1))).any()


def test_noise_grows_with_light_and_has_colour() -> None:
    rng = np.random.default_rng(0)
    dark, light = (degrade(np.full((256, 256, 3), level, np.uint8), 128, 128, rng) for level in (20, 200))
    assert light.std() > 1.5 * dark.std()
    assert (light[..., 0].astype(int) - light[..., 2]).std() > 1


def test_a_sample_has_degraded_picture_sound_and_a_clean_twin(tmp_path: Path) -> None:
    write_sample(tmp_path / "low.mp4", tmp_path / "clean.mkv", seconds=0.5, fps=FPS, width=80, height=46, scale=4)
    with av.open(tmp_path / "low.mp4") as clip:
        low = list(clip.decode(video=0))
        assert clip.streams.video[0].codec_context.name == "h264"
        assert abs(clip.streams.audio[0].duration * clip.streams.audio[0].time_base - Fraction(1, 2)) < Fraction(1, 20)
    with av.open(tmp_path / "clean.mkv") as clip:
        clean = list(clip.decode(video=0))
    assert [frame.pts * frame.time_base for frame in low] == [Fraction(n, 12) for n in range(6)]
    assert [round(frame.pts * frame.time_base * 12) for frame in clean] == list(range(6))
    assert (low[0].width, low[0].height) == (80, 46)
    street = scene(320, 184, seed=1)
    for number, frame in enumerate(clean):
        assert (frame.to_ndarray(format="rgb24") == street.draw(Fraction(number, 12))).all()
    assert list(tmp_path.glob("*.part")) == []
