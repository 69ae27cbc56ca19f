"""Error and added detail: values computed by hand, and the order of methods that invent nothing, little and much."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models import registry
from models.added_detail import LUMA, measure
from models.cells import cells
from models.consistency import degrade
from models.espcn import Espcn
from models.lanczos import Lanczos


def scene(edge: int = 64, seed: int = 0) -> Tensor:
    """(1, 3, edge, edge): smooth shapes with a hard edge."""
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    picture = F.interpolate(coarse, size=(edge, edge), mode="bicubic").clamp(0, 1)
    picture[:, :, edge // 3 : edge // 2, edge // 4 : edge // 2] = 0.9
    return picture


def mean(figures: Tensor) -> tuple[float, float]:
    error, detail = figures.square().mean((0, 1, 2)).sqrt().tolist()
    return error, detail


@pytest.mark.parametrize(
    ("length", "count"), [(1, 1), (16, 1), (24, 1), (31, 1), (32, 2), (48, 3), (100, 5), (128, 8), (97, 1)]
)
def test_cells_are_equal_and_not_smaller_than_sixteen(length: int, count: int) -> None:
    assert cells(length) == count


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_lanczos_adds_nothing(scale: int) -> None:
    x = scene()
    figures = measure(x, Lanczos(scale)(x), scale, 3)
    assert figures.shape == (1, 4, 4, 2)
    assert float(figures[..., 1].max()) < 0.05


def test_a_checkerboard_within_each_input_pixel_has_the_energy_computed_by_hand() -> None:
    """Flat grey, plus and minus 10 levels by turns: block means stay, E is 10², Lanczos' is 0, so detail is 10."""
    x = torch.full((1, 3, 32, 32), 100 / 255)
    board = torch.ones(64, 64)
    board[::2, 1::2] = board[1::2, ::2] = -1
    figures = measure(x, x.repeat_interleave(2, 2).repeat_interleave(2, 3) + board * (10 / 255), 2, 2)
    assert figures[..., 1].flatten().tolist() == pytest.approx([10.0] * 4, abs=1e-2)


def test_detail_of_one_channel_counts_by_its_luma_and_error_by_a_third() -> None:
    x = torch.full((1, 3, 32, 32), 0.5)
    y = torch.full((1, 3, 128, 128), 0.5)
    y[:, 1] += 6 / 255  # flat: no detail, and D of it is off by 6 levels in green
    y[:, 1, :, 0::2] += 8 / 255
    y[:, 1, :, 1::2] -= 8 / 255
    error, detail = mean(measure(x, y, 4, 2))
    assert detail == pytest.approx(8 * LUMA[1], abs=1e-2)
    assert error == pytest.approx(6 / math.sqrt(3), abs=0.05)


def test_the_error_is_that_of_the_reduction_where_it_is_measured() -> None:
    x, y = scene(64), scene(128, seed=5)
    figures = measure(x, y, 2, 4)[0, ..., 0]
    squares = (degrade(y, 2) - x).square().mean(1)[0] * 255**2
    assert float(figures[1, 2]) == pytest.approx(float(squares[16:32:4, 32:48].mean().sqrt()), rel=1e-4)
    assert float(figures[0, 0]) == pytest.approx(float(squares[4:16:4, 4:16].mean().sqrt()), rel=1e-4)


def test_less_detail_than_lanczos_is_none() -> None:
    x = scene()
    y = F.interpolate(x, scale_factor=2, mode="nearest")
    error, detail = mean(measure(x, y, 2, 2))
    assert detail == 0
    assert error > 0.1


def test_a_network_that_invents_adds_more_than_one_that_sharpens_and_that_more_than_lanczos() -> None:
    x = scene()
    torch.manual_seed(0)
    trained = registry.load("espcn-x2", 2, "cpu")._network
    with torch.inference_mode():
        found = [mean(measure(x, network(x).clamp(0, 1), 2, 4)) for network in (Lanczos(2), trained, Espcn(2))]
    errors, details = zip(*found, strict=True)
    assert details[0] < 0.1 < 10 * details[0] < details[1] < 0.5 * details[2]
    assert errors[2] > 10 * errors[1]


def test_only_the_cell_that_detail_is_added_to_shows_it() -> None:
    x = torch.full((2, 3, 64, 64), 0.5)
    y = torch.full((2, 3, 128, 128), 0.5)
    y[1, :, 34:60:2, 66:92] += 0.05  # lines in the cell of the second row and third column
    details = measure(x, y, 2, 2)[..., 1]
    assert float(details[1, 1, 2]) > 3
    details[1, 1, 2] = 0
    assert float(details.max()) < 0.01


def test_a_tile_has_the_same_figures_in_every_batch() -> None:
    x = torch.cat([scene(48, seed) for seed in range(5)])
    y = torch.cat([scene(96, seed + 9) for seed in range(5)])
    together = measure(x, y, 2, 4)
    assert together.shape == (5, 3, 3, 2)
    for n in range(5):
        assert torch.equal(measure(x[n : n + 1], y[n : n + 1], 2, 4)[0], together[n])


@pytest.mark.parametrize(("edge", "measured"), [(4, False), (5, True), (8, True), (17, True)])
def test_small_tiles_are_measured_down_to_five_pixels(edge: int, measured: bool) -> None:
    x = scene(8)[:, :, :edge, :edge] if edge <= 8 else scene(edge)
    figures = measure(x, Lanczos(2)(x), 2, 4)
    assert figures.shape == (1, 1, 1, 2)
    assert bool(torch.isfinite(figures).all()) is measured


def test_whole_pictures_need_not_be_square() -> None:
    x = torch.full((1, 3, 32, 80), 0.5)
    assert not measure(x, torch.full((1, 3, 64, 160), 0.5), 2, 3).any()
    assert measure(x, torch.full((1, 3, 64, 160), 0.5), 2, 3).shape == (1, 2, 5, 2)


def test_what_is_no_enlargement_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        measure(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 48, 32), 2, 2)
