"""StyleGAN2's layers against slow twins, and the ways to run a generator."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoints.keys import GeneratorSizes, generator_shapes, layout_names, to_mmagic
from models.checkpoints.layouts import Layout
from models.stylegan2 import NoiseMode, StyleGan2, StyleGan2Sizes, channel_table, truncate
from models.stylegan2_ops import ModulatedConv, PixelNormForm, fir_kernel, upfirdn

MANIFEST = Path(__file__).parents[3] / "shared" / "oracle" / "manifest"
SMALL = StyleGan2Sizes(channels=(6, 6, 5, 4), style_dim=8, latent_dim=7, mapping_layers=2)


@pytest.fixture
def generator() -> StyleGan2:
    torch.manual_seed(3)
    network = StyleGan2(SMALL).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith(("noise_injector.weight", "activate.bias")):
            parameter.normal_()  # they start at zero, which would hide a mistake
    return network


def per_sample_weights(conv: ModulatedConv, x: Tensor, style: Tensor) -> Tensor:
    """The slow twin: one kernel per sample, as the paper writes it."""
    out = []
    for sample, scales in zip(x, conv.style_modulation(style), strict=True):
        weight = conv.weight_orig[0] * conv.scale * scales[None, :, None, None]
        if conv.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
        if conv.blur is None:
            out.append(F.conv2d(sample[None], weight, padding=conv.padding))
        else:
            wide = F.conv_transpose2d(sample[None], weight.transpose(0, 1), stride=2)
            out.append(slow_upfirdn(wide, conv.blur.kernel, 1, 1, (1, 1, 1, 1)))
    return torch.cat(out)


def slow_upfirdn(x: Tensor, kernel: Tensor, up: int, down: int, pad: tuple[int, int, int, int]) -> Tensor:
    """The slow twin: zeros, padding and a sum over taps, one output sample at a time."""
    left, right, top, bottom = pad
    n, c, h, w = x.shape
    wide = torch.zeros(n, c, h * up + top + bottom, w * up + left + right)
    wide[:, :, top : top + h * up : up, left : left + w * up : up] = x
    kh, kw = kernel.shape
    rows = range(0, wide.shape[2] - kh + 1, down)
    columns = range(0, wide.shape[3] - kw + 1, down)
    out = torch.zeros(n, c, len(rows), len(columns))
    for i, y in enumerate(rows):
        for j, z in enumerate(columns):
            for a in range(kh):
                for b in range(kw):
                    out[:, :, i, j] += wide[:, :, y + a, z + b] * kernel[kh - 1 - a, kw - 1 - b]
    return out


@pytest.mark.parametrize(("up", "down", "pad"), [(2, 1, (2, 1, 2, 1)), (1, 1, (1, 1, 1, 1)), (1, 2, (2, 1, 0, 3))])
def test_resampling_equals_the_sum_over_taps(up: int, down: int, pad: tuple[int, int, int, int]) -> None:
    torch.manual_seed(0)
    x, kernel = torch.randn(2, 3, 5, 6), torch.randn(4, 3)
    torch.testing.assert_close(upfirdn(x, kernel, up=up, down=down, pad=pad), slow_upfirdn(x, kernel, up, down, pad))


def test_the_kernel_keeps_the_level_of_a_flat_picture() -> None:
    flat = torch.full((1, 1, 8, 8), 0.7)
    middle = upfirdn(flat, fir_kernel(), up=2, pad=(2, 1, 2, 1))[:, :, 3:-3, 3:-3]
    torch.testing.assert_close(middle, torch.full_like(middle, 0.7))


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize(("kernel", "upsample"), [(1, False), (3, False), (3, True)])
def test_scaled_activations_equal_weights_made_per_sample(kernel: int, upsample: bool, demodulate: bool) -> None:
    torch.manual_seed(1)
    conv = ModulatedConv(6, 5, kernel, 8, demodulate=demodulate, upsample=upsample)
    x, style = torch.randn(3, 6, 4, 4), torch.randn(3, 8)
    with torch.no_grad():
        torch.testing.assert_close(conv(x, style), per_sample_weights(conv, x, style), rtol=1e-5, atol=1e-5)


def test_a_batch_equals_its_samples_one_by_one(generator: StyleGan2) -> None:
    latents = torch.randn(3, SMALL.latents, SMALL.style_dim)
    together = generator.synthesize(latents).image
    alone = torch.cat([generator.synthesize(each[None]).image for each in latents])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_stored_noise_gives_the_same_picture_each_time(generator: StyleGan2) -> None:
    z = torch.randn(2, SMALL.latent_dim)
    assert torch.equal(generator(z), generator(z))


def test_the_noise_modes_differ_and_maps_may_be_given(generator: StyleGan2) -> None:
    latents = torch.randn(2, SMALL.latents, SMALL.style_dim)
    stored = generator.synthesize(latents).image
    assert not torch.allclose(stored, generator.synthesize(latents, NoiseMode.NONE).image)
    seeds = [torch.Generator().manual_seed(seed) for seed in (5, 5, 6)]
    first, again, other = (generator.synthesize(latents, NoiseMode.RANDOM, generator=seed).image for seed in seeds)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    given = [generator.get_buffer(f"injected_noise_{i}") for i in range(len(generator.noise_shapes()))]
    assert torch.equal(generator.synthesize(latents, given).image, stored)
    zeros = [torch.zeros(2, *shape[1:]) for shape in generator.noise_shapes()]
    assert torch.equal(generator.synthesize(latents, zeros).image, generator.synthesize(latents, NoiseMode.NONE).image)


def test_noise_maps_that_do_not_fit_are_refused(generator: StyleGan2) -> None:
    with pytest.raises(ValueError, match=r"noise maps must have the shapes .*, not \[\(1, 1, 4, 4\)\]"):
        generator.noise_maps([torch.zeros(1, 1, 4, 4)], 1)


def test_truncation_pulls_toward_a_latent_and_psi_zero_reaches_it(generator: StyleGan2) -> None:
    z, toward = torch.randn(2, SMALL.latent_dim), torch.randn(1, SMALL.style_dim)
    reached = generator(z, psi=0.0, toward=toward)
    expected = generator.synthesize(generator.mix([toward.expand(2, -1)])).image
    torch.testing.assert_close(reached, expected)
    assert torch.equal(truncate(toward, 0.3, toward), toward)


def test_the_mean_latent_repeats_with_a_seed(generator: StyleGan2) -> None:
    means = [generator.mean_latent(64, torch.Generator().manual_seed(9)) for _ in range(2)]
    assert torch.equal(*means)
    assert means[0].shape == (1, SMALL.style_dim)


def test_styles_are_mixed_layer_by_layer(generator: StyleGan2) -> None:
    a, b = torch.zeros(2, SMALL.style_dim), torch.ones(2, SMALL.style_dim)
    mixed = generator.mix([a, b], [3])
    assert mixed.shape == (2, SMALL.latents, SMALL.style_dim)
    assert mixed[:, :3].eq(0).all()
    assert mixed[:, 3:].eq(1).all()
    with pytest.raises(ValueError, match="2 styles need 1 rising starts within 1\\.\\.7, not \\[8\\]"):
        generator.mix([a, b], [8])


def test_features_are_kept_where_asked(generator: StyleGan2) -> None:
    latents = torch.randn(2, SMALL.latents, SMALL.style_dim)
    found = generator.synthesize(latents, keep=[4, 16])
    assert {edge: tuple(x.shape) for edge, x in found.features.items()} == {4: (2, 6, 4, 4), 16: (2, 5, 16, 16)}
    assert found.image.shape == (2, 3, SMALL.size, SMALL.size)
    with pytest.raises(ValueError, match=r"no features at \[64\] pixels in a generator of 32"):
        generator.synthesize(latents, keep=[64])


def test_a_clamp_bounds_every_layer() -> None:
    torch.manual_seed(2)
    free, bound = StyleGan2(SMALL), StyleGan2(SMALL, clamp=0.25)
    bound.load_state_dict(free.state_dict())
    latents = torch.randn(1, SMALL.latents, SMALL.style_dim)
    with torch.no_grad():
        assert free.synthesize(latents, keep=[8]).features[8].abs().max() > 0.25
        assert bound.synthesize(latents, keep=[8]).features[8].abs().max() <= 0.25


def test_a_clamp_bounds_each_sizes_own_picture_and_not_the_sum() -> None:
    torch.manual_seed(2)
    latents = torch.randn(1, SMALL.latents, SMALL.style_dim)
    with torch.no_grad():
        first = StyleGan2(StyleGan2Sizes((6,), 8, 7, 2), clamp=0.25).synthesize(latents[:, :2]).image
        whole = StyleGan2(SMALL, clamp=0.25).synthesize(latents).image
    assert first.abs().max() <= 0.25 < whole.abs().max() <= 0.25 * 4 + 1e-6


def test_latents_of_a_wrong_shape_are_refused(generator: StyleGan2) -> None:
    with pytest.raises(ValueError, match=r"latents must be \(N, 8, 8\), not \(1, 7, 8\)"):
        generator.synthesize(torch.zeros(1, 7, 8))
    with pytest.raises(ValueError, match=r"z must be \(N, 7\), not \(1, 8\)"):
        generator.map(torch.zeros(1, 8))


def test_channels_follow_the_papers_table() -> None:
    assert channel_table(1024) == (512, 512, 512, 512, 512, 256, 128, 64, 32)
    assert channel_table(256, multiplier=1) == (512, 512, 512, 512, 256, 128, 64)
    assert channel_table(64, cap=48) == (48, 48, 48, 48, 48)
    with pytest.raises(ValueError, match="power of two from 4 to 1024, not 48"):
        channel_table(48)


def test_keys_listed_are_those_of_the_network(generator: StyleGan2) -> None:
    shapes = {key: tuple(tensor.shape) for key, tensor in generator.state_dict().items()}
    assert generator_shapes(GeneratorSizes(SMALL.channels, 8, 7, 2)) == shapes


def test_a_network_is_built_from_what_its_keys_tell(generator: StyleGan2) -> None:
    state = generator.state_dict()
    for layout, norm in ((Layout.MMAGIC, PixelNormForm.MMAGIC), (Layout.ROSINALITY, PixelNormForm.ORIGINAL)):
        found = to_mmagic(layout, {layout_names(layout)[key]: tensor for key, tensor in state.items()})
        assert (found.sizes.network, found.norm) == (SMALL, norm)
        network = StyleGan2(found.sizes.network, norm=found.norm)
        network.load_state_dict(found.state, strict=True)
        z = torch.randn(1, SMALL.latent_dim)
        assert torch.equal(network(z), generator(z)) == (norm is PixelNormForm.MMAGIC)


@pytest.mark.skipif(not MANIFEST.is_dir(), reason="the reference's key lists are not here")
@pytest.mark.parametrize(("size", "multiplier"), [(256, 1), (256, 2), (512, 2), (1024, 1), (1024, 2)])
def test_names_and_shapes_are_those_of_the_references(size: int, multiplier: int) -> None:
    rows = json.loads((MANIFEST / f"stylegan2_generator_{size}_cm{multiplier}.json").read_text())["keys"]
    with torch.device("meta"):
        network = StyleGan2(StyleGan2Sizes(channel_table(size, multiplier)))
    assert {row[0]: tuple(row[1]) for row in rows} == {k: tuple(v.shape) for k, v in network.state_dict().items()}
    assert all(layout_names(Layout.ROSINALITY)[row[0]] == row[4] for row in rows)
    assert all(layout_names(Layout.NVLABS)[row[0]] == row[5] for row in rows)


def test_unit_latents_give_unit_features() -> None:
    """Equalised weights and demodulation keep the variance, whatever the width."""
    torch.manual_seed(4)
    conv = ModulatedConv(64, 64, 3, 16)
    with torch.no_grad():
        deviation = conv(torch.randn(4, 64, 16, 16), torch.randn(4, 16)).std().item()
    assert math.isclose(deviation, 1.0, abs_tol=0.1)
