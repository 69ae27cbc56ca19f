"""What bfloat16 costs in accuracy: a bound on networks small enough to try, with weights of realistic size."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models import registry
from models.catalog import Catalog
from models.glean_light import GleanLight, fold
from tests.models.generative import network

BOUND = 0.03  # RMS of the difference to float32, over the standard deviation of the output; measured: 0.005 to 0.02


def difference(network: nn.Module, x: Tensor) -> float:
    with torch.inference_mode():
        wanted = network(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            given = network(x).float()
    return float((given - wanted).square().mean().sqrt() / wanted.std())


def picture(edge: int) -> Tensor:
    """(2, 3, edge, edge) in [0, 1], smooth."""
    coarse = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(3))
    return nn.functional.interpolate(coarse, size=(edge, edge), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("name", ["glean-16", "light-32"])
def test_generative_networks_in_bfloat16_stay_near_float32(name: str) -> None:
    found = network(name)
    x = picture(found.config.in_size) * 2 - 1
    assert 1e-4 < difference(found, x) < BOUND
    if isinstance(found, GleanLight):
        assert 1e-4 < difference(fold(found), x) < BOUND


@pytest.mark.parametrize("name", ["espcn-x2", "espcn-x4"])
def test_the_models_that_ship_do_too(name: str) -> None:
    catalog = Catalog()
    facts = catalog.facts(name)
    shipped = registry.build(facts, facts.scales[0], registry.read_state(catalog, facts)).eval()
    assert 1e-4 < difference(shipped, picture(32)) < BOUND
