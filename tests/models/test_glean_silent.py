"""A slim GLEAN while its bank counts for nothing: the same pictures, for less."""

from __future__ import annotations

import pytest
import torch

from models import glean_silent
from models.glean_light import FoldedGleanLight, GleanLight, GleanLightConfig, fold
from models.glean_silent import SilentGleanLight
from models.macs import cost

LIGHT = GleanLightConfig(
    16,
    32,
    rrdb_channels=8,
    num_rrdbs=1,
    growth=4,
    channels=(8, 8, 8, 4),
    style_channels=8,
    decoder_width=6,
)


def test_without_its_bank_it_is_the_network_with_silent_features() -> None:
    torch.manual_seed(0)
    network = GleanLight(LIGHT)
    glean_silent.silence(network)
    torch.nn.init.normal_(network.get_parameter("decoder.1.2.weight"))
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(network(x), glean_silent.enhance(network, x), atol=1e-5)
        assert glean_silent.enhance(network, x[..., :10, :12]).shape == (2, 3, 20, 24)
        served = glean_silent.fold_for_service(network)
        assert isinstance(served, SilentGleanLight)
        assert torch.allclose(served(x), network(x), atol=1e-5)
    assert cost(served, (1, 3, 16, 16)).macs < cost(fold(network), (1, 3, 16, 16)).macs


def test_a_network_that_uses_its_bank_is_served_with_it() -> None:
    torch.manual_seed(0)
    network = GleanLight(LIGHT)
    glean_silent.silence(network)
    with torch.no_grad():
        network.get_parameter("decoder.1.0.weight")[0, -1, 1, 1] = 1e-6  # one weight on one of the bank's features
    assert not glean_silent.is_silent(network)
    assert isinstance(glean_silent.fold_for_service(network), FoldedGleanLight)


def test_muted_it_gives_what_the_bank_does_not() -> None:
    torch.manual_seed(0)
    network = GleanLight(LIGHT)
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        alone = glean_silent.enhance(network, x)
        assert not torch.allclose(network(x), alone, atol=1e-3)
        glean_silent.mute(network)
        assert torch.allclose(network(x), alone, atol=1e-5)
    assert glean_silent.is_silent(network)


def test_served_without_its_bank_it_takes_the_same_tiles() -> None:
    network = GleanLight(LIGHT)
    glean_silent.silence(network)
    with pytest.raises(ValueError, match="the input must be"):
        glean_silent.fold_for_service(network)(torch.zeros(1, 3, 10, 16))
