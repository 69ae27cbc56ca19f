"""Vectors of single operations: of other shapes and parameters made the slow way, and ones that must not pass."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.vectors.folder import Outcome, check
from tests.models.vector_maker import State, add_rrdb, filtered, lrelu, modulated, slow_rrdb

SALT = "мікро/✓:"
ROOT2 = math.sqrt(2)


class Micro:
    """A micro case in the making: arrays and texts by name, weights by tag."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        self.entries: dict[str, Any] = {}
        self.weights: dict[str, list[dict[str, Any]]] = {}

    def state(self, tag: str) -> State:
        """Whose keys are listed under the tag."""
        state = State(SALT)
        self.weights[tag] = state.lines
        return state

    def add(self, name: str, array: Tensor | np.ndarray[Any, Any] | float, text: str = "") -> None:
        self.arrays[name] = np.asarray(array)
        self.entries[name] = text

    def write(self, folder: Path) -> None:
        recipe = {"salt": SALT, "entries": self.entries, "weights": self.weights}
        (folder / "micro.json").write_text(json.dumps(recipe, ensure_ascii=False), encoding="utf-8")
        arrays = {k: v if v.dtype == np.float64 and v.ndim == 2 else v.astype("f4") for k, v in self.arrays.items()}
        np.savez(folder / "micro.npz", **arrays)


def fir(micro: Micro) -> None:
    """Sums over taps; a kernel of 3x5, so that no axis is confused."""
    inputs = State(SALT)
    x, kernel = inputs.normal("fir_x", (1, 2, 7, 9)).numpy(), inputs.normal("fir_k", (3, 5)).numpy()
    for name, up, down, pad in (
        ("upfirdn_up2_pad2121", 2, 1, (2, 1, 2, 1)),
        ("upfirdn_pad11", 1, 1, (1, 1, 1, 1)),
        ("upfirdn_down2_pad11", 1, 2, (1, 1, 1, 1)),
        ("upfirdn_up3_pad21", 3, 1, (2, 1, 2, 1)),
    ):
        wide = np.zeros((1, 2, 7 * up, 9 * up))
        wide[:, :, ::up, ::up] = x
        wide = np.pad(wide, ((0, 0), (0, 0), pad[2:], pad[:2]))
        rows, columns = wide.shape[2] - 2, wide.shape[3] - 4
        out = sum(wide[:, :, a : a + rows, b : b + columns] * kernel[2 - a, 4 - b] for a in range(3) for b in range(5))
        micro.add(name, np.asarray(out)[:, :, ::down, ::down])


def linear(micro: Micro) -> None:
    inputs = State(SALT)
    x = inputs.normal("pn_x", (4, 5), 2.0)
    micro.add("pixelnorm_mmagic", x / (x.norm(dim=1, keepdim=True) / math.sqrt(5) + 1e-6), "pn_x = 2*normal")
    micro.add("pixelnorm_ros", x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt())
    state = micro.state("style_mapping.1")
    state.add("style_mapping.1.bias", (6,), 10.0)
    state.add("style_mapping.1.linear.weight_orig", (6, 4), 100.0)
    bias, weight = state.tensors.values()
    out = lrelu(inputs.normal("map_x", (3, 4)) @ weight.T * 0.02 / 2 + 0.02 * bias) * ROOT2
    micro.add("mapping_layer", out, "one style_mapping layer, lr_mul=0.02, keys style_mapping.1.*; input map_x")
    state = micro.state("modfc.style_modulation")
    state.add("modfc.style_modulation.bias", (6,), 0.1, 1.0)
    state.add("modfc.style_modulation.linear.weight_orig", (6, 4))
    bias, weight = state.tensors.values()
    micro.add("modulation_fc", inputs.normal("modfc_x", (3, 4)) @ weight.T / 2 + bias)


def modulation(state: State, name: str, wide: int) -> tuple[Tensor, Tensor]:
    state.add(f"{name}.style_modulation.bias", (wide,), 0.1, 1.0)
    state.add(f"{name}.style_modulation.linear.weight_orig", (wide, 7))
    return state.tensors[f"{name}.style_modulation.linear.weight_orig"], state.tensors[f"{name}.style_modulation.bias"]


