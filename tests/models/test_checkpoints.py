"""Others' checkpoints are read as tensors and renamed; what does not fit is named."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.checkpoints import files, keys, layouts
from models.checkpoints.errors import CheckpointError
from models.checkpoints.keys import GeneratorSizes
from models.checkpoints.layouts import Layout
from models.espcn import Espcn
from tests.models.checkpoint_maker import (
    SIZES,
    legacy,
    random_generator,
    same,
    write,
    zipped,
)


def test_key_list_of_a_published_generator_has_its_number_of_parameters() -> None:
    sizes = GeneratorSizes((512, 512, 512, 512, 512, 256, 128, 64, 32), 512, 512, 8)
    shapes = keys.generator_shapes(sizes)
    trained = (
        math.prod(s) for key, s in shapes.items() if not key.endswith(".kernel") and not key.startswith("injected")
    )
    assert sizes.out_size == 1024
    assert len(shapes) == 171
    assert sum(trained) == 30_370_060


@pytest.mark.parametrize(
    ("ours", "rosinality", "nvlabs"),
    [
        ("style_mapping.2.linear.weight_orig", "style.2.weight", "mapping.fc1.weight"),
        ("style_mapping.1.bias", "style.1.bias", "mapping.fc0.bias"),
        ("constant_input.input", "input.input", "synthesis.b4.const"),
        ("conv1.conv.weight_orig", "conv1.conv.weight", "synthesis.b4.conv1.weight"),
        ("convs.2.conv.blur.kernel", "convs.2.conv.blur.kernel", "synthesis.b16.conv0.resample_filter"),
        (
            "convs.3.conv.style_modulation.linear.weight_orig",
            "convs.3.conv.modulation.weight",
            "synthesis.b16.conv1.affine.weight",
        ),
        ("convs.1.noise_injector.weight", "convs.1.noise.weight", "synthesis.b8.conv1.noise_strength"),
        ("convs.0.activate.bias", "convs.0.activate.bias", "synthesis.b8.conv0.bias"),
        ("to_rgb1.conv.style_modulation.bias", "to_rgb1.conv.modulation.bias", "synthesis.b4.torgb.affine.bias"),
        ("to_rgbs.1.bias", "to_rgbs.1.bias", "synthesis.b16.torgb.bias"),
        ("to_rgbs.0.upsample.kernel", "to_rgbs.0.upsample.kernel", "synthesis.b8.resample_filter"),
        ("injected_noise_0", "noises.noise_0", "synthesis.b4.conv1.noise_const"),
        ("injected_noise_4", "noises.noise_4", "synthesis.b16.conv1.noise_const"),
    ],
)
def test_names_are_those_that_the_projects_use(ours: str, rosinality: str, nvlabs: str) -> None:
    generator = random_generator()
    theirs = keys.from_mmagic(Layout.ROSINALITY, generator)
    assert torch.equal(theirs[rosinality], generator.state[ours])
    ada = keys.from_mmagic(Layout.NVLABS, generator)
    factor = 4 if ours.endswith(".kernel") else 1
    assert torch.equal(ada[nvlabs].flatten() * factor, generator.state[ours].flatten())


def test_nvlabs_shapes_lack_the_leading_axes() -> None:
    ada = keys.from_mmagic(Layout.NVLABS, random_generator())
    assert ada["synthesis.b4.const"].shape == (6, 4, 4)
    assert ada["synthesis.b8.conv0.weight"].shape == (5, 6, 3, 3)
    assert ada["synthesis.b8.conv0.noise_strength"].shape == ()
    assert ada["synthesis.b8.conv0.noise_const"].shape == (8, 8)
    assert ada["synthesis.b8.torgb.bias"].shape == (3,)
    assert float(ada["synthesis.b8.conv0.resample_filter"].sum()) == 1.0


@pytest.mark.parametrize("layout", [Layout.MMAGIC, Layout.ROSINALITY, Layout.NVLABS])
@pytest.mark.parametrize("sizes", [SIZES, GeneratorSizes((4, 4), 5, 5, 8), GeneratorSizes((3,) * 6, 2, 2, 0)])
def test_round_trip_through_a_layout_is_the_identity(layout: Layout, sizes: GeneratorSizes) -> None:
    generator = random_generator(1, sizes)
    theirs = keys.from_mmagic(layout, generator)
    back = keys.to_mmagic(layout, theirs, generator.average)
    assert back.sizes == sizes
    assert back.average is not None
    assert generator.average is not None
    assert torch.equal(back.average, generator.average)
    assert same(back.state, generator.state)
    assert same(keys.from_mmagic(layout, back), theirs)


def test_files_of_all_three_layouts_hold_the_same_generator(nvlabs: Callable[..., bytes], tmp_path: Path) -> None:
    generator, other = random_generator(), random_generator(9)
    ema = {f"generator_ema.{key}": tensor for key, tensor in generator.state.items()}
    plain = {f"generator.{key}": tensor for key, tensor in other.state.items()}
    critic = {"discriminator.convs.0.weight": torch.zeros(2)}
    rosinality = {
        "g": keys.from_mmagic(Layout.ROSINALITY, other),
        "d": critic,
        "g_ema": keys.from_mmagic(Layout.ROSINALITY, generator),
        "g_optim": {"state": {0: {"step": 3}}, "param_groups": [{"lr": 0.1}]},
        "latent_avg": generator.average,
    }
    paths = {
        Layout.MMAGIC: write(tmp_path / "a.pth", legacy({"meta": {"epoch": 1}, "state_dict": plain | critic | ema})),
        Layout.ROSINALITY: write(tmp_path / "b.pt", zipped(rosinality)),
        Layout.NVLABS: write(tmp_path / "c.pkl", nvlabs(keys.from_mmagic(Layout.NVLABS, generator))),
    }
    for layout, path in paths.items():
        network = layouts.recognise(files.read(path).groups)
        found = keys.to_mmagic(network.layout, network.state, network.average)
        assert network.layout is layout
        assert same(found.state, generator.state)
        if layout is not Layout.MMAGIC:
            assert found.average is not None
            assert generator.average is not None
            assert torch.equal(found.average, generator.average)
    mmagic = layouts.recognise(files.read(paths[Layout.MMAGIC]).groups)
    assert (mmagic.prefix, mmagic.ignored) == ("generator_ema.", ("discriminator", "generator"))


def test_nvlabs_arguments_are_read_beside_the_tensors(nvlabs: Callable[..., bytes], tmp_path: Path) -> None:
    data = nvlabs(keys.from_mmagic(Layout.NVLABS, random_generator()), beside={"p": 0.5})
    checkpoint = files.read(write(tmp_path / "ffhq.pkl", data))
    assert checkpoint.groups.keys() == {"G_ema"}
    assert checkpoint.arguments["G_ema"] == {
        "z_dim": 3,
        "img_resolution": 16,
        "synthesis_kwargs": {"conv_clamp": 256},
    }


@pytest.mark.parametrize("pack", [legacy, zipped])
def test_glean_prefix_is_taken_once_and_the_bank_comes_apart(pack: Callable[[object], bytes], tmp_path: Path) -> None:
    bank = random_generator()
    glean = {f"generator.{key}": tensor for key, tensor in bank.state.items()}
    glean |= {"encoder.0.0.conv_first.weight": torch.ones(2, 3, 3, 3), "fusion_out.0.bias": torch.ones(4)}
    saved = {f"generator.{key}": tensor for key, tensor in glean.items()}
    saved |= {"discriminator.final.weight": torch.ones(1), "perceptual_loss.vgg.mean": torch.ones(3)}
    path = write(tmp_path / "glean.pth", pack({"meta": {"mmedit": "0.x"}, "state_dict": saved}))
    network = layouts.recognise(files.read(path).groups)
    assert (network.layout, network.group, network.prefix) == (Layout.GLEAN, "state_dict", "generator.")
    assert network.ignored == ("discriminator", "perceptual_loss")
    shapes = {key: tuple(tensor.shape) for key, tensor in glean.items()}
    found, rest = keys.split_glean(network.state, shapes)
    assert same(found.state, bank.state)
    assert rest.keys() == {"encoder.0.0.conv_first.weight", "fusion_out.0.bias"}
    assert same(keys.join_glean(found, rest), glean)
    twice = {f"generator.{key}": tensor for key, tensor in saved.items()}
    with pytest.raises(CheckpointError, match="no known network"):
        layouts.recognise({"": {k: t for k, t in twice.items() if "generator.generator.generator" not in k}})


@pytest.mark.parametrize("prefix", ["", "generator_ema.", "ema.", "module.", "module.generator."])
def test_own_glean_checkpoints_may_carry_other_prefixes(prefix: str) -> None:
    glean = {"generator.constant_input.input": torch.ones(1), "encoder.0.0.conv_first.weight": torch.ones(1)}
    network = layouts.recognise({"": {prefix + key: tensor for key, tensor in glean.items()}})
    assert (network.layout, network.prefix) == (Layout.GLEAN, prefix)
    assert same(network.state, glean)


def test_keys_of_no_known_network_are_shown() -> None:
    with pytest.raises(CheckpointError, match=r"state_dict/backbone\.weight"):
        layouts.recognise({"state_dict": {"backbone.weight": torch.ones(1)}})


@pytest.mark.parametrize(("channels", "scale"), [(1, 3), (3, 2), (3, 4)])
def test_espcn_of_a_port_has_our_keys_afterwards(channels: int, scale: int, tmp_path: Path) -> None:
    state = {
        "first_part.0.weight": torch.randn(64, channels, 5, 5),
        "first_part.0.bias": torch.randn(64),
        "first_part.2.weight": torch.randn(32, 64, 3, 3),
        "first_part.2.bias": torch.randn(32),
        "last_part.0.weight": torch.randn(channels * scale**2, 32, 3, 3),
        "last_part.0.bias": torch.randn(channels * scale**2),
    }
    network = layouts.recognise(files.read(write(tmp_path / "espcn.pth", zipped(state))).groups)
    found = keys.espcn_to_ours(network.layout, network.state)
    assert (found.channels, found.scale) == (channels, scale)
    assert same(keys.espcn_from_ours(Layout.ESPCN_PARTS, found), state)
    assert same(keys.espcn_to_ours(Layout.ESPCN, found.state).state, found.state)
    if channels == 3:
        Espcn(scale).load_state_dict(found.state, strict=True)
    with pytest.raises(CheckpointError, match=r"missing: second\.bias"):
        keys.espcn_to_ours(network.layout, {k: t for k, t in state.items() if k != "first_part.2.bias"})
    with pytest.raises(CheckpointError, match="square"):
        keys.espcn_to_ours(network.layout, state | {"last_part.0.weight": torch.randn(channels * 5, 32, 3, 3)})


@pytest.mark.parametrize("layout", [Layout.MMAGIC, Layout.ROSINALITY, Layout.NVLABS])
def test_every_missing_key_and_every_added_one_is_named(layout: Layout) -> None:
    theirs = keys.from_mmagic(layout, random_generator())
    ours = {name: key for key, name in zip(SHAPES, keys_of(layout), strict=True)}
    for name in theirs.keys() - {"mapping.w_avg"}:
        with pytest.raises(CheckpointError) as caught:
            keys.to_mmagic(layout, {key: tensor for key, tensor in theirs.items() if key != name})
        assert ours.get(name, name) in str(caught.value)
    with pytest.raises(CheckpointError, match=r"mapping\.embed\.weight"):
        keys.to_mmagic(layout, theirs | {"mapping.embed.weight": torch.zeros(1)})


SHAPES = keys.generator_shapes(SIZES)


def keys_of(layout: Layout) -> list[str]:
    """The layout's names in the order of SHAPES."""
    renamed = list(keys.from_mmagic(layout, random_generator()))
    return renamed[: len(SHAPES)]


