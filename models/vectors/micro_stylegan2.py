"""Operations of StyleGAN2, RRDB and ESPCN with the inputs that a micro vector implies. Knows nothing of comparing."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from models.espcn import Espcn
from models.glean import PixelShuffleUp
from models.rrdb import Rrdb
from models.stylegan2_ops import EqualLinear, ModulatedConv, PixelNormForm, StyleConv, ToRgb, pixel_norm, upfirdn
from models.vectors.micro import Operation, Shape, Source, filled, weight_shape
from models.vectors.recipe import CaseError

_MODULATION = "style_modulation.linear.weight_orig"


def _upfirdn(s: Source, name: re.Match[str]) -> Tensor:
    up, down = int(name["up"] or 1), int(name["down"] or 1)
    digits = [int(digit) for digit in name["pad"]]
    pad = (digits[0], digits[1], digits[-2], digits[-1])  # left, right, top, bottom; two digits are for both axes
    shape, kernel = _fir_shapes(s)
    return upfirdn(s.normal("fir_x", shape), s.normal("fir_k", kernel), up=up, down=down, pad=pad)


def _fir_shapes(s: Source) -> tuple[Shape, Shape]:
    """Of fir_x and fir_k, which all entries share: two arrays without decimation tell both, one tells fir_x for 4x4."""
    wide, same = s.case.arrays.get("upfirdn_up2_pad2121"), s.case.arrays.get("upfirdn_pad11")
    if wide is not None and same is not None and wide.ndim == same.ndim == 4:
        # 2H + 4 - k and H + 3 - k samples: their difference is H + 1
        sizes = tuple(a - b - 1 for a, b in zip(wide.shape[2:], same.shape[2:], strict=True))
        taps = tuple(size + 3 - b for size, b in zip(sizes, same.shape[2:], strict=True))
        if min(*sizes, *taps) > 0:
            return (*wide.shape[:2], *sizes), taps
    s.assumed.append("the kernel's shape (4, 4)")
    if wide is not None and wide.ndim == 4:
        return (*wide.shape[:2], wide.shape[2] // 2, wide.shape[3] // 2), (4, 4)
    if same is not None and same.ndim == 4:
        return (*same.shape[:2], same.shape[2] + 1, same.shape[3] + 1), (4, 4)
    return (2, 3, 5, 6), (4, 4)


def _pixel_norm(s: Source, name: re.Match[str]) -> Tensor:
    form = PixelNormForm.MMAGIC if name["form"] == "mmagic" else PixelNormForm.ORIGINAL
    return pixel_norm(s.normal("pn_x", s.shape(2), scale=s.told(r"pn_x = ([\d.]+)\*normal", 2.0)), form)


def _mapping_layer(s: Source, _name: re.Match[str]) -> Tensor:
    state = s.weights("style_mapping.1")
    outputs, inputs = weight_shape(state, "linear.weight_orig", 2)
    layer = EqualLinear(inputs, outputs, learning_rate=s.told(r"lr_mul=([\d.]+)", 0.01), activate=True)
    out: Tensor = filled(layer, state)(s.normal("map_x", (s.shape(2)[0], inputs)))
    return out


def _modulation_fc(s: Source, _name: re.Match[str]) -> Tensor:
    state = s.weights("modfc.style_modulation")
    outputs, inputs = weight_shape(state, "linear.weight_orig", 2)
    out: Tensor = filled(EqualLinear(inputs, outputs), state)(s.normal("modfc_x", (s.shape(2)[0], inputs)))
    return out


def _modulated(s: Source, name: re.Match[str]) -> Tensor:
    state = s.weights(name[0])
    _, outputs, inputs, kernel, _ = weight_shape(state, "weight_orig", 5)
    _, style = weight_shape(state, _MODULATION, 2)
    upsample = "blur.kernel" in state
    demodulate = _options(s).get("demodulate", kernel > 1)
    conv = ModulatedConv(inputs, outputs, kernel, style, demodulate=bool(demodulate), upsample=upsample)
    x, w = _image_and_style(s, "mc_x", inputs, style, 2 if upsample else 1)
    out: Tensor = filled(conv, state)(x, w)
    return out


def _options(s: Source) -> Mapping[str, object]:
    """Arguments in the entry's text, as `{'kernel_size': 3, 'upsample': True}`."""
    found = re.search(r"\{[^{}]*\}", s.text())
    try:
        options = ast.literal_eval(found[0]) if found else {}
    except (ValueError, SyntaxError) as error:
        raise CaseError(f"the options {found[0] if found else ''!r:.60} cannot be read") from error
    return options if isinstance(options, dict) else {}


