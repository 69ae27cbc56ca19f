"""Key lists of the reference's networks against those of ours: names, shapes and roles. No weight is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from models.checkpoints.keys import layout_names
from models.checkpoints.layouts import Layout
from models.glean import Glean, GleanConfig
from models.stylegan2 import StyleGan2, StyleGan2Sizes, channel_table
from models.vectors.recipe import CaseError, field, shape_of

_OTHERS = {"rosinality_key": Layout.ROSINALITY, "nvlabs_key": Layout.NVLABS}


def is_manifest(recipe: Mapping[str, Any]) -> bool:
    """A list of keys without a salt draws nothing: it is to be compared with a network's own keys."""
    keys = recipe.get("keys")
    return "salt" not in recipe and isinstance(keys, list) and "out_size" in recipe


def check_manifest(recipe: Mapping[str, Any]) -> None:
    """Raises CaseError naming the first differences."""
    rows = field(recipe, "keys", list)
    if not rows or not all(isinstance(row, list) and len(row) >= 4 for row in rows):
        raise CaseError("keys is not a list of rows of name, shape, dtype and role")
    columns = recipe.get("columns", ["mmagic_key", "mmagic_shape", "dtype", "role"])
    if not isinstance(columns, list) or len(columns) != len(rows[0]):
        raise CaseError(f"{len(rows[0])} columns are listed, {columns!r:.80} are named")
    theirs = {str(row[0]): (shape_of(row[1], str(row[0])), str(row[2]), str(row[3])) for row in rows}
    if len(theirs) != len(rows):
        raise CaseError("a key is listed twice")
    ours = _facts(_network(recipe, theirs))
    _same(theirs, ours)
    total = sum(math.prod(shape) for shape, _, role in theirs.values() if role == "param")
    for name, found in (("n_keys", len(rows)), ("n_params", total)):
        if recipe.get(name, found) != found:
            raise CaseError(f"{name} is {recipe[name]}, the list has {found}")
    for i, column in enumerate(columns):
        if column in _OTHERS:
            _same_names(rows, i, _OTHERS[column])


def _network(recipe: Mapping[str, Any], keys: Mapping[str, tuple[tuple[int, ...], str, str]]) -> nn.Module:
    """The network that the list is said to be of; sizes that a manifest leaves out are the official ones."""
    try:
        with torch.device("meta"):
            if "in_size" in recipe:
                sizes = {name: recipe[name] for name in GleanConfig.__dataclass_fields__ if name in recipe}
                return Glean(GleanConfig(**sizes))
            out_size, multiplier = field(recipe, "out_size", int), recipe.get("channel_multiplier", 2)
            style = keys.get("conv1.conv.style_modulation.linear.weight_orig", ((512, 512),))[0][-1]
            layers = sum(key.startswith("style_mapping.") and key.endswith(".bias") for key in keys)
            channels = channel_table(out_size, multiplier, recipe.get("channel_cap"))
            return StyleGan2(StyleGan2Sizes(channels, style, style, layers))
    except (TypeError, ValueError) as error:
        raise CaseError(str(error)) from error


def _facts(network: nn.Module) -> dict[str, tuple[tuple[int, ...], str, str]]:
    """Shape, dtype and role of every key of the network's state."""
    buffers = {name for name, _ in network.named_buffers()}
    return {
        key: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), "buffer" if key in buffers else "param")
        for key, tensor in network.state_dict().items()
    }


def _same(theirs: Mapping[str, object], ours: Mapping[str, object]) -> None:
    differing = [f"missing here: {key}" for key in theirs.keys() - ours.keys()]
    differing += [f"missing in the list: {key}" for key in ours.keys() - theirs.keys()]
    differing += [
        f"{k} is {ours[k]} here, {theirs[k]} listed" for k in theirs.keys() & ours.keys() if theirs[k] != ours[k]
    ]
    if differing:
        more = f"; {len(differing) - 3} more" if len(differing) > 3 else ""
        raise CaseError("; ".join(sorted(differing)[:3]) + more)


def _same_names(rows: list[list[Any]], column: int, layout: Layout) -> None:
    names = layout_names(layout)
    for row in rows:
        if row[column] != names[row[0]]:
            raise CaseError(f"{row[0]} is {names[row[0]]} in the layout of {layout}, {row[column]} is listed")
