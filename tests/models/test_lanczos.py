"""Lanczos enlargement: identity, alignment, tiles against the whole."""

import cv2
import numpy as np
import pytest
import torch

from models.lanczos import RADIUS, Lanczos, taps


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3))


def test_scale_one_is_the_identity() -> None:
    x = picture(9, 7)
    assert torch.equal(Lanczos(1)(x), x)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_flat_picture_stays_flat(scale: int) -> None:
    out = Lanczos(scale)(torch.full((1, 3, 8, 8), 0.3))
    assert out.shape == (1, 3, 8 * scale, 8 * scale)
    assert torch.allclose(out, torch.tensor(0.3), atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pixel_centres_are_aligned_as_in_opencv(scale: int) -> None:
    ramp = torch.linspace(0.2, 0.8, 32).expand(1, 3, 32, 32)
    ours = Lanczos(scale)(ramp)[0, 0].numpy()
    theirs = cv2.resize(ramp[0, 0].numpy(), None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    inner = slice(4 * scale, -4 * scale)
    assert np.abs(ours - theirs)[inner, inner].max() < 1e-3  # half a pixel off would be 0.01


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_tiles_equal_the_whole_picture_in_their_trusted_core(scale: int) -> None:
    x = picture(40, 50)
    whole = Lanczos(scale)(x)
    tile = Lanczos(scale)(x[..., 7:31, 11:37])
    core = tile[..., RADIUS * scale : -RADIUS * scale, RADIUS * scale : -RADIUS * scale]
    top, left = (7 + RADIUS) * scale, (11 + RADIUS) * scale
    assert torch.equal(core, whole[..., top : top + core.shape[2], left : left + core.shape[3]])


def test_overshoot_at_an_edge_is_clamped() -> None:
    x = torch.zeros(1, 3, 16, 16)
    x[..., 8:] = 1
    out = Lanczos(4)(x)
    assert out.min() == 0
    assert out.max() == 1


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_weights_sum_to_one_and_mirror(scale: int) -> None:
    for phase in range(scale):
        assert sum(taps(scale, phase)) == pytest.approx(1)
        assert taps(scale, phase) == pytest.approx(taps(scale, scale - 1 - phase)[::-1])
