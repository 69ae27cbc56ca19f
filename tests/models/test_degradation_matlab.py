"""MATLAB's imresize: its weights, sizes and edges."""

from fractions import Fraction

import numpy as np
import pytest

from models.degradation.matlab import imresize, weights


def test_halving_uses_the_eight_known_weights() -> None:
    row = weights(16, Fraction(1, 2))[4]
    known = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256  # the cubic at ±1/4, ±3/4, ±5/4, ±7/4, halved
    assert np.allclose(row[5:13], known, atol=1e-12)
    assert np.count_nonzero(row) == 8


def test_doubling_uses_four_weights_at_quarter_places() -> None:
    row = weights(8, Fraction(2))[8]  # its centre is 3.75
    assert np.allclose(row[2:6], np.array([-3, 29, 111, -9]) / 128, atol=1e-12)
    assert np.count_nonzero(row) == 4


def test_edges_are_mirrored_with_the_edge_repeated() -> None:
    row = weights(16, Fraction(1, 2))[0]
    assert np.allclose(row[:5], np.array([111 + 29, 111 - 9, 29 - 3, -9, -3]) / 256, atol=1e-12)


def test_a_picture_smaller_than_the_filter_is_mirrored_again_and_again() -> None:
    flat = np.full((3, 2, 3), 0.25, np.float32)
    assert np.allclose(imresize(flat, Fraction(1, 16)), np.full((1, 1, 3), 0.25), atol=1e-7)


def test_sizes_are_rounded_up_exactly() -> None:
    picture = np.zeros((49 * 3, 101, 3), np.float32)
    assert imresize(picture, Fraction(1, 49)).shape == (3, 3, 3)
    assert imresize(picture, Fraction(3, 4)).shape == (111, 76, 3)


def test_rows_and_columns_are_treated_alike() -> None:
    picture = np.random.default_rng(1).random((24, 36, 3), dtype=np.float32)
    turned = imresize(picture.transpose(1, 0, 2), Fraction(1, 3)).transpose(1, 0, 2)
    assert np.allclose(imresize(picture, Fraction(1, 3)), turned, atol=1e-6)


def test_a_straight_ramp_stays_straight_away_from_the_edges() -> None:
    ramp = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], 3, axis=2)
    small = imresize(ramp, Fraction(1, 4))[0, :, 0]
    places = (np.arange(16) * 4 + 1.5) / 63
    assert np.allclose(small[3:-3], places[3:-3], atol=1e-6)


def test_wrong_shapes_and_factors_are_refused() -> None:
    with pytest.raises(ValueError, match="H, W, C"):
        imresize(np.zeros((8, 8), np.float32), Fraction(1, 2))
    with pytest.raises(ValueError, match="positive"):
        imresize(np.zeros((8, 8, 3), np.float32), Fraction(0))
