"""The slim GLEAN: shapes, what the output depends on, its folded form, and the costs its configurations promise."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from models import glean_light
from models.folding import fold_style_conv
from models.glean import Glean, GleanConfig
from models.glean_light import GleanLight, GleanLightConfig, fold
from models.macs import cost
from models.stylegan2 import StyleGan2, StyleGan2Sizes
from models.stylegan2_ops import StyleConv, ToRgb

TINY = GleanLightConfig(
    8, 32, rrdb_channels=4, num_rrdbs=1, growth=3, channels=(7, 6, 5, 4), style_channels=6, decoder_width=(5, 4)
)


def stirred(network: nn.Module) -> nn.Module:
    """Parameters that start at zero or at one value hide mistakes: all are moved off."""
    torch.manual_seed(11)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return network.eval()


def light(config: GleanLightConfig = TINY) -> GleanLight:
    network = stirred(GleanLight(config))
    assert isinstance(network, GleanLight)
    return network


@pytest.mark.parametrize(
    "config",
    [
        TINY,
        dataclasses.replace(TINY, residual=False),
        dataclasses.replace(TINY, in_size=4, decoder_width=4),
        dataclasses.replace(TINY, in_size=16, decoder_width=(6,)),
        dataclasses.replace(TINY, clamp=0.5),
    ],
)
def test_the_folded_network_gives_the_same_pictures(config: GleanLightConfig) -> None:
    network = light(config)
    folded = fold(network)
    x = torch.rand(3, 3, config.in_size, config.in_size) * 2 - 1
    with torch.no_grad():
        wanted, given = network(x), folded(x)
    assert given.shape == (3, 3, 32, 32)
    assert wanted.std() > 0.01
    assert (given - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_folding_leaves_the_network_as_it_was_and_shares_nothing_with_it() -> None:
    network = light()
    x = torch.rand(1, 3, 8, 8)
    before = network(x)
    folded = fold(network)
    kept = folded(x)
    assert torch.equal(network(x), before)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert torch.equal(folded(x), kept)
    assert not any(parameter.requires_grad for parameter in folded.parameters())


def test_a_folded_network_holds_plain_layers_only() -> None:
    kinds = {type(module) for module in fold(light()).modules()}
    assert not kinds & {StyleConv, ToRgb, StyleGan2}


def test_a_layer_without_noise_folds_too() -> None:
    torch.manual_seed(3)
    layer = stirred(StyleConv(5, 4, 6, upsample=True))
    assert isinstance(layer, StyleConv)
    style, x = torch.randn(6), torch.randn(2, 5, 4, 4)
    with torch.no_grad():
        wanted = layer(x, style[None], None)
        assert torch.allclose(fold_style_conv(layer, style, None)(x), wanted, atol=1e-5)


def test_every_part_but_the_dead_branch_matters() -> None:
    network = light()
    x = torch.rand(1, 3, 8, 8)
    before = network(x)
    dead = ("generator.style_mapping.", "generator.to_rgb")
    for name, tensor in network.state_dict().items():
        kept = tensor.clone()
        with torch.no_grad():
            tensor.mul_(1.5).add_(0.1)
            if name != "latents":
                assert torch.equal(network(x), before) == name.startswith(dead), name
            else:  # the latents of to-RGB layers alone are never read: the last one
                assert not torch.equal(network(x), before)
            tensor.copy_(kept)


def test_the_bank_is_frozen_and_all_else_learns() -> None:
    network = light()
    network(torch.rand(1, 3, 8, 8)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.startswith("generator."), name
    assert network.latents.grad is not None
    assert (network.latents.grad[:-1] != 0).any(dim=1).all()


def test_an_adopted_bank_starts_from_its_mean_latent() -> None:
    torch.manual_seed(1)
    bank = StyleGan2(StyleGan2Sizes(TINY.channels, 6, 6, 2))
    one, other = GleanLight(TINY), GleanLight(TINY)
    one.adopt(bank)
    other.adopt(bank)
    assert torch.equal(one.latents, other.latents)
    assert torch.allclose(one.latents[0], bank.mean_latent(20000), atol=0.05)
    assert torch.equal(one.generator.convs[0].conv.weight_orig, bank.convs[0].conv.weight_orig)
    with pytest.raises(RuntimeError, match="size mismatch"):
        one.adopt(StyleGan2(StyleGan2Sizes((7, 6, 5, 5), 6, 6, 2)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_size": 32}, "in_size must be below out_size"),
        ({"in_size": 12}, "power of two"),
        ({"channels": (7, 6, 5)}, "a bank of 32 pixels has 4 sizes"),
        ({"decoder_width": (5,)}, "8 -> 32 takes 2 decoder widths"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **changes)


def test_an_input_of_another_size_is_refused() -> None:
    for network in (light(), fold(light())):
        with pytest.raises(ValueError, match=r"the input must be \(N, 3, 8, 8\), not \(1, 3, 16, 16\)"):
            network(torch.zeros(1, 3, 16, 16))


def test_lists_as_json_has_them_make_the_same_configuration() -> None:
    fields = dataclasses.asdict(TINY) | {"channels": [7, 6, 5, 4], "decoder_width": [5, 4]}
    assert GleanLightConfig(**fields) == TINY


@pytest.mark.parametrize(
    ("name", "sizes", "least", "most"),
    [
        ("LIGHT_X4", (64, 256), 3.0, 5.0),
        ("LIGHT_X2", (64, 128), 2.0, 5.0),
        ("LIGHT_X2_128", (128, 256), 2.0, 5.0),
        ("MEDIUM_X4", (64, 256), 5.0, 12.0),
        ("MEDIUM_X2", (64, 128), 5.0, 12.0),
        ("MEDIUM_X2_128", (128, 256), 5.0, 12.0),
    ],
)
def test_configurations_cost_what_is_said_of_them(name: str, sizes: tuple[int, int], least: float, most: float) -> None:
    config = getattr(glean_light, name)
    assert (config.in_size, config.out_size) == sizes
    network = GleanLight(config)
    shape = (1, 3, config.in_size, config.in_size)
    folded = cost(fold(network), shape)
    assert least < folded.macs / 1e9 < most
    assert folded.macs < cost(network, shape).macs
    assert folded.effective == folded.parameters  # nothing dead is carried along


@pytest.mark.parametrize(
    ("sizes", "parameters", "effective", "gmacs"),
    [((16, 256), 171.90, 168.24, 160.3), ((32, 256), 162.48, 158.80, 167.2), ((128, 1024), 174.20, 170.45, 551.2)],
)
def test_costs_are_those_measured_of_the_reference(
    sizes: tuple[int, int], parameters: float, effective: float, gmacs: float
) -> None:
    """Numbers of an independent count over the reference implementation's own networks."""
    with torch.device("meta"):
        network = Glean(GleanConfig(*sizes))
    found = cost(network, (1, 3, sizes[0], sizes[0]))
    assert found.parameters / 1e6 == pytest.approx(parameters, abs=0.005)
    assert found.effective / 1e6 == pytest.approx(effective, abs=0.005)
    assert found.macs / 1e9 == pytest.approx(gmacs, abs=0.05)


def test_costs_of_plain_layers_are_counted_by_hand() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ConvTranspose2d(8, 4, 2, stride=2), nn.Flatten())
    layers.append(nn.Linear(4 * 20 * 20, 7))
    found = cost(layers, (2, 3, 10, 10))
    assert found.macs == 2 * (10 * 10 * 8 * 27 + 10 * 10 * 8 * 4 * 4 + 1600 * 7)
    assert found.parameters == found.effective == (8 * 27 + 8) + (8 * 4 * 4 + 4) + (1600 * 7 + 7)
