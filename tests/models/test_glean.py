"""GLEAN's network: shapes, keys, what the output depends on and what it does not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from models.glean import Glean, GleanConfig

MANIFEST = Path(__file__).parents[3] / "shared" / "oracle" / "manifest"
TINY = GleanConfig(in_size=8, out_size=32, rrdb_channels=4, num_rrdbs=1, style_channels=8, num_mlps=2, channel_cap=6)
DEAD = ("fusion_skip.", "generator.style_mapping.", "generator.to_rgb1.", "generator.to_rgbs.")


@pytest.fixture
def network() -> Glean:
    torch.manual_seed(7)
    glean = Glean(TINY).eval().requires_grad_(False)
    for name, parameter in glean.named_parameters():
        if name.endswith("noise_injector.weight"):
            parameter.normal_()  # it starts at zero, which would hide the noise
    return glean


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize(
    ("in_size", "out_size"),
    [
        (4, 8),
        (8, 16),
        (8, 32),
        (16, 64),
        (16, 256),
        (32, 256),
        pytest.param(64, 1024, marks=pytest.mark.heavy),
        pytest.param(128, 1024, marks=pytest.mark.heavy),
    ],
)
def test_pictures_come_out_at_the_output_size(in_size: int, out_size: int, grey: bool) -> None:
    channels = 1 if grey else 3
    config = GleanConfig(in_size, out_size, channels, 4, 1, 8, 2, channel_cap=6)
    with torch.no_grad():
        out = Glean(config)(torch.rand(2, channels, in_size, in_size) * 2 - 1)
    assert out.shape == (2, channels, out_size, out_size)
    assert out.isfinite().all()
    assert config.scale == out_size // in_size


def test_nothing_depends_on_the_rgb_branch_and_the_mapping(network: Glean) -> None:
    x = torch.rand(1, 3, 8, 8)
    before = network(x)
    changed = 0
    for name, tensor in network.state_dict().items():
        if name.startswith(DEAD):
            tensor.fill_(float("nan"))
            changed += 1
    assert changed > 20
    assert torch.equal(network(x), before)


def test_everything_else_matters(network: Glean) -> None:
    x = torch.rand(1, 3, 8, 8)
    before = network(x)
    for name, tensor in network.state_dict().items():
        if not name.startswith(DEAD):
            kept = tensor.clone()
            tensor.mul_(1.5).add_(0.1)
            assert not torch.equal(network(x), before), name
            tensor.copy_(kept)
    assert torch.equal(network(x), before)


def test_a_clamped_bank_keeps_its_features_within_the_bound() -> None:
    torch.manual_seed(7)
    free = Glean(TINY).eval()
    clamped = Glean(dataclasses.replace(TINY, clamp=0.5)).eval()
    clamped.load_state_dict(free.state_dict())
    x = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        bounds = {
            network: [each.abs().max() for each in network._textures(*network.encoder(x)).values()]
            for network in (free, clamped)
        }
        assert min(bounds[free]) > 0.5
        assert max(bounds[clamped]) <= 0.5
        assert not torch.equal(free(x), clamped(x))


def test_training_mode_changes_nothing(network: Glean) -> None:
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(network.eval()(x), network.train()(x))


def test_a_batch_equals_its_samples_one_by_one(network: Glean) -> None:
    x = torch.rand(3, 3, 8, 8)
    alone = torch.cat([network(each[None]) for each in x])
    torch.testing.assert_close(network(x), alone, rtol=1e-5, atol=1e-5)


def test_gradients_reach_all_but_the_dead_branch() -> None:
    glean = Glean(TINY)
    glean(torch.rand(1, 3, 8, 8)).square().mean().backward()
    without = {name for name, parameter in glean.named_parameters() if parameter.grad is None}
    assert without == {name for name, _ in glean.named_parameters() if name.startswith(DEAD)}


def test_an_input_of_another_size_is_refused(network: Glean) -> None:
    with pytest.raises(ValueError, match=r"the input must be \(N, 3, 8, 8\), not \(1, 3, 16, 16\)"):
        network(torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize(("in_size", "out_size"), [(8, 8), (32, 16), (12, 64), (8, 2048)])
def test_sizes_that_cannot_be_are_refused(in_size: int, out_size: int) -> None:
    with pytest.raises(ValueError, match=r"in_size must be below|must be a power of two"):
        GleanConfig(in_size, out_size)


def test_a_missing_and_an_unexpected_key_are_refused(network: Glean) -> None:
    state = network.state_dict()
    state["fusion_skip.9.weight"] = state.pop("fusion_skip.0.weight")
    with pytest.raises(RuntimeError, match=r"Missing key.*fusion_skip\.0\.weight(.|\n)*Unexpected.*fusion_skip\.9"):
        Glean(TINY).load_state_dict(state, strict=True)


@pytest.mark.skipif(not MANIFEST.is_dir(), reason="the reference's key lists are not here")
@pytest.mark.parametrize(
    "name", ["cat_16x_in16_out256", "cat_8x_in32_out256", "ffhq_16x_in64_out1024", "in128out1024_ffhq_celebahq"]
)
def test_keys_and_shapes_are_those_of_the_official_configurations(name: str) -> None:
    manifest = json.loads((MANIFEST / f"glean_{name}.json").read_text())
    with torch.device("meta"):
        network = Glean(GleanConfig(manifest["in_size"], manifest["out_size"]))
    wanted = {key: tuple(shape) for key, shape, *_ in manifest["keys"]}
    assert {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()} == wanted
    roles = {key: role for key, _, _, role in manifest["keys"]}
    assert {key for key, _ in network.named_buffers()} == {key for key, role in roles.items() if role == "buffer"}
    assert sum(parameter.numel() for parameter in network.parameters()) == manifest["n_params"]
