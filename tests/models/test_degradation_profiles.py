"""The table of degradations: every entry keeps the same promises, over stills and over clips."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

from models.degradation import surveillance
from models.degradation.chain import UnfitError
from models.degradation.profiles import PROFILES, UnknownProfile, degrade, degrade_frames, draw


def scene(height: int = 99, width: int = 130) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    image = np.stack([60 + x, 200 - y, 90 + (x + y) // 2], axis=-1)
    image[30:60, 40:80] = 40
    return np.asarray(np.clip(image, 0, 255), dtype=np.uint8)


def clip(frames: int = 5, height: int = 66, width: int = 98) -> np.ndarray:
    return np.stack([np.roll(scene(height, width), 3 * i, axis=1) for i in range(frames)])


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_gives_the_cropped_size_and_equal_bytes_for_equal_seeds(name: str, scale: int) -> None:
    image = scene()
    first, again = degrade(image, name, scale, 11), degrade(image, name, scale, 11)
    assert first.low.shape == (99 // scale, 130 // scale, 3)
    assert first.target.shape == (99 // scale * scale, 130 // scale * scale, 3)
    assert first.low.dtype == first.target.dtype == np.uint8
    assert np.array_equal(first.low, again.low)
    assert np.array_equal(first.target, again.target)
    assert first.parameters == again.parameters
    assert np.array_equal(image, scene())


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_keeps_the_frames_of_a_clip_and_their_order(name: str) -> None:
    frames = clip()
    first, again = degrade_frames(frames, name, 2, 3), degrade_frames(list(frames), name, 2, 3)
    assert first.low.shape == (5, 33, 49, 3)
    assert first.target.shape == frames.shape
    assert np.array_equal(first.low, again.low)
    centres = []
    for low in first.low.astype(float).mean(axis=3):  # the dark square wanders to the right, 1.5 pixels a frame
        columns = np.clip(np.median(low) - low[15:], 0, None).sum(axis=0)[15:45]
        centres.append(float((columns * np.arange(30)).sum() / columns.sum()))
    if name == "surveillance-interlaced":  # half of its first frame is shifted either way: nothing came before it
        centres = centres[1:]
    assert centres == sorted(centres)


@pytest.mark.parametrize("name", [name for name in PROFILES if name not in ("clean-bicubic", "classical-bd")])
def test_another_seed_gives_other_bytes(name: str) -> None:
    assert not np.array_equal(degrade(scene(), name, 4, 1).low, degrade(scene(), name, 4, 2).low)
    assert not np.array_equal(degrade_frames(clip(2), name, 4, 1).low, degrade_frames(clip(2), name, 4, 2).low)


@pytest.mark.parametrize("name", PROFILES)
def test_what_was_drawn_comes_back_as_json_and_names_its_steps(name: str) -> None:
    parameters = json.loads(json.dumps(degrade_frames(clip(1), name, 4, 5).parameters))
    assert (parameters["profile"], parameters["scale"], parameters["seed"]) == (name, 4, 5)
    assert len(parameters["steps"]) >= 1
    assert all(isinstance(step["step"], str) and len(step) > 1 for step in parameters["steps"])


@pytest.mark.parametrize("name", ["surveillance", "surveillance-night-ir", "reencoded"])
def test_a_clip_that_comes_frame_by_frame_gives_the_same_bytes_while_it_is_still_coming(name: str) -> None:
    frames = clip(8)
    chain = draw(name, 2, 9)
    given = 0

    def coming() -> Iterator[np.ndarray]:
        nonlocal given
        for frame in frames:
            given += 1
            yield frame

    lazily, held = [], []
    for low in chain.run(coming()):
        lazily.append(low)
        held.append(given - len(lazily))
    assert np.array_equal(np.stack(lazily), degrade_frames(frames, name, 2, 9).low)
    assert len(lazily) == 8
    if name != "surveillance":  # whose encoder looks ahead
        assert max(held) <= 3


def test_the_surveillance_entry_is_the_profile_that_networks_were_trained_with() -> None:
    for seed in range(3):
        low, target = surveillance.degrade(scene(), 2, seed)
        found = degrade(scene(), "surveillance", 2, seed)
        assert np.array_equal(found.low, low)
        assert np.array_equal(found.target, target)
        recipe = surveillance.draw(np.random.default_rng(seed))
        assert found.parameters["steps"][0]["recipe"]["sigma_x"] == recipe.sigma_x


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_takes_pictures_hardly_larger_than_the_scale(name: str) -> None:
    assert degrade(scene(9, 13), name, 4, 1).low.shape == (2, 3, 3)


@pytest.mark.parametrize("name", PROFILES)
def test_no_profile_shifts_the_picture(name: str) -> None:
    """A mark in the middle stays there, on the average of several cameras; of BD it is off by its known half step."""
    image = np.full((96, 96, 3), 200, np.uint8)
    image[32:64, 32:64] = 20
    dark = np.mean([255.0 - degrade(image, name, 4, seed).low for seed in range(16)], axis=(0, 3))
    dark = np.clip(dark - np.median(dark[:3]), 0, None)
    ys, xs = np.mgrid[:24, :24]
    centre = np.array([(dark * axis).sum() / dark.sum() for axis in (ys, xs)])
    wanted = 11.5 + (0.375 if name == "classical-bd" else 0.0)
    assert np.abs(centre - wanted).max() < 0.3


def test_unknown_names_and_unfit_pictures_are_refused() -> None:
    with pytest.raises(UnknownProfile, match=r"'bicubik'.*second-order"):
        degrade(scene(), "bicubik", 2, 0)
    with pytest.raises(UnfitError, match="uint8"):
        degrade(scene().astype(np.float32), "clean-bicubic", 2, 0)
    with pytest.raises(UnfitError, match="smaller"):
        degrade(scene(3, 9), "clean-bicubic", 4, 0)
    with pytest.raises(UnfitError, match="seed -1"):
        degrade(scene(), "clean-bicubic", 2, -1)
    with pytest.raises(UnfitError, match="at least one"):
        degrade_frames([], "clean-bicubic", 2, 0)
    with pytest.raises(UnfitError, match="20x20 follows one of 130x99"):
        degrade_frames([scene(), scene(20, 20)], "clean-bicubic", 2, 0)
