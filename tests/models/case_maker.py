"""Whole cases in the format of stored vectors, made the slow way (`vector_maker`). Not a test file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.models.vector_maker import SlowGenerator, State, add_rrdb, lrelu, slow_rrdb


@dataclass
class Case:
    state: State
    recipe: dict[str, Any]
    arrays: dict[str, Any]  # float64 until written
    probes: dict[str, Tensor]

    def write(self, path: Path) -> Path:
        """Write NAME.json and NAME.npz; returns the former."""
        arrays = {name: np.asarray(array, "f4") for name, array in self.arrays.items()}
        if self.probes:
            values = [value.flatten().numpy() for value in self.probes.values()]
            index = [np.arange(min(64, len(v))) * (len(v) - 1) // max(min(64, len(v)) - 1, 1) for v in values]
            kept = [
                np.pad(v[at], (0, 64 - len(at)), constant_values=np.nan) for v, at in zip(values, index, strict=True)
            ]
            arrays |= {
                "probe_names": np.array(list(self.probes)),
                "probe_shapes": np.array([str(list(v.shape)) for v in self.probes.values()]),
                "probe_values": np.array(kept, "f4"),
                "probe_stats": np.array([[v.mean(), v.std(), v.min(), v.max(), np.linalg.norm(v)] for v in values]),
            }
        recipe = {"salt": self.state.salt, "n_keys": len(self.state.lines), "keys": self.state.lines, **self.recipe}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(recipe, ensure_ascii=False), encoding="utf-8")
        np.savez(path.with_suffix(".npz"), **arrays)
        return path


def slow_glean(salt: str, shape: tuple[int, ...], channels: tuple[int, ...], kwargs: dict[str, Any]) -> Case:
    """A case of a GLEAN with these widths at 4, 8, .. out_size; shape: of the input."""
    state = State(salt)
    inside, out, style = kwargs["in_size"], kwargs["out_size"], kwargs["style_channels"]
    width, images, blocks = kwargs["rrdb_channels"], kwargs.get("img_channels", 3), kwargs["num_rrdbs"]
    c = {4 << i: count for i, count in enumerate(channels)}
    bank = SlowGenerator(state, "mmagic", channels, style=style, mapping=kwargs.get("num_mlps", 8), prefix="generator.")
    state.add_conv("encoder.0.0.conv_first", width, images)
    for k in range(blocks):
        add_rrdb(state, f"encoder.0.0.body.{k}", width)
    state.add_conv("encoder.0.0.conv_body", width, width)
    state.add_conv("encoder.0.1", c[inside], width, scale=1.2**-blocks)
    last = int(math.log2(inside)) - 1
    for i in range(1, last):
        edge = inside >> (i - 1)
        state.add_conv(f"encoder.{i}.0", c[edge // 2], c[edge])
        state.add_conv(f"encoder.{i}.2", c[edge // 2], c[edge // 2])
    latents = 2 * len(channels)
    state.add_conv(f"encoder.{last}.0", c[4], c[4])
    state.add(f"encoder.{last}.3.weight", (latents * style, 16 * c[4]), math.sqrt(2 / (16 * c[4])))
    state.add(f"encoder.{last}.3.bias", (latents * style,), 0.1)
    fused = [edge for edge in c if edge <= inside]
    for j, edge in enumerate(fused):
        state.add_conv(f"fusion_out.{j}", c[edge], 2 * c[edge])
        state.add_conv(f"fusion_skip.{j}", 3, c[edge] + 3)
    steps = [edge for edge in c if edge >= inside]
    for i, edge in enumerate(steps[:-1]):
        state.add_conv(f"decoder.{i}.upsample_conv", 4 * c[2 * edge], c[edge] * (1 if i == 0 else 2))
    state.add_conv(f"decoder.{len(steps) - 1}.0", 64, 2 * c[out])
    state.add_conv(f"decoder.{len(steps) - 1}.2", images, 64)

    x = ((2 * state.unit("input", shape)).float() - 1).double()
    shallow = state.conv("encoder.0.0.conv_first", x)
    deep = shallow
    for k in range(blocks):
        deep = slow_rrdb(state, f"encoder.0.0.body.{k}", deep)
    probes = {"encoder.0.0": shallow + state.conv("encoder.0.0.conv_body", deep)}
    f = {inside: lrelu(state.conv("encoder.0.1", probes["encoder.0.0"]))}
    for i in range(1, last):
        edge = inside >> (i - 1)
        f[edge // 2] = lrelu(state.conv(f"encoder.{i}.2", lrelu(state.conv(f"encoder.{i}.0", f[edge], 2))))
    flat = lrelu(state.conv(f"encoder.{last}.0", f[4])).flatten(1)
    head = flat @ state.tensors[f"encoder.{last}.3.weight"].T + state.tensors[f"encoder.{last}.3.bias"]
    w = head.reshape(len(x), latents, style)
    feature = bank.conv(0, bank.constant.expand(len(x), -1, -1, -1), w[:, 0], bank.noise(0))
    textures = {}
    for j in range(len(channels) - 1):
        edge = 4 << j
        if edge <= inside:
            feature = state.conv(f"fusion_out.{j}", torch.cat((feature, f[edge]), 1))
        feature = bank.conv(2 * j + 1, feature, w[:, 2 * j + 1], bank.noise(2 * j + 1))
        feature = bank.conv(2 * j + 2, feature, w[:, 2 * j + 2], bank.noise(2 * j + 2))
        textures[2 * edge] = feature
    h = f[inside]
    for i, edge in enumerate(steps[:-1]):
        h = F.pixel_shuffle(state.conv(f"decoder.{i}.upsample_conv", h), 2)
        probes[f"decoder.{i}"] = h
        h = torch.cat((h, textures[2 * edge]), 1)
    h = state.conv(f"decoder.{len(steps) - 1}.2", lrelu(state.conv(f"decoder.{len(steps) - 1}.0", h)))
    probes |= {f"generator.{name}": value for name, value in bank.seen.items()}
    recipe = {
        "model": "GLEANStyleGANv2",
        "kwargs": kwargs,
        "input": {"name": "input", "kind": "uniform[-1,1)", "shape": list(shape)},
        "output": facts(h),
    }
    return Case(state, recipe, {"output": h.numpy(), "input": x.numpy()}, probes)


def facts(output: Tensor) -> dict[str, Any]:
    return {
        "shape": list(output.shape),
        "mean": float(output.mean()),
        "std": float(output.std(correction=0)),
        "absmax": float(output.abs().max()),
        "stored": "full float32",
    }


def slow_generator_case(
    salt: str,
    layout: str,
    channels: tuple[int, ...],
    *,
    style: int,
    latent: int | None = None,
    mapping: int = 1,
    clamp: float | None = None,
    batch: int = 2,
    variants: tuple[str, ...] = ("wplus", "z"),
) -> Case:
    """A case of a generator; variants as the format names them."""
    state = State(salt)
    slow = SlowGenerator(state, layout, channels, style=style, latent=latent, mapping=mapping, clamp=clamp)
    models = {
        "mmagic": "StyleGAN2Generator(mmagic)",
        "rosinality": "Generator(rosinality)",
        "nvlabs": "Generator(stylegan2-ada-pytorch)",
    }
    count = 2 * len(channels)
    inputs: dict[str, Any] = {"latent": [batch, count, style], "z": [batch, latent or style]}
    inputs |= {"z2": inputs["z"], "truncation_latent": [1, style], "truncation_latent_scale": 0.3}
    drawn = {name: state.normal(name, shape) for name, shape in inputs.items() if isinstance(shape, list)}
    drawn["truncation_latent"] = (drawn["truncation_latent"].float() * 0.3).double()
    w, w2 = slow.map(drawn["z"]), slow.map(drawn["z2"])
    arrays: dict[str, Any] = {"w_of_z": w.numpy()}
    noted, probes = {}, {}
    for variant in variants:
        noise: Any = "stored"
        if "mix" in variant:
            at = int(variant.split("_at")[1].split("_")[0])
            latents = torch.stack([w if i < at else w2 for i in range(count)], 1)
        else:
            latents = drawn["latent"] if variant.startswith("wplus") else w[:, None].repeat(1, count, 1)
        if "trunc" in variant:
            psi = float(variant.split("trunc")[1][1]) / 10
            toward = slow.at("mapping.w_avg") if "w_avg" in variant else drawn["truncation_latent"]
            latents = toward + psi * (latents - toward)
        if "nonoise" in variant:
            noise = None
        elif "override" in variant:
            edges = [slow.edge(i) for i in range(slow.count)]
            noise = [state.normal(f"noise_override_{i}", (1, 1, edge, edge)) for i, edge in enumerate(edges)]
        image = slow.image(latents, noise)
        if variant == "wplus":
            probes = dict(slow.seen)
        arrays[variant], noted[variant] = image.numpy(), facts(image)
    kwargs = {"synthesis_kwargs": {"conv_clamp": clamp}} if layout == "nvlabs" else {}
    recipe = {"model": models[layout], "kwargs": kwargs, "inputs": inputs, "variants": noted}
    return Case(state, recipe, arrays, probes)
