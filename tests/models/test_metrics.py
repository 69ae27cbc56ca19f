"""PSNR and SSIM against values known by hand."""

import math

import numpy as np
import pytest

from models.metrics import compare


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(30, 220, (24, 32, 3), dtype=np.uint8)


def test_equal_pictures_are_perfect() -> None:
    scores = compare(picture(), picture())
    assert scores.psnr == math.inf
    assert scores.ssim == pytest.approx(1)


def test_an_error_of_five_levels_everywhere_is_34_15_db() -> None:
    scores = compare(picture(), picture() + np.uint8(5))
    assert scores.psnr == pytest.approx(20 * math.log10(255 / 5))
    assert scores.psnr_y == pytest.approx(20 * math.log10(255 / (5 * 219 / 255)))


def test_only_the_inside_counts_with_a_border() -> None:
    other = picture()
    other[:2] = 0
    assert compare(other, picture(), border=2).psnr == math.inf


def test_unlike_pictures_have_low_similarity() -> None:
    assert compare(picture(0), picture(1)).ssim < 0.2


def test_ssim_of_flat_pictures_is_the_luminance_term() -> None:
    a, b = np.full((16, 16, 3), 100, np.uint8), np.full((16, 16, 3), 150, np.uint8)
    x, y, c = 100 / 255, 150 / 255, 0.01**2
    assert compare(a, b).ssim == pytest.approx((2 * x * y + c) / (x * x + y * y + c))


def test_sixteen_bits_are_measured_against_their_own_peak() -> None:
    a = picture().astype(np.uint16) * 257
    b = (picture() + np.uint8(5)).astype(np.uint16) * 257
    assert compare(a, b).psnr == pytest.approx(compare(picture(), picture() + np.uint8(5)).psnr)


def test_pictures_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot compare"):
        compare(picture(), picture()[:10])
