"""The search on banks whose answer is known: a picture drawn from the bank, made small, must be explained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.pulse import drawn, observed, random_bank
from models.pulse.downscale import downscale
from models.pulse.schedule import Schedule
from models.pulse.search import SearchError, SearchSettings, SearchStopped, Step, explore
from models.pulse.settings import Inner, NoiseMaps
from models.stylegan2 import StyleGan2

SIZE, COUNT = 32, 3
KNOWN = SearchSettings(steps=30, samples=5_000)
SHORT = SearchSettings(steps=3, samples=100, restarts=0)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny convolutions; threads would only wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def bank() -> StyleGan2:
    return random_bank(SIZE)


def pixels(factor: int = 8) -> NDArray[np.uint8]:
    return observed(drawn(bank(), seed=7), factor)


@pytest.mark.parametrize("factor", [4, 8])
def test_pictures_of_the_bank_are_explained_by_candidates_that_differ(factor: int) -> None:
    wanted = pixels(factor)
    found = explore(bank(), wanted, COUNT, KNOWN)
    assert len(found.candidates) == found.explaining == COUNT
    assert np.mean([each.error for each in found.candidates]) < found.eps == 2e-3
    assert [each.error for each in found.candidates] == sorted(each.error for each in found.candidates)
    for each in found.candidates:
        assert each.image.shape == (SIZE, SIZE, 3)
        assert each.image.min() >= 0
        assert each.image.max() <= 1
        small = downscale(torch.from_numpy(each.image).permute(2, 0, 1)[None], factor)[0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(each.downscaled, small, atol=1e-6)
        error = np.square(small - wanted.astype(np.float32) / 255).mean()
        assert each.error == pytest.approx(float(error), rel=1e-4)
        assert len(each.curve) == KNOWN.steps
        assert all(a >= b for a, b in pairwise(each.curve))
        assert each.curve[-1] == each.error < each.curve[0] / 4
    # Pixels that were observed alike, pictures that are not: far more than the error can account for.
    assert np.array_equal(found.distances, found.distances.T)
    assert found.distances[np.triu_indices(COUNT, 1)].min() > 0.03
    assert not found.distances.diagonal().any()
    assert found.spread.shape == (SIZE, SIZE)
    images = np.stack([each.image for each in found.candidates])
    np.testing.assert_allclose(found.spread**2, images.var(axis=0).mean(axis=2), atol=1e-6)


def test_a_seed_gives_the_same_pictures_whatever_the_count() -> None:
    one, three = (explore(bank(), pixels(), count, SHORT) for count in (1, 3))
    again, other = explore(bank(), pixels(), 1, SHORT), explore(bank(), pixels(), 1, replace(SHORT, seed=1))
    first = next(each for each in three.candidates if each.number == 0)
    assert np.array_equal(one.candidates[0].image, first.image)
    assert np.array_equal(one.candidates[0].image, again.candidates[0].image)
    assert np.abs(one.candidates[0].image - other.candidates[0].image).max() > 0.1
    assert sorted(each.number for each in three.candidates) == [0, 1, 2]


def test_the_best_picture_is_kept_and_not_the_last() -> None:
    """With steps too large the error jumps about; what is delivered is of the least error seen."""
    rough = replace(SHORT, steps=16, learning_rate=8.0, schedule=Schedule.FIXED)
    best = explore(bank(), pixels(), 1, rough).candidates[0]
    assert best.curve[-1] == best.curve[-2], "the last step was the best one: choose another learning rate"
    error = np.square(best.downscaled - pixels().astype(np.float32) / 255).mean()
    assert best.error == best.curve[-1] == pytest.approx(float(error), rel=1e-4)


def test_a_candidate_that_does_not_explain_is_begun_anew() -> None:
    strict = replace(SHORT, eps=1e-9)
    once, thrice = (explore(bank(), pixels(), 1, replace(strict, restarts=more)).candidates[0] for more in (0, 2))
    assert (once.runs, thrice.runs) == (1, 3)
    assert not once.explains
    assert thrice.error <= once.error
    assert explore(bank(), pixels(), 1, replace(SHORT, eps=0.5, restarts=2)).candidates[0].runs == 1


def test_grey_pixels_get_exactly_grey_pictures() -> None:
    grey = np.repeat(pixels()[..., :1], 3, axis=2)
    best = explore(bank(), grey, 1, KNOWN).candidates[0]
    assert np.array_equal(best.image[..., 0], best.image[..., 1])
    assert np.array_equal(best.image[..., 0], best.image[..., 2])
    assert best.explains
    flat = explore(bank(), np.zeros((4, 4, 3), np.uint8), 1, SHORT)
    assert np.isfinite(flat.candidates[0].error)


def test_depths_of_pixels_mean_the_same() -> None:
    eight = pixels()
    sixteen, real = eight.astype(np.uint16) * 257, eight.astype(np.float32) / 255
    images = [explore(bank(), each, 1, SHORT).candidates[0].image for each in (eight, sixteen, real)]
    np.testing.assert_allclose(images[1], images[0], atol=1e-4)
    assert np.array_equal(images[2], images[0])


@pytest.mark.parametrize("change", [{"noise": each} for each in NoiseMaps] + [{"optimiser": each} for each in Inner])
def test_every_way_of_searching_comes_nearer(change: dict[str, object]) -> None:
    settings = replace(SHORT, steps=8, schedule=Schedule.LINEAR1CYCLE, **change)  # type: ignore[arg-type]
    for tile in (False, True):
        best = explore(bank(), pixels(), 1, replace(settings, tile_latent=tile)).candidates[0]
        assert best.error < best.curve[0]


def test_progress_is_told_and_a_search_can_be_stopped() -> None:
    steps: list[Step] = []

    def tell(step: Step) -> bool:
        steps.append(step)
        return len(steps) < 8

    with pytest.raises(SearchStopped):
        explore(bank(), pixels(), 3, SHORT, tell)
    assert [(each.candidate, each.step) for each in steps] == [(c, s) for c in range(3) for s in (1, 2, 3)][:8]
    fractions = [each.fraction for each in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(8 / 9)
    assert all(b.best_error <= a.best_error for a, b in pairwise(steps) if a.candidate == b.candidate)


def test_the_bank_is_left_as_it_was() -> None:
    own = random_bank(16)
    own.requires_grad_(True)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    with torch.no_grad():
        explore(own, np.full((4, 4, 3), 90, np.uint8), 1, SHORT)
    assert all(torch.equal(before[name], value) for name, value in own.state_dict().items())
    assert all(parameter.grad is None for parameter in own.parameters())


def test_a_search_that_diverges_is_said_and_its_best_finite_picture_kept() -> None:
    wild = replace(SHORT, optimiser=Inner.SGD, learning_rate=1e38, schedule=Schedule.FIXED)
    best = explore(bank(), pixels(), 1, wild).candidates[0]
    assert best.diverged
    assert np.isfinite(best.image).all()
    assert np.isfinite(best.error)
    assert not explore(bank(), pixels(), 1, SHORT).candidates[0].diverged


def test_candidates_without_a_finite_picture_are_counted_and_never_the_best() -> None:
    """Pictures as bright as float32 can just square: some starts come out finite, others do not."""
    one_step = replace(SHORT, steps=1)
    own = random_bank(8)
    layers = (own.to_rgb1, *own.to_rgbs)
    for layer in layers:
        layer.conv.weight_orig *= 8e18
    for _ in range(12):
        for layer in layers:
            layer.conv.weight_orig *= 1.2
        found = explore(own, np.full((4, 4, 3), 90, np.uint8), 4, one_step)
        if found.diverged:
            break
    assert found.diverged
    assert sorted([*found.diverged, *(each.number for each in found.candidates)]) == [0, 1, 2, 3]
    assert found.distances.shape == (len(found.candidates),) * 2
    assert np.isfinite([each.error for each in found.candidates]).all()
    assert np.isfinite(found.spread).all()


def test_a_damaged_bank_is_named() -> None:
    own = random_bank(16)
    own.conv1.conv.weight_orig.fill_(float("nan"))
    with pytest.raises(SearchError, match=r"not one of 2 searches.*damaged"):
        explore(own, np.full((4, 4, 3), 90, np.uint8), 2, SHORT)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (np.zeros((8, 4, 3), np.uint8), r"\(h, h, 3\).*\(8, 4, 3\)"),
        (np.zeros((2, 2, 3), np.uint8), "4 or more"),
        (np.zeros((8, 8), np.uint8), r"\(8, 8\)"),
        (np.zeros((12, 12, 3), np.uint8), "32 pixels cannot explain 12"),
        (np.zeros((32, 32, 3), np.uint8), "32 pixels cannot explain 32"),
        (np.zeros((8, 8, 3), np.int64), "int64"),
        (np.full((8, 8, 3), np.nan, np.float32), "finite"),
        (np.full((8, 8, 3), 1.5, np.float32), r"\[0, 1\]"),
    ],
)
def test_pixels_that_cannot_be_searched_are_named(wanted: NDArray[np.generic], words: str) -> None:
    with pytest.raises(SearchError, match=words):
        explore(bank(), wanted, 1, SHORT)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps must be 1 or more, not 0"),
        ({"seed": -1}, "seed"),
        ({"restarts": -1}, "restarts"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"eps": 0.0}, "eps"),
        ({"geocross_weight": -1.0}, "geocross_weight"),
        ({"l2_weight": 0.0}, "both 0"),
    ],
)
def test_settings_that_cannot_be_are_named(change: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(SHORT, **change)  # type: ignore[arg-type]


def test_no_candidate_at_all_is_refused() -> None:
    with pytest.raises(SearchError, match="at least one"):
        explore(bank(), pixels(), 0, SHORT)
