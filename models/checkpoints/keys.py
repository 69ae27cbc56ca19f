"""Renames and checks weights: StyleGAN2 under three layouts, the bank in a GLEAN, ESPCN ports. Pure; knows no files.

The common form is mmagic's. No tensor is transposed between the three layouts; only leading axes and the factor 4 of
the blur kernels differ.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from models.checkpoints.errors import CheckpointError
from models.checkpoints.layouts import NORMS, Layout
from models.stylegan2 import StyleGan2Sizes
from models.stylegan2_ops import PixelNormForm

Shapes = Mapping[str, tuple[int, ...]]

MAX_BLOCKS = 9  # upsampling ones: 4 -> 2048 pixels
MAX_MAPPING = 16
_KERNEL_SUM = {Layout.MMAGIC: 4.0, Layout.ROSINALITY: 4.0, Layout.NVLABS: 1.0}
_BANK = "generator."


@dataclass(frozen=True, slots=True)
class GeneratorSizes:
    """channels: at 4, 8, .. pixels. style: width of w; latent: of z. mapping: layers from z to w."""

    channels: tuple[int, ...]
    style: int
    latent: int
    mapping: int

    @property
    def out_size(self) -> int:
        return 4 << (len(self.channels) - 1)

    @property
    def network(self) -> StyleGan2Sizes:
        """What the network is built from. Its size is not checked here."""
        return StyleGan2Sizes(self.channels, self.style, self.latent, self.mapping)


@dataclass(frozen=True, slots=True)
class Generator:
    """state: float32 under mmagic's keys, complete. average: mean of w, (style,), where the checkpoint has it.

    norm: how z is normalised by those whose layout it was; mmagic's layout does not keep it.
    """

    state: dict[str, Tensor]
    sizes: GeneratorSizes
    average: Tensor | None
    norm: PixelNormForm = PixelNormForm.MMAGIC


def fit(state: Mapping[str, Tensor], expected: Shapes) -> dict[str, Tensor]:
    """The state in the order expected, float32 and contiguous.

    Raises CheckpointError naming every missing key, unexpected key and differing shape, and values that are not finite.
    """
    complaints = []
    if missing := sorted(expected.keys() - state.keys()):
        complaints.append(f"missing: {', '.join(missing)}")
    if unexpected := sorted(state.keys() - expected.keys()):
        complaints.append(f"unexpected: {', '.join(unexpected)}")
    complaints += [
        f"{key} has shape {tuple(state[key].shape)}, wanted {tuple(shape)}"
        for key, shape in expected.items()
        if key in state and tuple(state[key].shape) != tuple(shape)
    ]
    if complaints:
        raise CheckpointError(f"the weights do not fit; {'; '.join(complaints)}")
    return {key: _float32(key, state[key]) for key in expected}


def generator_shapes(sizes: GeneratorSizes) -> dict[str, tuple[int, ...]]:
    """Every key of a StyleGAN2 generator in mmagic's layout, with its shape."""
    blocks, w = len(sizes.channels) - 1, sizes.style
    shapes: dict[str, tuple[int, ...]] = {}
    for i in range(2 * blocks + 1):
        edge = 4 << ((i + 1) // 2)
        shapes[f"injected_noise_{i}"] = (1, 1, edge, edge)
    for i in range(1, sizes.mapping + 1):
        shapes[f"style_mapping.{i}.bias"] = (w,)
        shapes[f"style_mapping.{i}.linear.weight_orig"] = (w, sizes.latent if i == 1 else w)
    shapes["constant_input.input"] = (1, sizes.channels[0], 4, 4)
    for i in range(-1, 2 * blocks):
        narrow, wide = sizes.channels[(i + 2) // 2], sizes.channels[(i + 1) // 2]  # output and input
        name = "conv1" if i < 0 else f"convs.{i}"
        shapes |= _modulated(name, (1, narrow, wide, 3, 3), w)
        if i >= 0 and i % 2 == 0:
            shapes[f"{name}.conv.blur.kernel"] = (4, 4)
        shapes[f"{name}.noise_injector.weight"] = (1,)
        shapes[f"{name}.activate.bias"] = (narrow,)
    for j, channels in enumerate(sizes.channels):
        name = "to_rgb1" if j == 0 else f"to_rgbs.{j - 1}"
        shapes |= _modulated(name, (1, 3, channels, 1, 1), w)
        shapes[f"{name}.bias"] = (1, 3, 1, 1)
        if j > 0:
            shapes[f"{name}.upsample.kernel"] = (4, 4)
    return shapes


def generator_sizes(state: Mapping[str, Tensor]) -> GeneratorSizes:
    """Widths read off the tensors of a state under mmagic's keys, complete or not.

    Raises CheckpointError naming the key that the sizes cannot be read without.
    """
    blocks = 1 + max((int(found[1]) for key in state if (found := re.match(r"to_rgbs\.(\d+)\.", key))), default=-1)
    mapping = max((int(found[1]) for key in state if (found := re.match(r"style_mapping\.(\d+)\.", key))), default=0)
    if blocks > MAX_BLOCKS or mapping > MAX_MAPPING:
        raise CheckpointError(
            f"{blocks} upsampling blocks and {mapping} mapping layers: wanted at most {MAX_BLOCKS} and {MAX_MAPPING}"
        )
    channels = [axis(state, "constant_input.input", 4, 1)]
    channels += [axis(state, f"to_rgbs.{j}.conv.weight_orig", 5, 2) for j in range(blocks)]
    style = axis(state, "conv1.conv.style_modulation.linear.weight_orig", 2, 1)
    latent = axis(state, "style_mapping.1.linear.weight_orig", 2, 1) if mapping else style
    return GeneratorSizes(tuple(channels), style, latent, mapping)


def to_mmagic(layout: Layout, state: Mapping[str, Tensor], average: Tensor | None = None) -> Generator:
    """A StyleGAN2 generator of any layout (prefix already off) in mmagic's.

    average: from beside the state (rosinality's latent_avg); NVlabs' own w_avg lies in the state. Raises
    CheckpointError where a key is missing, unexpected, or of a shape or scale that the others contradict.
    """
    ours = {theirs: key for key, theirs in layout_names(layout).items()}
    found, unexpected = {}, []
    unused = _unused_filters() if layout is Layout.NVLABS else frozenset[str]()
    for name, tensor in state.items():
        if name in ours:
            found[ours[name]] = _leading_axes_added(ours[name], tensor) if layout is Layout.NVLABS else tensor
        elif layout is Layout.NVLABS and name == "mapping.w_avg":
            average = tensor
        elif name not in unused:
            unexpected.append(name)
    if unexpected:
        raise CheckpointError(f"a {layout} generator has no {', '.join(sorted(unexpected))}")
    sizes = generator_sizes(found)
    if layout is Layout.NVLABS:
        # Filters where nothing is upsampled are never used, but all belong to the network and must be there.
        theirs = nvlabs_filters(sizes)
        if wrong := sorted((state.keys() & unused) ^ theirs):
            raise CheckpointError(f"missing or unexpected: {', '.join(wrong)}")
        fit({key: state[key] for key in theirs}, dict.fromkeys(theirs, (4, 4)))
    fitted = fit(found, generator_shapes(sizes))
    for key, tensor in fitted.items():
        if key.endswith(".kernel"):
            wanted, total = _KERNEL_SUM[layout], float(tensor.sum())
            if not math.isclose(total, wanted, rel_tol=1e-3):
                raise CheckpointError(f"{key} sums to {total:g}, wanted {wanted:g} in the layout of {layout}")
            if layout is Layout.NVLABS:
                fitted[key] = tensor * 4.0
    if average is not None:
        if average.numel() != sizes.style:
            raise CheckpointError(f"the mean of w has shape {tuple(average.shape)}, wanted ({sizes.style},)")
        average = _float32("the mean of w", average.reshape(sizes.style))
    return Generator(fitted, sizes, average, NORMS[layout])


def from_mmagic(layout: Layout, generator: Generator) -> dict[str, Tensor]:
    """The state in another layout; `to_mmagic` of it is the same generator again, bit for bit.

    rosinality keeps the mean of w beside the state, so it is not in there. Raises CheckpointError where NVlabs' layout
    needs it and the generator has none.
    """
    names = layout_names(layout)
    state = fit(generator.state, generator_shapes(generator.sizes))
    if layout is not Layout.NVLABS:
        return {names[key]: tensor for key, tensor in state.items()}
    if generator.average is None:
        raise CheckpointError("the layout of nvlabs holds the mean of w (mapping.w_avg), and this generator has none")
    if len(generator.sizes.channels) < 2:
        raise CheckpointError("the layout of nvlabs holds blur filters, and a generator of 4 pixels has none")
    found = {names[key]: _leading_axes_taken(key, tensor) for key, tensor in state.items()}
    blur = found["synthesis.b8.conv0.resample_filter"]
    return found | {key: blur.clone() for key in nvlabs_filters(generator.sizes)} | {"mapping.w_avg": generator.average}


def nvlabs_filters(sizes: GeneratorSizes) -> set[str]:
    """Blur filters that NVlabs' generators carry where they are not used."""
    blocks = {f"synthesis.b{4 << j}.conv1.resample_filter" for j in range(len(sizes.channels))}
    return blocks | {"synthesis.b4.resample_filter"}


def split_glean(state: Mapping[str, Tensor], expected: Shapes) -> tuple[Generator, dict[str, Tensor]]:
    """The bank of a GLEAN as a generator of its own, and the rest, after `fit` to the whole network's keys."""
    whole = fit(state, expected)
    bank = {key.removeprefix(_BANK): tensor for key, tensor in whole.items() if key.startswith(_BANK)}
    return to_mmagic(Layout.MMAGIC, bank), {key: t for key, t in whole.items() if not key.startswith(_BANK)}


def join_glean(bank: Generator, rest: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The opposite of `split_glean`."""
    return {f"{_BANK}{key}": tensor for key, tensor in bank.state.items()} | dict(rest)


@dataclass(frozen=True, slots=True)
class Espcn:
    """state: first, second, last (.weight, .bias). channels: 1 where it enlarges luma only, 3 for RGB."""

    state: dict[str, Tensor]
    channels: int
    scale: int


_ESPCN_PARTS = {"first": "first_part.0", "second": "first_part.2", "last": "last_part.0"}


def espcn_to_ours(layout: Layout, state: Mapping[str, Tensor]) -> Espcn:
    """An ESPCN of either layout under our keys. Raises CheckpointError as `to_mmagic` does."""
    theirs = _espcn_names(layout)
    names = {name: key for key, name in theirs.items()}
    if unexpected := sorted(state.keys() - names.keys()):
        raise CheckpointError(f"an ESPCN of the layout {layout} has no {', '.join(unexpected)}")
    found = {names[name]: tensor for name, tensor in state.items()}
    channels = axis(found, "first.weight", 4, 1)
    last = axis(found, "last.weight", 4, 0)
    scale = math.isqrt(last // channels) if channels else 0
    if scale < 2 or channels * scale * scale != last:
        raise CheckpointError(f"last.weight gives {last} channels, wanted {channels} times the square of a scale")
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (wide, narrow, kernel) in {
        "first": (channels, 64, 5),
        "second": (64, 32, 3),
        "last": (32, last, 3),
    }.items():
        shapes |= {f"{name}.weight": (narrow, wide, kernel, kernel), f"{name}.bias": (narrow,)}
    return Espcn(fit(found, shapes), channels, scale)


def espcn_from_ours(layout: Layout, network: Espcn) -> dict[str, Tensor]:
    """The opposite of `espcn_to_ours`."""
    names = _espcn_names(layout)
    return {names[key]: tensor for key, tensor in network.state.items()}


def _espcn_names(layout: Layout) -> dict[str, str]:
    if layout not in (Layout.ESPCN, Layout.ESPCN_PARTS):
        raise CheckpointError(f"{layout} is not a layout of ESPCN")
    parts = _ESPCN_PARTS if layout is Layout.ESPCN_PARTS else {name: name for name in _ESPCN_PARTS}
    return {f"{ours}.{kind}": f"{parts[ours]}.{kind}" for ours in _ESPCN_PARTS for kind in ("weight", "bias")}


@cache
def layout_names(layout: Layout) -> dict[str, str]:
    """mmagic's key -> the layout's, of the largest generator; smaller ones have a part of these. Not to be changed."""
    keys = generator_shapes(GeneratorSizes((1,) * (MAX_BLOCKS + 1), 1, 1, MAX_MAPPING))
    if layout is Layout.MMAGIC:
        return {key: key for key in keys}
    if layout is Layout.ROSINALITY:
        return {key: _rosinality_name(key) for key in keys}
    if layout is Layout.NVLABS:
        return {key: _nvlabs_name(key) for key in keys}
    raise CheckpointError(f"{layout} is not a layout of StyleGAN2")


@cache
def _unused_filters() -> frozenset[str]:
    return frozenset(nvlabs_filters(GeneratorSizes((1,) * (MAX_BLOCKS + 1), 1, 1, 0)))


def _rosinality_name(key: str) -> str:
    for ours, theirs in (
        (r"^injected_noise_", "noises.noise_"),
        (r"^style_mapping\.", "style."),
        (r"^constant_input\.", "input."),
        (r"\.style_modulation\.", ".modulation."),
        (r"\.noise_injector\.", ".noise."),
        (r"(\.linear)?\.weight_orig$", ".weight"),
    ):
        key = re.sub(ours, theirs, key)
    return key


def _nvlabs_name(key: str) -> str:
    if key == "constant_input.input":
        return "synthesis.b4.const"
    if found := re.fullmatch(r"injected_noise_(\d+)", key):
        return f"synthesis.{_nvlabs_conv(int(found[1]) - 1)}.noise_const"
    if found := re.fullmatch(r"style_mapping\.(\d+)\.(?:linear\.)?(weight|bias)(?:_orig)?", key):
        return f"mapping.fc{int(found[1]) - 1}.{found[2]}"
    if found := re.fullmatch(r"to_rgbs\.(\d+)\.upsample\.kernel", key):
        return f"synthesis.b{8 << int(found[1])}.resample_filter"
    found = re.fullmatch(r"(conv|to_rgb)(1|s\.(\d+))\.(.+)", key)
    assert found is not None, key
    index = -1 if found[3] is None else int(found[3])
    module = _nvlabs_conv(index) if found[1] == "conv" else f"b{8 << index if index >= 0 else 4}.torgb"
    return f"synthesis.{module}.{_NVLABS_PARTS[found[4]]}"


_NVLABS_PARTS = {
    "conv.weight_orig": "weight",
    "conv.style_modulation.linear.weight_orig": "affine.weight",
    "conv.style_modulation.bias": "affine.bias",
    "conv.blur.kernel": "resample_filter",
    "noise_injector.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}


def _nvlabs_conv(index: int) -> str:
    """convs.{index}; -1 is the convolution at 4 pixels, which has no conv0 beside it."""
    return "b4.conv1" if index < 0 else f"b{8 << (index // 2)}.conv{index % 2}"


def _leading_axes_added(key: str, tensor: Tensor) -> Tensor:
    """NVlabs' tensor with mmagic's axes; one with other axes than theirs stays, for `fit` to name."""
    if (axes := _nvlabs_axes(key)) is None or tensor.ndim != axes:
        return tensor
    if key.endswith("noise_injector.weight"):
        return tensor.reshape(1)
    if _is_rgb_bias(key):
        return tensor.reshape(1, -1, 1, 1)
    return tensor[None, None] if key.startswith("injected_noise_") else tensor[None]


def _leading_axes_taken(key: str, tensor: Tensor) -> Tensor:
    if key.endswith(".kernel"):
        return tensor / 4.0
    if key.endswith("noise_injector.weight"):
        return tensor.reshape(())
    if _is_rgb_bias(key):
        return tensor.reshape(-1)
    if key.startswith("injected_noise_"):
        return tensor[0, 0]
    return tensor[0] if _nvlabs_axes(key) is not None else tensor


def _nvlabs_axes(key: str) -> int | None:
    """How many axes NVlabs' tensor has, where mmagic's has more."""
    if key.endswith("noise_injector.weight"):
        return 0
    if _is_rgb_bias(key):
        return 1
    if key.startswith("injected_noise_"):
        return 2
    if key == "constant_input.input":
        return 3
    return 4 if key.endswith(".conv.weight_orig") else None


def _is_rgb_bias(key: str) -> bool:
    return re.fullmatch(r"to_rgb(1|s\.\d+)\.bias", key) is not None


def _modulated(name: str, weight: tuple[int, ...], style: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.conv.weight_orig": weight,
        f"{name}.conv.style_modulation.bias": (weight[2],),
        f"{name}.conv.style_modulation.linear.weight_orig": (weight[2], style),
    }


def axis(state: Mapping[str, Tensor], key: str, axes: int, index: int) -> int:
    """Length of one axis of a tensor that has `axes`. Raises CheckpointError naming the key."""
    if key not in state:
        raise CheckpointError(f"missing: {key}")
    if state[key].ndim != axes:
        raise CheckpointError(f"{key} has shape {tuple(state[key].shape)}, wanted {axes} axes")
    return int(state[key].shape[index])


def _float32(key: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        raise CheckpointError(f"{key} holds {tensor.dtype}, wanted floating point")
    found = tensor.detach().to(torch.float32).contiguous()
    if not bool(torch.isfinite(found).all()):
        raise CheckpointError(f"{key} has values that are not finite")
    return found
