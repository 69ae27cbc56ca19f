"""Back-projection: what it makes of an enlargement shrinks to the input and is the nearest picture that does."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.consistency import STEPS, degrade, inverse_kernel, kernel, project
from models.degradation.matlab import imresize, weights

HALF_LEVEL = 0.5 / 255


def smooth(edge: int, seed: int = 0, channels: int = 3) -> Tensor:
    """(1, channels, edge, edge) of blurred noise over the whole range, clipped at black and white as cameras clip."""
    coarse = torch.rand(
        1, channels, max(2, edge // 4), max(2, edge // 4), generator=torch.Generator().manual_seed(seed)
    )
    return (F.interpolate(coarse, size=(edge, edge), mode="bicubic") * 1.4 - 0.2).clamp(0, 1)


def rms(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean().sqrt())


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_the_reduction_is_matlabs(scale: int) -> None:
    picture = np.random.default_rng(scale).random((12 * scale, 17 * scale, 3)).astype(np.float32)
    ours = degrade(torch.from_numpy(picture).permute(2, 0, 1)[None], scale)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - imresize(picture, Fraction(1, scale))).max() < 1e-6


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_its_weights_sum_to_one_and_mirror(scale: int) -> None:
    line = [weight for row in kernel(scale) for weight in row]
    assert sum(line) == pytest.approx(1, abs=1e-12)
    assert line == pytest.approx(line[::-1], abs=1e-12)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_one_step_is_exact_where_nothing_is_cut_off(scale: int) -> None:
    x = 0.5 + 0.2 * (smooth(24) - 0.5)
    y = F.interpolate(x, scale_factor=scale, mode="nearest")
    assert rms(degrade(y, scale), x) > 1e-3
    assert float((degrade(project(y, x, scale, steps=1), scale) - x).abs().max()) < 2e-5


def test_it_finds_the_nearest_consistent_picture() -> None:
    """Against the pseudo-inverse by float64 linear algebra on one channel."""
    x = 0.5 + 0.1 * torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    y = 0.5 + 0.1 * torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(4))
    d = weights(64, Fraction(1, 4))
    rest = x[0, 0].double().numpy() - d @ y[0, 0].double().numpy() @ d.T
    back = np.linalg.pinv(d)
    wanted = y[0, 0].double().numpy() + back @ rest @ back.T
    assert np.abs(project(y.clone(), x, 4, steps=1)[0, 0].numpy() - wanted).max() < 5e-5


def test_the_inverse_undoes_what_reduction_and_its_transpose_do_together() -> None:
    line, inverse = np.array(kernel(4)).ravel(), np.array(inverse_kernel(4))
    gram = np.correlate(line, line, "full")[len(line) - 1 :: 4]
    both = np.convolve(np.concatenate([gram[:0:-1], gram]), inverse)
    middle = len(both) // 2
    assert both[middle] == pytest.approx(1, abs=1e-3)
    assert np.abs(np.delete(both, middle)).max() < 1e-3


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_cut_off_at_black_and_white_it_comes_within_half_a_level(scale: int) -> None:
    x = smooth(48)
    assert float(((x == 0) | (x == 1)).float().mean()) > 0.05
    noise = 0.02 * torch.randn(1, 3, 48 * scale, 48 * scale, generator=torch.Generator().manual_seed(1))
    y = (F.interpolate(x, scale_factor=scale, mode="bilinear") + noise).clamp(0, 1)
    before, errors = (
        rms(degrade(y, scale), x),
        [rms(degrade(project(y.clone(), x, scale, n), scale), x) for n in (1, 3)],
    )
    assert before > 6 * HALF_LEVEL
    assert errors[1] <= errors[0]
    assert errors[-1] < HALF_LEVEL
    assert STEPS == 3


def test_scale_one_gives_the_input() -> None:
    x = smooth(16)
    assert torch.equal(project(torch.zeros_like(x), x, 1), x)


def test_a_tile_comes_out_the_same_in_every_batch_and_equal_channels_stay_equal() -> None:
    x = torch.cat([smooth(20, seed) for seed in range(5)])
    x[2] = x[2, :1]
    y = F.interpolate(x, scale_factor=2, mode="nearest")
    together = project(y.clone(), x, 2)
    for n in range(5):
        assert torch.equal(project(y[n : n + 1].clone(), x[n : n + 1], 2)[0], together[n])
    assert torch.equal(together[2, 0], together[2, 1])
    assert torch.equal(together[2, 0], together[2, 2])


def test_a_black_tile_stays_black() -> None:
    assert not project(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 8, 8), 4).any()


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 3, 33, 32), (1, 3, 4, 4)])
def test_what_is_no_enlargement_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(N, C, 4·h, 4·w\)"):
        degrade(torch.zeros(shape), 4)
