"""Weights of a StyleGAN2 generator under the key names of mmagic, rosinality and NVlabs' ada-pytorch.

No tensor is transposed between the three. Works on state dictionaries; knows nothing of files or of running networks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

from models.stylegan2 import SMALLEST, StyleGan2Sizes
from models.stylegan2_ops import PixelNormForm


class Layout(StrEnum):
    MMAGIC = "mmagic"  # mmedit and mmgen too
    ROSINALITY = "rosinality"
    NVLABS = "nvlabs"


NORMS = {
    Layout.MMAGIC: PixelNormForm.MMAGIC,
    Layout.ROSINALITY: PixelNormForm.ORIGINAL,
    Layout.NVLABS: PixelNormForm.ORIGINAL,
}


class LayoutError(ValueError):
    """The keys or shapes are not those of a StyleGAN2 generator that we can build."""


@dataclass(frozen=True, slots=True)
class GeneratorWeights:
    """state: under mmagic's keys, for `StyleGan2(sizes, norm=norm).load_state_dict(state, strict=True)`."""

    state: dict[str, Tensor]
    sizes: StyleGan2Sizes
    norm: PixelNormForm
    average: Tensor | None  # (1, D), mean of w, where the layout carries it in the generator's state


def detect(state: Mapping[str, Tensor]) -> Layout:
    """The layout whose keys these are. Raises LayoutError where it is none of the three."""
    for layout, key in (
        (Layout.MMAGIC, "constant_input.input"),
        (Layout.ROSINALITY, "input.input"),
        (Layout.NVLABS, "synthesis.b4.const"),
    ):
        if key in state:
            return layout
    raise LayoutError(
        f"these are not the weights of a StyleGAN2 generator: {len(state)} keys, first {sorted(state)[:3]};"
        " if they carry a prefix such as generator_ema. take it off"
    )


def read_state(state: Mapping[str, Tensor]) -> GeneratorWeights:
    """Weights of any of the three layouts under mmagic's keys. Every key must be accounted for.

    Raises LayoutError naming the missing and the unexpected keys.
    """
    layout = detect(state)
    size = _size(state, layout)
    ours = keys(size, _mapping_layers(state, layout))
    if layout is Layout.MMAGIC:
        names = {key: key for key in ours}
    elif layout is Layout.ROSINALITY:
        names = {key: rosinality_key(key) for key in ours}
    else:
        names = {key: nvlabs_key(key) for key in ours}
    unused = _unused_nvlabs_keys(size) if layout is Layout.NVLABS else set()
    missing = sorted(set(names.values()) - state.keys())
    unexpected = sorted(state.keys() - set(names.values()) - unused)
    if missing or unexpected:
        raise LayoutError(
            f"a {layout} generator of {size} pixels does not have these keys;"
            f" missing: {', '.join(missing) or 'none'}; unexpected: {', '.join(unexpected) or 'none'}"
        )
    found = {key: state[name] for key, name in names.items()}
    if layout is Layout.NVLABS:
        found = {key: _from_nvlabs(key, tensor) for key, tensor in found.items()}
    average = state["mapping.w_avg"][None] if layout is Layout.NVLABS else None
    return GeneratorWeights(found, _sizes(found), NORMS[layout], average)


def keys(size: int, mapping_layers: int) -> list[str]:
    """All keys of a generator of `size` pixels in mmagic's layout."""
    blocks = size.bit_length() - SMALLEST.bit_length()  # upsampling ones
    found = [f"injected_noise_{i}" for i in range(2 * blocks + 1)]
    for i in range(1, mapping_layers + 1):
        found += [f"style_mapping.{i}.bias", f"style_mapping.{i}.linear.weight_orig"]
    found.append("constant_input.input")
    convs = ["conv1", *(f"convs.{i}" for i in range(2 * blocks))]
    rgbs = ["to_rgb1", *(f"to_rgbs.{j}" for j in range(blocks))]
    modulated = ("conv.weight_orig", "conv.style_modulation.bias", "conv.style_modulation.linear.weight_orig")
    found += [f"{conv}.{part}" for conv in convs for part in (*modulated, "noise_injector.weight", "activate.bias")]
    found += [f"{rgb}.{part}" for rgb in rgbs for part in (*modulated, "bias")]
    found += [f"convs.{2 * j}.conv.blur.kernel" for j in range(blocks)]
    found += [f"to_rgbs.{j}.upsample.kernel" for j in range(blocks)]
    return found


def rosinality_key(key: str) -> str:
    """The name in rosinality's layout of a key of mmagic's."""
    if key.startswith("injected_noise_"):
        return key.replace("injected_noise_", "noises.noise_")
    for ours, theirs in (
        ("style_mapping.", "style."),
        ("constant_input.", "input."),
        (".style_modulation.", ".modulation."),
        (".linear.weight_orig", ".weight"),
        (".weight_orig", ".weight"),
        (".noise_injector.", ".noise."),
    ):
        key = key.replace(ours, theirs)
    return key


