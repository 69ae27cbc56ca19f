"""The table of degradations: every entry keeps the same promises."""

import numpy as np
import pytest

from models.degradation import surveillance
from models.degradation.profiles import PROFILES, UnknownProfile, degrade


def scene(height: int = 99, width: int = 130) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    image = np.stack([60 + x, 200 - y, 90 + (x + y) // 2], axis=-1)
    image[30:60, 40:80] = 40
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_gives_the_cropped_size_and_equal_bytes_for_equal_seeds(name: str, scale: int) -> None:
    image = scene()
    low = degrade(name, image, scale, 11)
    assert low.shape == (99 // scale, 130 // scale, 3)
    assert low.dtype == np.uint8
    assert np.array_equal(low, degrade(name, image, scale, 11))
    assert np.array_equal(image, scene())


def test_the_surveillance_entry_is_the_profile_that_networks_were_trained_with() -> None:
    for seed in range(3):
        assert np.array_equal(degrade("surveillance", scene(), 2, seed), surveillance.degrade(scene(), 2, seed)[0])


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_takes_pictures_hardly_larger_than_the_scale(name: str) -> None:
    assert degrade(name, scene(9, 13), 4, 1).shape == (2, 3, 3)


@pytest.mark.parametrize("name", PROFILES)
def test_no_profile_shifts_the_picture(name: str) -> None:
    """A mark in the middle stays there, on the average of several cameras; "blurred" is off by its known half step."""
    image = np.full((96, 96, 3), 200, np.uint8)
    image[32:64, 32:64] = 20
    dark = np.mean([255.0 - degrade(name, image, 4, seed) for seed in range(24)], axis=(0, 3))
    dark = np.clip(dark - np.median(dark[:3]), 0, None)
    ys, xs = np.mgrid[:24, :24]
    centre = np.array([(dark * axis).sum() / dark.sum() for axis in (ys, xs)])
    wanted = 11.5 + (0.375 if name == "blurred" else 0.0)
    assert np.abs(centre - wanted).max() < 0.2


def test_unknown_names_and_unfit_pictures_are_refused() -> None:
    with pytest.raises(UnknownProfile, match=r"'bicubik'.*second-order"):
        degrade("bicubik", scene(), 2, 0)
    with pytest.raises(ValueError, match="uint8"):
        degrade("bicubic", scene().astype(np.float32), 2, 0)
    with pytest.raises(ValueError, match="smaller"):
        degrade("bicubic", scene(3, 9), 4, 0)
