"""Whose keys a checkpoint holds, and the part of it that is the network. Knows nothing of files; renames nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

from models.checkpoints.errors import UnknownNetwork
from models.stylegan2_ops import PixelNormForm


class Layout(StrEnum):
    GLEAN = "glean"  # mmagic, mmedit
    GLEAN_LIGHT = "glean-light"  # ours
    MMAGIC = "mmagic"  # StyleGAN2; mmgen, mmedit
    ROSINALITY = "rosinality"  # StyleGAN2
    NVLABS = "nvlabs"  # StyleGAN2, ada-pytorch
    ESPCN = "espcn"  # ours
    ESPCN_PARTS = "espcn-parts"  # the port with first_part and last_part


# How the mapping network normalises z, which no tensor tells.
NORMS = {
    Layout.MMAGIC: PixelNormForm.MMAGIC,
    Layout.ROSINALITY: PixelNormForm.ORIGINAL,
    Layout.NVLABS: PixelNormForm.ORIGINAL,
}


@dataclass(frozen=True, slots=True)
class Network:
    """state: the network's keys, prefix taken off. average: mean of w where it lies beside the state, else None."""

    layout: Layout
    state: dict[str, Tensor]
    group: str
    prefix: str
    ignored: tuple[str, ...]  # what else the checkpoint holds, by first name, sorted
    average: Tensor | None


# Averaged weights first: they are what makes images. A trailing dot, or generator. would match generator_ema. too.
GROUPS = ("g_ema", "G_ema", "generator_ema", "params_ema", "ema", "state_dict", "params", "model", "g", "G", "")
PREFIXES = ("generator_ema.", "g_ema.", "G_ema.", "ema.", "generator.", "g.", "G.", "")

# GLEAN holds a whole StyleGAN2 under generator., so it is looked for everywhere before anything else is.
_SIGNS: tuple[tuple[Layout, tuple[str, ...]], ...] = (
    (Layout.GLEAN, ("encoder.0.0.conv_first.weight", "generator.constant_input.input")),
    (Layout.GLEAN_LIGHT, ("encoder.0.conv_first.weight", "latents", "generator.constant_input.input")),
    (Layout.MMAGIC, ("constant_input.input",)),
    (Layout.ROSINALITY, ("input.input",)),
    (Layout.NVLABS, ("synthesis.b4.const",)),
    (Layout.ESPCN_PARTS, ("first_part.0.weight", "last_part.0.weight")),
    (Layout.ESPCN, ("first.weight", "second.weight", "last.weight")),
)


def recognise(groups: Mapping[str, Mapping[str, Tensor]]) -> Network:
    """The network in a checkpoint's groups, as `files.read` returns them.

    A prefix is taken off exactly once (`module.` may stand before it). Raises UnknownNetwork where no layout fits.
    """
    for layout, signs in _SIGNS:
        for group in GROUPS:
            keys = groups.get(group, {})
            for prefix in (wrapper + inner for inner in PREFIXES for wrapper in ("", "module.")):
                if all(prefix + sign in keys for sign in signs):
                    return _network(layout, groups, group, prefix)
    shown = [f"{group}/{key}" if group else key for group, keys in groups.items() for key in sorted(keys)[:2]]
    raise UnknownNetwork(
        f"the keys are of no known network ({', '.join(layout.value for layout in Layout)}); it has {shown[:6]}"
    )


def _network(layout: Layout, groups: Mapping[str, Mapping[str, Tensor]], group: str, prefix: str) -> Network:
    state = {key.removeprefix(prefix): value for key, value in groups[group].items() if key.startswith(prefix)}
    top = groups.get("", {})
    average = top.get("latent_avg")
    if group == "" and prefix == "":
        state.pop("latent_avg", None)
    ignored = {name for name, tensors in groups.items() if name not in (group, "") and tensors}
    for name in {group, ""} & groups.keys():
        rest = (key for key in groups[name] if name != group or not key.startswith(prefix))
        ignored |= {key.removeprefix("module.").split(".")[0] for key in rest if key != "latent_avg"}
    return Network(layout, state, group, prefix, tuple(sorted(ignored)), average)