def _image_and_style(s: Source, name: str, channels: int, style: int, scale: int) -> tuple[Tensor, Tensor]:
    n, _, h, w = s.shape(4)
    if h % scale or w % scale:
        raise CaseError(f"an output of {h}x{w} is no enlargement by {scale}")
    return s.normal(name, (n, channels, h // scale, w // scale)), s.normal("mc_w", (n, style))


def _style_conv(s: Source, _name: re.Match[str]) -> Tensor:
    state = s.weights("convs.0")
    _, outputs, inputs, _, _ = weight_shape(state, "conv.weight_orig", 5)
    _, style = weight_shape(state, f"conv.{_MODULATION}", 2)
    upsample = "conv.blur.kernel" in state
    conv = filled(StyleConv(inputs, outputs, style, upsample=upsample), state)
    x, w = _image_and_style(s, "mc_x", inputs, style, 2 if upsample else 1)
    out: Tensor = conv(x, w, s.normal("sc_noise", (1, 1, *s.shape(4)[2:])))
    return out


def _to_rgb(s: Source, name: re.Match[str]) -> Tensor:
    state = s.weights("to_rgbs.0")
    _, _, inputs, _, _ = weight_shape(state, "conv.weight_orig", 5)
    _, style = weight_shape(state, f"conv.{_MODULATION}", 2)
    layer = filled(ToRgb(inputs, style, upsample="upsample.kernel" in state), state)
    with_skip = name["skip"] == "with_skip"
    x, w = _image_and_style(s, "rgb_x" if with_skip else "mc_x", inputs, style, 1)
    n, channels, rows, columns = s.shape(4)
    out: Tensor = layer(x, w, s.normal("rgb_skip", (n, channels, rows // 2, columns // 2)) if with_skip else None)
    return out


def _rrdb(s: Source, _name: re.Match[str]) -> Tensor:
    state = s.weights("rrdb")
    growth, channels, _, _ = weight_shape(state, "rdb1.conv1.weight", 4)
    out: Tensor = filled(Rrdb(channels, growth), state)(s.normal("rrdb_x", s.shape(4)))
    return out


def _pixel_shuffle(s: Source, _name: re.Match[str]) -> Tensor:
    state = s.weights("ps")
    wide, inputs, _, _ = weight_shape(state, "upsample_conv.weight", 4)
    n, _, h, w = s.shape(4)
    out: Tensor = filled(PixelShuffleUp(inputs, wide // 4), state)(s.normal("ps_x", (n, inputs, h // 2, w // 2)))
    return out


def _espcn(s: Source, name: re.Match[str]) -> Tensor:
    scale = int(name["scale"])
    drawn = s.weights(f"espcn{scale}")
    _, channels, _, _ = weight_shape(drawn, "conv1.weight", 4)
    ours = {"conv1": "first", "conv2": "second", "conv3": "last"}
    state = {f"{ours.get(layer, layer)}.{kind}": t for (layer, _, kind), t in _parted(drawn)}
    n, _, h, w = s.shape(4)
    with torch.device("meta"):
        network = Espcn(scale, channels)
    network.load_state_dict(state, strict=True, assign=True)
    out: Tensor = network(s.normal("espcn_x", (n, channels, h // scale, w // scale)))
    return out


def _parted(state: Mapping[str, Tensor]) -> list[tuple[tuple[str, str, str], Tensor]]:
    return [(key.partition("."), tensor) for key, tensor in state.items()]


OPERATIONS: dict[str, Operation] = {
    r"upfirdn(?:_up(?P<up>\d))?(?:_down(?P<down>\d))?_pad(?P<pad>\d\d(?:\d\d)?)": _upfirdn,
    r"pixelnorm_(?P<form>mmagic|ros)": _pixel_norm,
    r"mapping_layer": _mapping_layer,
    r"modulation_fc": _modulation_fc,
    r"mc_(?:plain|up|rgb)": _modulated,
    r"styleconv(?:_up)?": _style_conv,
    r"torgb_(?P<skip>noskip|with_skip)": _to_rgb,
    r"rrdb": _rrdb,
    r"pixelshuffle": _pixel_shuffle,
    r"espcn_x(?P<scale>\d+)": _espcn,
}