def modulated_convs(micro: Micro) -> None:
    inputs = State(SALT)
    x, w = inputs.normal("mc_x", (3, 4, 3, 6)), inputs.normal("mc_w", (3, 7))
    for name, kernel, outputs, options in (
        ("mc_plain", 3, 2, {}), ("mc_up", 3, 2, {"upsample": True}), ("mc_rgb", 1, 3, {"demodulate": False}),
    ):  # fmt: skip
        state = micro.state(name)
        state.add(f"{name}.weight_orig", (1, outputs, 4, kernel, kernel))
        mod = modulation(state, name, 4)
        if "upsample" in options:
            state.add_kernel(f"{name}.blur.kernel")
        weight = state.tensors[f"{name}.weight_orig"][0]
        out = modulated(x, w, weight, mod, up="upsample" in options, demod="demodulate" not in options)
        micro.add(name, out, f"ModulatedConv2d { {'kernel_size': kernel} | options }; inputs mc_x, mc_w")
    state = micro.state("convs.0")
    state.add("convs.0.conv.weight_orig", (1, 2, 4, 3, 3))
    mod = modulation(state, "convs.0.conv", 4)
    state.add_kernel("convs.0.conv.blur.kernel")
    state.add("convs.0.noise_injector.weight", (1,), 0.5)
    state.add("convs.0.activate.bias", (2,), 0.5)
    out = modulated(x, w, state.tensors["convs.0.conv.weight_orig"][0], mod, up=True, demod=True)
    out = out + state.tensors["convs.0.noise_injector.weight"] * inputs.normal("sc_noise", (1, 1, 6, 12))
    out = lrelu(out + state.tensors["convs.0.activate.bias"][:, None, None]) * ROOT2
    micro.add("styleconv_up", out, "conv->noise->bias+lrelu*sqrt2; keys convs.0.*")
    state = micro.state("to_rgbs.0")
    state.add("to_rgbs.0.bias", (1, 3, 1, 1), 0.5)
    state.add_kernel("to_rgbs.0.upsample.kernel")
    state.add("to_rgbs.0.conv.weight_orig", (1, 3, 4, 1, 1))
    mod = modulation(state, "to_rgbs.0.conv", 4)
    weight, bias = state.tensors["to_rgbs.0.conv.weight_orig"][0], state.tensors["to_rgbs.0.bias"]
    micro.add("torgb_noskip", modulated(x, w, weight, mod, up=False, demod=False) + bias)
    big, skip = inputs.normal("rgb_x", (3, 4, 4, 8)), inputs.normal("rgb_skip", (3, 3, 2, 4))
    out = modulated(big, w, weight, mod, up=False, demod=False) + bias + filtered(skip, 2, (2, 1, 2, 1))
    micro.add("torgb_with_skip", out, "to_rgb with skip (3,3,2,4) upsampled x2; keys to_rgbs.0.*")


def plain_convs(micro: Micro) -> None:
    inputs = State(SALT)
    state = micro.state("rrdb")
    add_rrdb(state, "rrdb", 3, growth=2)
    micro.add("rrdb", slow_rrdb(state, "rrdb", inputs.normal("rrdb_x", (2, 3, 5, 4))), "RRDB mid 3 growth 2")
    state = micro.state("ps")
    state.add_conv("ps.upsample_conv", 12, 2)
    micro.add("pixelshuffle", F.pixel_shuffle(state.conv("ps.upsample_conv", inputs.normal("ps_x", (2, 2, 3, 5))), 2))
    for scale, channels in ((3, 3), (5, 1)):
        state = micro.state(f"espcn{scale}")
        state.add_conv(f"espcn{scale}.conv1", 64, channels, 5)
        state.add_conv(f"espcn{scale}.conv2", 32, 64)
        state.add_conv(f"espcn{scale}.conv3", channels * scale**2, 32)
        x = inputs.normal("espcn_x", (2, channels, 4, 3))
        for layer in ("conv1", "conv2"):
            x = state.conv(f"espcn{scale}.{layer}", x).tanh()
        micro.add(f"espcn_x{scale}", F.pixel_shuffle(state.conv(f"espcn{scale}.conv3", x), scale))


