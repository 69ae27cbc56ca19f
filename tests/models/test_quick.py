"""Quick forms of networks: the same numbers, in every batch."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.realistic import realistic
from models.adapters import LumaOnly, SignedRange
from models.espcn import Espcn
from models.glean_light import GleanLight, GleanLightConfig, fold
from models.glean_silent import SilentGleanLight, fold_for_service, silence
from models.lanczos import Lanczos
from models.macs import cost
from models.quick import bicubic, quick_form
from models.quick_conv import QuickConv, RowConv, available, join, shuffle, shuffle_order

TOLERANCE = 1e-5  # of the largest output

SLIM = GleanLightConfig(
    16, 64, rrdb_channels=8, num_rrdbs=2, growth=4, channels=(8, 8, 8, 8, 4), style_channels=8, decoder_width=(8, 4)
)
BARE = GleanLightConfig(
    16, 32, rrdb_channels=8, num_rrdbs=1, growth=4, channels=(8, 8, 8, 4), style_channels=8, decoder_width=6,
    residual=False,
)  # fmt: skip


def espcn(scale: int, channels: int = 3) -> Espcn:
    torch.manual_seed(scale)
    network = Espcn(scale, channels)
    for parameter in network.parameters():
        parameter.data.mul_(2)  # so that tanh bends
    return network


def folded(config: GleanLightConfig) -> nn.Module:
    return SignedRange(fold(realistic(GleanLight(config))))


def silent(config: GleanLightConfig) -> nn.Module:
    network = realistic(GleanLight(config))
    last = network.get_parameter(f"decoder.{len(config.widths)}.2.weight").clone()
    silence(network)
    with torch.no_grad():
        network.get_parameter(f"decoder.{len(config.widths)}.2.weight").copy_(last)
    served = fold_for_service(network)
    assert isinstance(served, SilentGleanLight)
    return SignedRange(served)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "espcn-x2": lambda: espcn(2),
    "espcn-x3": lambda: espcn(3),
    "espcn-x4": lambda: espcn(4),
    "espcn of luma": lambda: LumaOnly(espcn(3, channels=1), 3),
    "slim GLEAN": lambda: folded(SLIM),
    "slim GLEAN, no residual": lambda: folded(BARE),
    "silent slim GLEAN": lambda: silent(SLIM),
    "silent slim GLEAN, no residual": lambda: silent(BARE),
}


def picture(count: int, edge: int = 16) -> torch.Tensor:
    x = torch.rand(count, 3, edge, edge, generator=torch.Generator().manual_seed(1))
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_the_quick_form_gives_the_same_numbers_to_the_picture_s_edge(name: str) -> None:
    network = NETWORKS[name]().eval()
    quick = quick_form(network)
    assert quick is not None
    x = picture(2)
    wanted, found = network(x), quick(x)
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= TOLERANCE * wanted.abs().max()
    assert wanted.std() > 0.02
    assert torch.equal(quick(x), found)  # nothing is kept from call to call


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_place_and_company_within_a_batch_do_not_matter(name: str) -> None:
    quick = quick_form(NETWORKS[name]().eval())
    assert quick is not None
    x = picture(3)
    found = quick(x)
    assert torch.equal(quick(x.flip(0).contiguous(memory_format=torch.channels_last)), found.flip(0))


@torch.inference_mode()
def test_a_copy_is_made_and_what_has_no_quick_form_says_so() -> None:
    network = espcn(2).eval()
    x = picture(1)
    quick = quick_form(network)
    assert quick is not None
    before = quick(x)
    for parameter in network.parameters():
        parameter.data.zero_()
    assert torch.equal(quick(x), before)
    assert torch.equal(copy.deepcopy(quick)(x), before)
    assert quick_form(Lanczos(2)) is None


@torch.inference_mode()
def test_under_autocast_it_computes_as_well_as_the_network_does() -> None:
    """In bfloat16 where the CPU has calls for it, else in float32: never farther off than bfloat16 is."""
    network = espcn(2).eval()
    quick = quick_form(network)
    assert quick is not None
    x = picture(2)
    wanted = network(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = quick(x)
    assert found.dtype == torch.float32
    assert (found - wanted).square().mean().sqrt() < 0.03 * wanted.std()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_a_convolution_without_fused_calls_computes_the_same(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert available()
    torch.manual_seed(0)
    weight, bias = torch.randn(8, 4, 3, 3), torch.randn(8)
    x = torch.randn(2, 4, 9, 7).contiguous(memory_format=torch.channels_last)
    plus = torch.randn(2, 8, 9, 7).contiguous(memory_format=torch.channels_last)
    convs = [QuickConv(weight, bias, (1, 1), activation, 0.2) for activation in ("none", "leaky_relu", "sigmoid")]
    wanted = [conv(x) for conv in convs] + [convs[0](x, plus)]
    monkeypatch.setattr("models.quick_conv.takes", lambda _: False)
    found = [conv(x.to(dtype)) for conv in convs] + [convs[0](x.to(dtype), plus.to(dtype))]
    for one, other in zip(wanted, found, strict=True):
        assert other.dtype == dtype
        assert torch.allclose(one, other.float(), atol=1e-5 if dtype == torch.float32 else 0.2)
    plain = F.conv2d(x, weight, bias, padding=1)
    assert torch.allclose(wanted[1], F.leaky_relu(plain, 0.2), atol=1e-5)
    assert torch.allclose(wanted[3], plain + plus, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@torch.inference_mode()
def test_the_bicubic_enlargement_is_torch_s_to_the_picture_s_edge(scale: int) -> None:
    x = picture(2, 12)
    wanted = F.interpolate(x, scale_factor=float(scale), mode="bicubic", align_corners=False)
    assert torch.allclose(shuffle(bicubic(scale)(x), 3, scale), wanted, atol=1e-6)


@pytest.mark.parametrize("replicate", [False, True])
@torch.inference_mode()
def test_a_window_s_rows_as_channels_are_the_same_convolution(replicate: bool) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(16, 3, 5, 5), picture(2, 11)
    padded = F.pad(x, (2,) * 4, mode="replicate" if replicate else "constant")
    found = RowConv(weight, None, replicate=replicate)(x)
    assert torch.allclose(found, F.conv2d(padded, weight), atol=1e-5)


@pytest.mark.parametrize(("channels", "scale"), [(3, 2), (1, 3), (16, 2)])
def test_shuffling_and_joining_are_torch_s(channels: int, scale: int) -> None:
    x = torch.rand(2, channels * scale**2, 5, 4).contiguous(memory_format=torch.channels_last)
    weight, _ = shuffle_order(torch.eye(x.shape[1])[:, :, None, None], None, scale)
    assert torch.equal(shuffle(F.conv2d(x, weight), channels, scale), F.pixel_shuffle(x, scale))
    joined = join(x, x[:, :2])
    assert torch.equal(joined, torch.cat((x, x[:, :2]), dim=1))
    assert joined.is_contiguous(memory_format=torch.channels_last)


def test_all_convolutions_of_a_silent_slim_glean_are_counted() -> None:
    """So that its reach of the peak is stated of what it really computes."""
    network = silent(SLIM)
    per_pixel = [sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d))]
    up = [(module, edge) for module, edge in ((network.network.decoder[1], 32), (network.network.decoder[2], 64))]
    more = sum(
        m.weight.numel() * (edge**2 - 16**2) for each, edge in up for m in each.modules() if isinstance(m, nn.Conv2d)
    )
    assert cost(network, (1, 3, 16, 16)).macs == per_pixel[0] * 16**2 + more
