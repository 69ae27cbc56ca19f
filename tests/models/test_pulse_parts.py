"""The parts of PULSE's search, against slow twins and what must hold of them."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.pulse.downscale import bicubic_taps, downscale
from models.pulse.gaussian import CHUNK, fit
from models.pulse.losses import geocross, l1, l2
from models.pulse.schedule import Schedule, factor
from models.pulse.settings import Inner
from models.pulse.spherical import Spherical
from models.stylegan2 import StyleGan2, StyleGan2Sizes


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_downscale_is_the_double_loop(scale: int) -> None:
    """Every output pixel as a weighted sum of 4·scale by 4·scale pixels, borders reflected by index."""
    picture = torch.rand(1, 1, 4 * scale, 3 * scale, generator=torch.Generator().manual_seed(1))
    taps, source = bicubic_taps(scale), picture[0, 0].numpy()

    def at(i: int, size: int) -> int:
        i = -i if i < 0 else i
        return 2 * (size - 1) - i if i >= size else i

    wanted = np.zeros((4, 3))
    for y, x in np.ndindex(4, 3):
        for j, k in np.ndindex(len(taps), len(taps)):
            row = at(y * scale + j - 3 * scale // 2, 4 * scale)
            column = at(x * scale + k - 3 * scale // 2, 3 * scale)
            wanted[y, x] += float(taps[j]) * float(taps[k]) * float(source[row, column])
    np.testing.assert_allclose(downscale(picture, scale)[0, 0].numpy(), wanted, atol=1e-6)


def test_flat_colours_and_ramps_are_kept_by_downscaling() -> None:
    ramp = torch.arange(64.0).expand(1, 2, 64, 64)
    small = downscale(ramp, 8)
    assert torch.allclose(small[..., 2:-2], 8 * torch.arange(8.0)[2:-2] + 3.5, atol=1e-4)
    assert torch.allclose(downscale(torch.full((1, 1, 24, 24), 0.3), 3), torch.full((1, 1, 8, 8), 0.3))


@pytest.mark.parametrize(("height", "width", "scale"), [(30, 32, 4), (32, 30, 4), (4, 32, 4), (32, 32, 0)])
def test_what_cannot_be_downscaled_is_refused(height: int, width: int, scale: int) -> None:
    with pytest.raises(ValueError, match="downscale"):
        downscale(torch.zeros(1, 3, height, width), scale)


def test_geocross_is_the_angle_between_layers() -> None:
    right = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert math.isclose(float(geocross(right)), 512 / 8 * (math.pi / 2) ** 2 / 2, rel_tol=1e-4)
    assert float(geocross(right[:, :1])) == 0.0
    same = torch.tensor([[[0.6, 0.8], [0.6, 0.8]]])
    assert 0 <= float(geocross(same)) < 1e-5
    both = torch.cat([right, same])
    assert math.isclose(float(geocross(both)), float(geocross(right) + geocross(same)), rel_tol=1e-6)


def test_explained_pixels_pull_no_more() -> None:
    wanted = torch.full((2, 3, 4, 4), 0.5)
    found = wanted.clone()
    found[0] += 0.01  # squared: 1e-4, below eps
    found[1] += 0.2  # 4e-2
    found.requires_grad_()
    loss = l2(found, wanted, eps=2e-3)
    assert math.isclose(loss.item(), 2e-3 + 4e-2, rel_tol=1e-5)
    loss.backward()
    assert found.grad is not None
    assert not found.grad[0].any()
    assert found.grad[1].all()
    assert math.isclose(l1(found.detach(), wanted, eps=0.05).item(), 10 * (0.05 + 0.2), rel_tol=1e-5)


def test_schedules_rise_and_fall() -> None:
    assert [factor(Schedule.FIXED, step, 3) for step in range(3)] == [1.0, 1.0, 1.0]
    drop = [factor(Schedule.LINEAR1CYCLEDROP, step, 100) for step in range(100)]
    assert math.isclose(drop[0], 0.1)
    assert math.isclose(max(drop), drop[45])
    assert math.isclose(drop[45], 1.0)
    assert math.isclose(drop[90], 0.1)
    assert 0.001 < drop[99] < 0.012
    assert all(a > b for a, b in pairwise(drop[45:]))
    assert all(0 < factor(schedule, step, 1) <= 1 for schedule in Schedule for step in range(1))


@pytest.mark.parametrize("inner", Inner)
def test_variables_stay_on_their_spheres_and_go_down(inner: Inner) -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(2, 3, 8, generator=generator).requires_grad_()
    q = torch.randn(2, 1, 4, 4, generator=generator).requires_grad_()
    target = torch.randn(2, 3, 8, generator=generator)
    lengths = p.detach().norm(dim=2), q.detach().flatten(2).norm(dim=2)
    optimiser = Spherical([p, q], inner, 0.05)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = (p - target).square().sum() + q.sum()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1
    assert torch.allclose(p.detach().norm(dim=2), lengths[0], rtol=1e-5)
    assert torch.allclose(q.detach().flatten(2).norm(dim=2), lengths[1], rtol=1e-5)


def test_a_vector_without_a_plane_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, K"):
        Spherical([torch.zeros(3, 4)])


def test_the_fitted_gaussian_gives_ordinary_latents() -> None:
    """Chunks add up to the statistics of all samples at once; normal variables map to latents of the bank's kind."""
    torch.manual_seed(3)
    bank = StyleGan2(StyleGan2Sizes((8, 8), style_dim=24, latent_dim=16, mapping_layers=3)).eval()
    samples = CHUNK + 2_345
    found = fit(bank, samples, seed=5)
    generator = torch.Generator().manual_seed(5)
    z = torch.cat([torch.randn(count, 16, generator=generator) for count in (CHUNK, 2_345)])
    with torch.no_grad():
        w = bank.map(z)
    before = F.leaky_relu(w, 5.0).double()
    assert torch.allclose(found.mean, before.mean(dim=0).float(), atol=1e-5)
    assert torch.allclose(found.std, before.std(dim=0).float(), rtol=1e-4)
    latents = found.latents(torch.randn(20_000, 1, 24, generator=generator))[:, 0]
    spread = w.std(dim=0).mean()
    assert float((latents.mean(dim=0) - w.mean(dim=0)).abs().mean() / spread) < 0.1
    assert float((latents.std(dim=0) / w.std(dim=0) - 1).abs().mean()) < 0.1
    with pytest.raises(ValueError, match="two samples"):
        fit(bank, 1)