def nvlabs_key(key: str) -> str:
    """The name in NVlabs' layout of a key of mmagic's. Raises LayoutError where it is not such a key."""
    if key == "constant_input.input":
        return "synthesis.b4.const"
    if found := re.fullmatch(r"injected_noise_(\d+)", key):
        return f"synthesis.{_nvlabs_conv(int(found[1]))}.noise_const"
    if found := re.fullmatch(r"style_mapping\.(\d+)\.(bias|linear\.weight_orig)", key):
        part = "bias" if found[2] == "bias" else "weight"
        return f"mapping.fc{int(found[1]) - 1}.{part}"
    if found := re.fullmatch(r"to_rgbs\.(\d+)\.upsample\.kernel", key):
        return f"synthesis.b{8 << int(found[1])}.resample_filter"
    if found := re.fullmatch(r"(conv1|convs\.(\d+)|to_rgb1|to_rgbs\.(\d+))\.(.+)", key):
        if found[1] in ("conv1", "to_rgb1"):
            module = f"b4.{'conv1' if found[1] == 'conv1' else 'torgb'}"
        elif found[2] is not None:
            module = _nvlabs_conv(int(found[2]) + 1)
        else:
            module = f"b{8 << int(found[3])}.torgb"
        if found[4] in _NVLABS_PARTS:
            return f"synthesis.{module}.{_NVLABS_PARTS[found[4]]}"
    raise LayoutError(f"{key} is not a key of a StyleGAN2 generator")


_NVLABS_PARTS = {
    "conv.weight_orig": "weight",
    "conv.style_modulation.bias": "affine.bias",
    "conv.style_modulation.linear.weight_orig": "affine.weight",
    "conv.blur.kernel": "resample_filter",
    "noise_injector.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}


def _nvlabs_conv(index: int) -> str:
    """Block and name of the convolution `index`, counted from the first one at 4 pixels."""
    return "b4.conv1" if index == 0 else f"b{SMALLEST << ((index + 1) // 2)}.conv{(index + 1) % 2}"


def _unused_nvlabs_keys(size: int) -> set[str]:
    """Kept by every NVlabs generator, of no influence where nothing is upsampled, or kept apart by us."""
    edges = [SMALLEST << i for i in range(size.bit_length() - SMALLEST.bit_length() + 1)]
    unused = {f"synthesis.b{edge}.conv1.resample_filter" for edge in edges}
    return unused | {"synthesis.b4.resample_filter", "mapping.w_avg"}


def _from_nvlabs(key: str, tensor: Tensor) -> Tensor:
    if key.endswith(".kernel"):
        return tensor * 4.0  # theirs sums to 1 and the factor is applied in code
    if key.startswith("injected_noise_"):
        return tensor[None, None]
    if key.startswith("to_rgb") and key.endswith(".bias") and "style_modulation" not in key:
        return tensor[None, :, None, None]
    if key.endswith(("conv.weight_orig", "constant_input.input")):
        return tensor[None]
    if key.endswith("noise_injector.weight"):
        return tensor.reshape(1)
    return tensor


def _size(state: Mapping[str, Tensor], layout: Layout) -> int:
    """Pixels of the output, by the number of upsampling blocks that have a to-RGB layer."""
    pattern = r"synthesis\.b(\d+)\.torgb\.bias" if layout is Layout.NVLABS else r"to_rgb(?:1|s\.(\d+))\.bias"
    blocks = sum(re.fullmatch(pattern, key) is not None for key in state)
    if not 1 <= blocks <= 9:
        raise LayoutError(f"{blocks} to-RGB layers: a generator of 4 to 1024 pixels has 1 to 9")
    return SMALLEST << (blocks - 1)


def _mapping_layers(state: Mapping[str, Tensor], layout: Layout) -> int:
    pattern = {
        Layout.MMAGIC: r"style_mapping\.\d+\.bias",
        Layout.ROSINALITY: r"style\.\d+\.bias",
        Layout.NVLABS: r"mapping\.fc\d+\.bias",
    }[layout]
    return sum(re.fullmatch(pattern, key) is not None for key in state)


def _sizes(state: Mapping[str, Tensor]) -> StyleGan2Sizes:
    """Widths, read off tensors under mmagic's keys."""
    blocks = sum(key.endswith(".upsample.kernel") for key in state)
    channels = [state["constant_input.input"].shape[1]]
    channels += [state[f"convs.{2 * j}.conv.weight_orig"].shape[1] for j in range(blocks)]
    layers = sum(re.fullmatch(r"style_mapping\.\d+\.bias", key) is not None for key in state)
    style = state["conv1.conv.style_modulation.linear.weight_orig"].shape[1]
    latent = state["style_mapping.1.linear.weight_orig"].shape[1] if layers else style
    return StyleGan2Sizes(tuple(channels), style, latent, layers)