def pulse(micro: Micro) -> None:
    inputs = State(SALT)
    v = inputs.normal("pulse_latent", (1, 3, 8))[0]
    angle = [
        [2 * math.atan2(math.sqrt((a - b).pow(2).sum() + 1e-9), math.sqrt((a + b).pow(2).sum() + 1e-9)) for a in v]
        for b in v
    ]
    micro.add("pulse_geocross", (512 * np.square(angle) / 8).mean(), "geodesic cross loss of normal (1,3,8)")
    difference = inputs.normal("pulse_d", (2, 3, 8, 8)) * 0.3
    micro.add("pulse_l2", difference.pow(2).mean((1, 2, 3)).clip(2e-3).sum(), "b=a+0.3*d")
    micro.add("pulse_l1", 10 * difference.abs().mean((1, 2, 3)).sum())
    small = (inputs.normal("pulse_d", (2, 3, 8, 8)) * 0.05).pow(2).mean((1, 2, 3)).clip(0.01)
    micro.add("pulse_l2_clamped", small.sum(), "clamped below at eps=1e-2 then summed: a=U, b=a+0.05*d")
    t = np.arange(40) / 40
    micro.add("pulse_lr_linear1cycle", (9 * (1 - np.abs(t - 0.5) * 2) + 1) / 10)
    micro.add("pulse_lr_linear1cycledrop", np.where(t < 0.9, (9 * (1 - np.abs(t / 0.9 - 0.5) * 2) + 1) / 10,
              0.1 + (t - 0.9) / 0.1 * (1e-3 - 0.1)), "lr factor at iteration i, steps=40")  # fmt: skip
    p, first, second = inputs.normal("pulse_param", (1, 2, 5)), 0.0, 0.0
    radius = p.norm(dim=2, keepdim=True)
    for step in range(2):
        gradient = inputs.normal(f"pulse_grad_p{step}", (1, 2, 5))
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        rate = 0.2 * float(micro.arrays["pulse_lr_linear1cycledrop"][step])
        moved = first / (1 - 0.9 ** (step + 1)) / ((second / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
        p = p - rate * moved
        p = p / p.norm(dim=2, keepdim=True) * radius
    micro.add("pulse_sph_p_step1", p, "param after Adam(lr=.2,b=(.9,.999),eps=1e-8), lr factor from linear1cycledrop")
    picture = inputs.unit("pulse_im2", (1, 1, 8, 6))
    taps = torch.tensor([{0.25: 0.8671875, 0.75: 0.2265625, 1.25: -0.0703125, 1.75: -0.0234375}[abs(i - 3.5) / 2]
                         for i in range(8)], dtype=torch.float64)  # fmt: skip
    taps = taps / taps.sum()
    wide = F.pad(picture, (3, 3, 3, 3), mode="reflect")
    out = F.conv2d(wide, torch.outer(taps, taps)[None, None], stride=2)
    micro.add("pulse_bicubic_x2", out, "PULSE bicubic downsample by 2 of uniform[0,1) image pulse_im2 (1,1,8,6)")
    micro.add("pulse_bicubic_kernel_x2", taps)


def degradation(micro: Micro) -> None:
    theta, o = 0.4, 0.3
    params = "iso(sig=2+o); aniso(sx=2.5+o,sy=.8,theta); gen_aniso(9,sx=2*o,sy=1,theta,beta=2.5)"
    params += "; plateau_iso(7,1.8+o,beta=1.5); sinc(5,omega=pi/2-o/3 padded to 9)"
    y, x = np.mgrid[-4:5, -4:5].astype(float)
    along, across = x * math.cos(theta) + y * math.sin(theta), y * math.cos(theta) - x * math.sin(theta)
    kernels = {
        "kernel_iso_9_s2": np.exp(-0.5 * (x**2 + y**2) / (2 + o) ** 2),
        "kernel_aniso_9": np.exp(-0.5 * ((along / (2.5 + o)) ** 2 + (across / 0.8) ** 2)),
        "kernel_gen_aniso_9_b2.5": np.exp(-0.5 * ((along / (2 * o)) ** 2 + across**2) ** 2.5),
        "kernel_plateau_iso_7": 1 / (1 + ((x**2 + y**2) / (1.8 + o) ** 2) ** 1.5)[1:-1, 1:-1],
    }
    omega, r = math.pi / 2 - o / 3, np.hypot(x, y)[2:-2, 2:-2]
    r[2, 2] = 1
    ring = omega * torch.special.bessel_j1(torch.from_numpy(omega * r)).numpy() / (2 * math.pi * r)
    ring[2, 2] = omega**2 / (4 * math.pi)
    kernels["kernel_sinc_5_pad9"] = np.pad(ring, 2)
    for name, kernel in kernels.items():
        micro.add(name, kernel / kernel.sum())
        del micro.entries[name]
    micro.entries["kernel_*"] = {"theta": theta, "o": o, "params": params}
    picture = State(SALT).unit("usm_img", (2, 3, 12, 10))
    wide = F.pad(picture, (4, 4, 4, 4), mode="reflect")
    weight = torch.from_numpy(micro.arrays["kernel_aniso_9"]).expand(3, 1, 9, 9)
    micro.add("filter2D_aniso9", F.conv2d(wide, weight, groups=3), "cross-correlation with kernel_aniso_9")


MAKERS = (fir, linear, modulated_convs, plain_convs, pulse, degradation)


def outcomes(folder: Path) -> dict[str, Outcome]:
    return {outcome.name.removeprefix("micro "): outcome for outcome in check(folder)}


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_operations_of_other_shapes_and_parameters_pass(make: Callable[[Micro], None], tmp_path: Path) -> None:
    micro = Micro()
    make(micro)
    micro.write(tmp_path)
    found = outcomes(tmp_path)
    assert found.keys() == micro.arrays.keys()
    assert [outcome for outcome in found.values() if not outcome.passed] == []


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_an_operation_fails_by_a_single_changed_value(make: Callable[[Micro], None], tmp_path: Path) -> None:
    micro = Micro()
    make(micro)
    for name, array in micro.arrays.items():
        last = np.arange(array.size).reshape(array.shape) == array.size - 1
        micro.arrays[name] = np.where(last, array + 4e-5 * np.abs(array).max(), array)
    micro.write(tmp_path)
    assert [name for name, outcome in outcomes(tmp_path).items() if outcome.passed] == []


def test_what_is_unknown_or_cannot_be_made_has_failed(tmp_path: Path) -> None:
    micro = Micro()
    linear(micro)
    plain_convs(micro)
    micro.add("wavelet_haar", np.ones(3), "not known")
    micro.add("imresize_d2", np.ones(3))
    micro.add("kernel_iso_9", np.ones((9, 9)))
    micro.add("jpeg_q500", np.ones((1, 3, 16, 16)))
    micro.add("espcn_x4", np.ones((1, 1, 8, 8)))
    micro.entries |= {"mc_plain": "listed only", "usm_*": "listed only"}
    micro.weights["rrdb"][0]["sha256_16"] = "0" * 16
    micro.weights["ps"].pop()
    micro.write(tmp_path)
    failed = {name: outcome.note for name, outcome in outcomes(tmp_path).items() if not outcome.passed}
    reasons = {
        "wavelet_haar": "this operation is not known",
        "imresize_d2": "the result has shape (32, 48, 3), (3,) is expected",
        "kernel_iso_9": "the entry holds no params",
        "jpeg_q500": "quality 500",
        "espcn_x4": "the field espcn4 is missing",
        "mc_plain": "no array of it is stored",
        "usm_*": "no array of it is stored",
        "rrdb": "was drawn with hash",
        "pixelshuffle": "Missing key",
    }
    assert failed.keys() == reasons.keys()
    assert [name for name, reason in reasons.items() if reason not in failed[name]] == []