@pytest.mark.parametrize("layout", [Layout.MMAGIC, Layout.ROSINALITY, Layout.NVLABS])
def test_every_wrong_shape_is_refused(layout: Layout) -> None:
    theirs = keys.from_mmagic(layout, random_generator())
    for name, tensor in theirs.items():
        with pytest.raises(CheckpointError, match=r"shape|axes|missing"):
            keys.to_mmagic(layout, theirs | {name: torch.zeros(*tensor.shape, 2)})


def test_renamed_keys_are_named_both_ways() -> None:
    state = dict(random_generator().state)
    state["oddly_named"] = state.pop("convs.1.activate.bias")
    with pytest.raises(CheckpointError, match=r"missing: convs\.1\.activate\.bias; unexpected: oddly_named"):
        keys.fit(state, SHAPES)


def test_blur_kernel_of_the_other_scale_is_refused() -> None:
    state = random_generator().state
    kernel = "convs.0.conv.blur.kernel"
    with pytest.raises(CheckpointError, match=r"convs\.0\.conv\.blur\.kernel sums to 1, wanted 4"):
        keys.to_mmagic(Layout.MMAGIC, state | {kernel: state[kernel] / 4})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    state = random_generator().state
    with pytest.raises(CheckpointError, match=r"to_rgb1\.bias has values that are not finite"):
        keys.to_mmagic(Layout.MMAGIC, state | {"to_rgb1.bias": torch.full((1, 3, 1, 1), value)})


def test_half_precision_becomes_float32_and_integers_do_not() -> None:
    state = random_generator().state
    found = keys.to_mmagic(Layout.MMAGIC, {key: tensor.half() for key, tensor in state.items()})
    assert {tensor.dtype for tensor in found.state.values()} == {torch.float32}
    with pytest.raises(CheckpointError, match=r"to_rgb1\.bias holds torch\.int32"):
        keys.to_mmagic(Layout.MMAGIC, state | {"to_rgb1.bias": torch.zeros(1, 3, 1, 1, dtype=torch.int32)})
