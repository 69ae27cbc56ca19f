"""Layers and generators made the slow way, float64 and one kernel per sample, with weights by name. Not a test file.

Nothing of our networks is used, so that a mistake in them shows; names and formulas are written down once more.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

TAPS = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0]))


@dataclass
class State:
    """Drawn tensors in float64 by name, and their lines in a recipe."""

    salt: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def normal(self, name: str, shape: Iterable[int], scale: float = 1.0) -> Tensor:
        """An input: it has no line."""
        rng = np.random.Generator(np.random.PCG64(zlib.crc32((self.salt + name).encode("utf-8"))))
        values = np.float32(scale) * rng.standard_normal(tuple(shape)).astype("f4")
        return torch.from_numpy(np.asarray(values, "f4")).double()

    def unit(self, name: str, shape: Iterable[int]) -> Tensor:
        rng = np.random.Generator(np.random.PCG64(zlib.crc32((self.salt + name).encode("utf-8"))))
        return torch.from_numpy(rng.random(tuple(shape)).astype("f4")).double()

    def add(self, key: str, shape: Iterable[int], scale: float = 1.0, offset: float = 0.0) -> None:
        tensor = (np.float32(offset) + self.normal(key, shape, scale).numpy().astype("f4")).astype("f4")
        seed = zlib.crc32((self.salt + key).encode("utf-8"))
        self._keep(key, tensor, {"kind": "normal", "offset": offset, "scale": scale, "seed": seed})

    def add_kernel(self, key: str, total: int = 4) -> None:
        kind = "fir" if total == 4 else "fir1"
        self._keep(key, (TAPS * total / 64).numpy(), {"kind": kind, "offset": 0.0, "scale": None, "seed": None})

    def add_conv(self, name: str, outputs: int, inputs: int, kernel: int = 3, scale: float = 1.0) -> None:
        self.add(f"{name}.weight", (outputs, inputs, kernel, kernel), scale * math.sqrt(2 / (inputs * kernel**2)))
        self.add(f"{name}.bias", (outputs,), 0.1)

    def _keep(self, key: str, tensor: NDArray[np.float32], how: dict[str, Any]) -> None:
        digest = hashlib.sha256(tensor.astype("<f4").tobytes()).hexdigest()[:16]
        role = "buffer" if ("noise_" in key and "strength" not in key) or how["kind"] != "normal" else "param"
        line = {"key": key, "shape": list(tensor.shape), "dtype": "float32", "role": role}
        self.lines.append(line | how | {"sha256_16": digest})
        self.tensors[key] = torch.from_numpy(np.array(tensor)).double()

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.tensors[f"{name}.weight"]
        return F.conv2d(x, weight, self.tensors[f"{name}.bias"], stride, padding=weight.shape[-1] // 2)


def lrelu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def modulated(x: Tensor, w: Tensor, weight: Tensor, mod: tuple[Tensor, Tensor], *, up: bool, demod: bool) -> Tensor:
    """x (N, I, h, w), w (N, D), weight (O, I, k, k), mod: weight (I, D) and bias (I,)."""
    out = []
    for image, style in zip(x, w, strict=True):
        scales = mod[0] @ style / math.sqrt(mod[0].shape[1]) + mod[1]
        own = weight / math.sqrt(weight[0].numel()) * scales[None, :, None, None]
        if demod:
            own = own / (own.pow(2).sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            wide = F.conv_transpose2d(image[None], own.transpose(0, 1), stride=2)
            out.append(filtered(wide, 1, (1, 1, 1, 1)))
        else:
            out.append(F.conv2d(image[None], own, padding=own.shape[-1] // 2))
    return torch.cat(out)


def filtered(x: Tensor, up: int, pad: tuple[int, int, int, int]) -> Tensor:
    """Zeros between samples, padding (left, right, top, bottom), the blur kernel of sum 4."""
    n, c, h, w = x.shape
    left, right, top, bottom = pad
    wide = torch.zeros(n, c, h * up + top + bottom, w * up + left + right, dtype=x.dtype)
    wide[:, :, top : top + h * up : up, left : left + w * up : up] = x
    return F.conv2d(wide, (TAPS.double() / 16).expand(c, 1, 4, 4), groups=c)


@dataclass(frozen=True)
class Names:
    """Keys of one layer in one layout."""

    weight: str
    mod: str
    bias: str
    strength: str = ""
    noise: str = ""
    kernel: str = ""

    @staticmethod
    def conv(layout: str, i: int) -> Names:
        """The i-th 3x3 convolution; 0 at 4 pixels, odd ones enlarge."""
        if layout == "nvlabs":
            base = "synthesis.b4.conv1" if i == 0 else f"synthesis.b{8 << (i - 1) // 2}.conv{(i + 1) % 2}"
            parts = ("weight", "affine", "bias", "noise_strength", "noise_const", "resample_filter")
            return Names(*(f"{base}.{part}" for part in parts))
        base = "conv1" if i == 0 else f"convs.{i - 1}"
        if layout == "mmagic":
            parts = ("conv.weight_orig", "conv.style_modulation", "activate.bias", "noise_injector.weight")
        else:
            parts = ("conv.weight", "conv.modulation", "activate.bias", "noise.weight")
        noise = f"injected_noise_{i}" if layout == "mmagic" else f"noises.noise_{i}"
        return Names(*(f"{base}.{part}" for part in parts), noise, f"{base}.conv.blur.kernel")

    @staticmethod
    def rgb(layout: str, j: int) -> Names:
        """The to-RGB layer of 4·2^j pixels."""
        if layout == "nvlabs":
            base = f"synthesis.b{4 << j}.torgb"
            return Names(
                f"{base}.weight", f"{base}.affine", f"{base}.bias", kernel=f"synthesis.b{4 << j}.resample_filter"
            )
        base = "to_rgb1" if j == 0 else f"to_rgbs.{j - 1}"
        weight, mod = ("weight_orig", "style_modulation") if layout == "mmagic" else ("weight", "modulation")
        return Names(f"{base}.conv.{weight}", f"{base}.conv.{mod}", f"{base}.bias", kernel=f"{base}.upsample.kernel")


class SlowGenerator:
    """A StyleGAN2 of any layout; `prefix` stands before its keys. `seen`: outputs of layers by the layout's names."""

    def __init__(
        self,
        state: State,
        layout: str,
        channels: tuple[int, ...],
        *,
        style: int,
        latent: int | None = None,
        mapping: int = 1,
        clamp: float | None = None,
        prefix: str = "",
    ) -> None:
        self.state, self.layout, self.channels, self.style, self.clamp = state, layout, channels, style, clamp
        self.prefix, self.mapping, self.count = prefix, mapping, 2 * len(channels) - 1
        self.seen: dict[str, Tensor] = {}
        nvlabs = layout == "nvlabs"
        one = () if nvlabs else (1,)
        for i in range(1, mapping + 1):
            inputs = latent or style if i == 1 else style
            self._add(f"{self._mapping(i)[0]}", (style, inputs), 100.0)
            self._add(f"{self._mapping(i)[1]}", (style,), 10.0)
        constant = {"mmagic": "constant_input.input", "rosinality": "input.input", "nvlabs": "synthesis.b4.const"}
        self._add(constant[layout], (*one, channels[0], 4, 4))
        for i in range(self.count):
            names, edge = Names.conv(layout, i), self.edge(i)
            inputs, outputs = channels[max(i - 1, 0) // 2 if i % 2 else i // 2], channels[(i + 1) // 2]
            self._add(names.weight, (*one, outputs, inputs, 3, 3))
            self._add_modulation(names.mod, inputs)
            self._add(names.bias, (outputs,), 0.1)
            self._add(names.strength, () if nvlabs else (1,), 0.1)
            self._add(names.noise, (edge, edge) if nvlabs else (1, 1, edge, edge))
            if i % 2 or nvlabs:
                state.add_kernel(prefix + names.kernel, 1 if nvlabs else 4)
        for j, width in enumerate(channels):
            names = Names.rgb(layout, j)
            self._add(names.weight, (*one, 3, width, 1, 1))
            self._add_modulation(names.mod, width)
            self._add(names.bias, (3,) if nvlabs else (1, 3, 1, 1), 0.1)
            if j or nvlabs:
                state.add_kernel(prefix + names.kernel, 1 if nvlabs else 4)
        if nvlabs:
            self._add("mapping.w_avg", (style,), 0.1)
        self.constant = self.at(constant[layout]).reshape(1, channels[0], 4, 4)

    def _add(self, key: str, shape: tuple[int, ...], scale: float = 1.0) -> None:
        self.state.add(self.prefix + key, shape, scale)

    def _add_modulation(self, name: str, inputs: int) -> None:
        middle = ".linear.weight_orig" if self.layout == "mmagic" else ".weight"
        self._add(name + middle, (inputs, self.style))
        self.state.add(f"{self.prefix}{name}.bias", (inputs,), 0.1, 1.0)

    def _mapping(self, i: int) -> tuple[str, str]:
        if self.layout == "nvlabs":
            return f"mapping.fc{i - 1}.weight", f"mapping.fc{i - 1}.bias"
        if self.layout == "rosinality":
            return f"style.{i}.weight", f"style.{i}.bias"
        return f"style_mapping.{i}.linear.weight_orig", f"style_mapping.{i}.bias"

    def at(self, key: str) -> Tensor:
        return self.state.tensors[self.prefix + key]

    def edge(self, i: int) -> int:
        return 4 << ((i + 1) // 2)

    def map(self, z: Tensor) -> Tensor:
        if self.layout == "mmagic":
            x = z / (z.pow(2).sum(1, keepdim=True).sqrt() / math.sqrt(z.shape[1]) + 1e-6)
        else:
            x = z / (z.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()
        for i in range(1, self.mapping + 1):
            weight, bias = (self.at(name) for name in self._mapping(i))
            x = lrelu(x @ weight.T * 0.01 / math.sqrt(weight.shape[1]) + bias * 0.01) * math.sqrt(2)
        return x

    def conv(self, i: int, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        names = Names.conv(self.layout, i)
        weight = self.at(names.weight).reshape(self.at(names.weight).shape[-4:])
        x = modulated(x, w, weight, self.modulation(names), up=i % 2 == 1, demod=True)
        if noise is not None:
            x = x + self.at(names.strength).reshape(()) * noise
        x = lrelu(x + self.at(names.bias)[:, None, None]) * math.sqrt(2)
        if self.clamp is not None:
            x = x.clip(-self.clamp, self.clamp)
        self.seen[names.bias.removesuffix(".bias").removesuffix(".activate")] = x
        return x

    def modulation(self, names: Names) -> tuple[Tensor, Tensor]:
        middle = ".linear.weight_orig" if self.layout == "mmagic" else ".weight"
        return self.at(names.mod + middle), self.at(f"{names.mod}.bias")

    def noise(self, i: int) -> Tensor:
        return self.at(Names.conv(self.layout, i).noise).reshape(1, 1, self.edge(i), self.edge(i))

    def image(self, latents: Tensor, noise: list[Tensor] | str | None = "stored") -> Tensor:
        """latents (N, K, D) -> (N, 3, S, S). noise: maps, None for none."""
        maps = [self.noise(i) for i in range(self.count)] if noise == "stored" else noise or [None] * self.count
        x, image = self.constant.expand(len(latents), -1, -1, -1), None
        for i in range(self.count):
            x = self.conv(i, x, latents[:, i], maps[i])
            if i % 2 == 0:
                names = Names.rgb(self.layout, i // 2)
                weight = self.at(names.weight).reshape(self.at(names.weight).shape[-4:])
                own = modulated(x, latents[:, i + 1], weight, self.modulation(names), up=False, demod=False)
                own = own + self.at(names.bias).reshape(1, 3, 1, 1)
                if self.clamp is not None:
                    own = own.clip(-self.clamp, self.clamp)
                image = own if image is None else own + filtered(image, 2, (2, 1, 2, 1))
                name = names.bias.removesuffix(".bias")
                self.seen[name] = own if self.layout == "nvlabs" else image
        assert image is not None
        return image


def slow_rrdb(state: State, name: str, x: Tensor) -> Tensor:
    inner = x
    for r in (1, 2, 3):
        seen = [inner]
        for k in range(1, 5):
            seen.append(lrelu(state.conv(f"{name}.rdb{r}.conv{k}", torch.cat(seen, 1))))
        inner = 0.2 * state.conv(f"{name}.rdb{r}.conv5", torch.cat(seen, 1)) + inner
    return 0.2 * inner + x


def add_rrdb(state: State, name: str, width: int, growth: int = 32) -> None:
    for r in (1, 2, 3):
        for k in range(1, 6):
            state.add_conv(f"{name}.rdb{r}.conv{k}", width if k == 5 else growth, width + growth * (k - 1))
