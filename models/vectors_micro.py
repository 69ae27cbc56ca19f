"""Numeric check of single operations against stored vectors; what has no counterpart here is listed, never passed.

The vectors are micro.json and micro.npz beside the whole-network cases. Knows nothing of where they lie.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from models.glean import PixelShuffleUp
from models.rrdb import Rrdb
from models.stylegan2_ops import EqualLinear, ModulatedConv, PixelNormForm, StyleConv, ToRgb, pixel_norm, upfirdn
from models.vectors import Comparison, draw, draw_weights, relative_error

CASE = "micro"
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class MicroReport:
    compared: tuple[Comparison, ...]
    not_covered: tuple[str, ...]  # stored arrays that nothing here computes


class _Recipe:
    """Inputs and weights of the micro vectors, by name."""

    def __init__(self, path: Path) -> None:
        recipe = json.loads(path.read_text())
        self._salt: str = recipe["salt"]
        self._weights: dict[str, list[dict[str, Any]]] = recipe["weights"]

    def normal(self, name: str, *shape: int, scale: float = 1.0) -> Tensor:
        return draw(self._salt + name, shape, scale=scale)

    def load(self, module: Module, tag: str) -> Module:
        """The module with the weights listed under `tag`, every key accounted for."""
        drawn = draw_weights(self._salt, self._weights[tag])
        state = {key.removeprefix(f"{tag}."): value for key, value in drawn.items()}
        module.load_state_dict(state, strict=True)
        return module.eval()


def run_micro(recipe: Path) -> MicroReport:
    """Compare every operation that we have; `recipe` is micro.json, with micro.npz beside it."""
    source = _Recipe(recipe)
    with np.load(recipe.with_suffix(".npz")) as arrays:
        expected = {name: arrays[name] for name in arrays.files}
    with torch.no_grad():
        compared = tuple(
            Comparison(CASE, name, relative_error(compute(source).numpy(), expected[name]))
            for name, compute in OPERATIONS.items()
        )
    return MicroReport(compared, tuple(sorted(expected.keys() - OPERATIONS.keys())))


def _fir(s: _Recipe, **how: Any) -> Tensor:
    return upfirdn(s.normal("fir_x", 2, 3, 5, 6), s.normal("fir_k", 4, 4), **how)


def _modulated(s: _Recipe, tag: str, outputs: int, kernel: int, **how: bool) -> Tensor:
    conv = s.load(ModulatedConv(6, outputs, kernel, 9, **how), tag)
    out: Tensor = conv(s.normal("mc_x", 2, 6, 5, 4), s.normal("mc_w", 2, 9))
    return out


def _linear(s: _Recipe, tag: str, source: str, layer: EqualLinear) -> Tensor:
    out: Tensor = s.load(layer, tag)(s.normal(source, 2, 9))
    return out


def _style_conv(s: _Recipe) -> Tensor:
    conv = s.load(StyleConv(6, 5, 9, upsample=True), "convs.0")
    out: Tensor = conv(s.normal("mc_x", 2, 6, 5, 4), s.normal("mc_w", 2, 9), s.normal("sc_noise", 1, 1, 10, 8))
    return out


def _to_rgb(s: _Recipe, x: Tensor, skip: Tensor | None) -> Tensor:
    out: Tensor = s.load(ToRgb(6, 9, upsample=True), "to_rgbs.0")(x, s.normal("mc_w", 2, 9), skip)
    return out


def _rrdb(s: _Recipe) -> Tensor:
    out: Tensor = s.load(Rrdb(8, growth=4), "rrdb")(s.normal("rrdb_x", 1, 8, 6, 7))
    return out


def _pixel_shuffle(s: _Recipe) -> Tensor:
    out: Tensor = s.load(PixelShuffleUp(6, 5), "ps")(s.normal("ps_x", 1, 6, 4, 5))
    return out


OPERATIONS: dict[str, Callable[[_Recipe], Tensor]] = {
    "upfirdn_up2_pad2121": lambda s: _fir(s, up=2, pad=(2, 1, 2, 1)),
    "upfirdn_pad11": lambda s: _fir(s, pad=(1, 1, 1, 1)),
    "upfirdn_down2_pad11": lambda s: _fir(s, down=2, pad=(1, 1, 1, 1)),
    "pixelnorm_mmagic": lambda s: pixel_norm(s.normal("pn_x", 3, 7, scale=2.0), PixelNormForm.MMAGIC),
    "pixelnorm_ros": lambda s: pixel_norm(s.normal("pn_x", 3, 7, scale=2.0), PixelNormForm.ORIGINAL),
    "mapping_layer": lambda s: _linear(
        s, "style_mapping.1", "map_x", EqualLinear(9, 11, learning_rate=0.01, activate=True)
    ),
    "modulation_fc": lambda s: _linear(s, "modfc.style_modulation", "modfc_x", EqualLinear(9, 6, bias=1.0)),
    "mc_plain": lambda s: _modulated(s, "mc_plain", 5, 3),
    "mc_up": lambda s: _modulated(s, "mc_up", 5, 3, upsample=True),
    "mc_rgb": lambda s: _modulated(s, "mc_rgb", 3, 1, demodulate=False),
    "styleconv_up": _style_conv,
    "torgb_noskip": lambda s: _to_rgb(s, s.normal("mc_x", 2, 6, 5, 4), None),
    "torgb_with_skip": lambda s: _to_rgb(s, s.normal("rgb_x", 2, 6, 6, 4), s.normal("rgb_skip", 2, 3, 3, 2)),
    "rrdb": _rrdb,
    "pixelshuffle": _pixel_shuffle,
}
