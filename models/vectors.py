"""Numeric check of our networks against stored vectors of the reference implementations.

A case is NAME.json (how to make weights and inputs) and NAME.npz (expected arrays). Every tensor is drawn from a
generator seeded by its name, so no weights are stored. Knows the networks; knows nothing of where the cases lie.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.checkpoints.keys import Generator, to_mmagic
from models.checkpoints.layouts import recognise
from models.glean import Glean, GleanConfig
from models.stylegan2 import NoiseMode, StyleGan2, truncate

TOLERANCE = 2e-5  # of the largest expected absolute value, float32 on a CPU
TRUNCATION = 0.7
PROBES = 64  # values kept of each layer's output
GLEAN = "GLEANStyleGANv2"


class CaseError(ValueError):
    """A case asks for something that this check cannot build: it has not passed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One expected array against ours; `error` is the largest difference over the largest expected value."""

    case: str
    name: str  # of the variant or operation
    error: float
    first_difference: str | None = None  # the first layer off by more than the tolerance, where the output is

    @property
    def passed(self) -> bool:
        return self.error <= TOLERANCE  # not-a-number fails


def draw(name: str, shape: Sequence[int], *, offset: float = 0.0, scale: float = 1.0) -> Tensor:
    """Normal float32 tensor that belongs to `name` (the salt, then the key): offset + scale · v."""
    values = _rng(name).standard_normal(tuple(shape)).astype(np.float32)
    return torch.from_numpy(np.asarray(np.float32(offset) + np.float32(scale) * values, dtype=np.float32))


def draw_uniform(name: str, shape: Sequence[int]) -> Tensor:
    """Float32 tensor in [-1, 1) that belongs to `name`."""
    values = _rng(name).random(tuple(shape)).astype(np.float32)
    return torch.from_numpy(np.float32(2) * values - np.float32(1))


def draw_weights(salt: str, keys: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """State of the recipe's keys. Raises CaseError where a tensor's hash is not the one noted."""
    state: dict[str, Tensor] = {}
    for entry in keys:
        key, kind = entry["key"], entry["kind"]
        if kind == "normal":
            value = draw(salt + key, entry["shape"], offset=entry["offset"], scale=entry["scale"])
        elif kind in ("fir", "fir1"):
            taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
            value = torch.outer(taps, taps) / (16.0 if kind == "fir" else 64.0)
        else:
            raise CaseError(f"{key}: tensors of kind {kind!r} are not known")
        noted = entry.get("sha256_16")
        if noted is not None and (found := _digest(value)) != noted:
            raise CaseError(f"{key} was drawn with hash {found}, the case notes {noted}")
        state[key] = value
    return state


def run_case(recipe: Path) -> list[Comparison]:
    """Every variant of one whole-network case. Raises CaseError where it cannot be built."""
    case = json.loads(recipe.read_text())
    with np.load(recipe.with_suffix(".npz")) as arrays:
        expected = {name: arrays[name] for name in arrays.files}
    state = draw_weights(case["salt"], case["keys"])
    if case["model"] == GLEAN:
        return _run_glean(recipe.stem, case, state, expected)
    return _run_generator(recipe.stem, case, state, expected)


def load_glean(config: GleanConfig, state: dict[str, Tensor]) -> Glean:
    """A network holding exactly this state, without the cost of initialising it first. Raises as strict loading."""
    with torch.device("meta"):
        network = Glean(config)
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval()


def load_generator(weights: Generator, clamp: float | None = None) -> StyleGan2:
    """As `load_glean`, of a generator's weights in any layout."""
    with torch.device("meta"):
        network = StyleGan2(weights.sizes.network, norm=weights.norm, clamp=clamp)
    network.load_state_dict(weights.state, strict=True, assign=True)
    return network.eval()


def _run_glean(
    name: str, case: dict[str, Any], state: dict[str, Tensor], expected: dict[str, NDArray[Any]]
) -> list[Comparison]:
    try:
        config = GleanConfig(**case["kwargs"], channel_cap=case["channel_cap"])
    except TypeError as error:
        raise CaseError(f"{name}: {error}") from error
    network = load_glean(config, state)
    x = draw_uniform(case["salt"] + case["input"]["name"], case["input"]["shape"])
    with torch.no_grad(), _watching(network) as seen:
        output = network(x)
    return [_compare(name, "output", output, expected, case["output"], seen)]


def _run_generator(
    name: str, case: dict[str, Any], state: dict[str, Tensor], expected: dict[str, NDArray[Any]]
) -> list[Comparison]:
    weights = to_mmagic(recognise({"": state}).layout, state)
    network = load_generator(weights, case["kwargs"].get("synthesis_kwargs", {}).get("conv_clamp"))
    inputs = {key: shape for key, shape in case["inputs"].items() if isinstance(shape, list)}
    drawn = {key: draw(case["salt"] + key, shape) for key, shape in inputs.items()}
    if "truncation_latent" in drawn:
        drawn["truncation_latent"] *= case["inputs"].get("truncation_latent_scale", 0.3)
    results = []
    for variant, facts in case["variants"].items():
        with torch.no_grad(), _watching(network) as seen:
            image = _variant(variant, network, drawn, weights.average, case["salt"])
        # the layers' values that are stored belong to the W+ variant
        results.append(_compare(name, variant, image, expected, facts, seen if variant == "wplus" else {}))
    if "w_of_z" in expected:
        with torch.no_grad():
            results.append(_compare(name, "w_of_z", network.map(drawn["z"]), expected, {}, {}))
    return results


def _variant(variant: str, network: StyleGan2, drawn: dict[str, Tensor], average: Tensor | None, salt: str) -> Tensor:
    """The picture of one way to run a generator."""
    if variant == "wplus":
        return network.synthesize(drawn["latent"]).image
    if variant == "wplus_nonoise":
        return network.synthesize(drawn["latent"], NoiseMode.NONE).image
    if variant == "wplus_noise_override":
        maps = [draw(f"{salt}noise_override_{i}", shape) for i, shape in enumerate(network.noise_shapes())]
        return network.synthesize(drawn["latent"], maps).image
    if variant == "z":
        image: Tensor = network(drawn["z"])
        return image
    if variant == "z_trunc07":
        w = truncate(network.map(drawn["z"]), TRUNCATION, drawn["truncation_latent"])
        return network.synthesize(network.mix([w])).image
    if variant == "z_trunc07_w_avg" and average is not None:
        image = network(drawn["z"], psi=TRUNCATION, toward=average)
        return image
    if variant == "mix_z_z2_at3":
        latents = network.mix([network.map(drawn["z"]), network.map(drawn["z2"])], [3])
        return network.synthesize(latents).image
    raise CaseError(f"the variant {variant} is not covered")


def _compare(
    case: str,
    name: str,
    found: Tensor,
    expected: dict[str, NDArray[Any]],
    facts: dict[str, Any],
    seen: dict[str, Tensor],
) -> Comparison:
    if name not in expected:
        error = _reduced_error(name, found.numpy(), expected, facts)
    else:
        error = relative_error(found.numpy(), expected[name])
    off = None if error <= TOLERANCE else _first_difference(seen, expected)
    return Comparison(case, name, error, off)


def relative_error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Largest difference over the largest expected absolute value. Raises CaseError on differing shapes."""
    if found.shape != expected.shape:
        raise CaseError(f"the result has shape {found.shape}, {expected.shape} is expected")
    return float(np.abs(found.astype(np.float64) - expected).max() / max(np.abs(expected).max(), 1e-30))


def _reduced_error(name: str, found: NDArray[Any], expected: dict[str, NDArray[Any]], facts: dict[str, Any]) -> float:
    """Of large outputs only a centre crop and block means are stored; both are measured by the whole's maximum."""
    crop, pool = expected.get(f"{name}_crop"), expected.get(f"{name}_pool")
    if crop is None or pool is None:
        raise CaseError(f"neither {name} nor {name}_crop and {name}_pool are stored")
    n, c, h, w = found.shape
    top, left = (h - crop.shape[2]) // 2, (w - crop.shape[3]) // 2
    centre = found[:, :, top : top + crop.shape[2], left : left + crop.shape[3]]
    rows, columns = pool.shape[2:]
    means = found.astype(np.float64).reshape(n, c, rows, h // rows, columns, w // columns).mean(axis=(3, 5))
    off = np.max([np.abs(centre - crop).max(), np.abs(means - pool).max()])  # keeps a not-a-number, as max() does not
    return float(off) / float(facts["absmax"])


@contextmanager
def _watching(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Outputs of every module by its name, filled as the network runs; in the order in which they ran."""
    seen: dict[str, Tensor] = {}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                seen[name] = _samples(output)

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in network.named_modules() if name]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _samples(output: Tensor) -> Tensor:
    flat = output.detach().reshape(-1)
    index = torch.arange(PROBES) * (flat.numel() - 1) // (PROBES - 1)
    return flat[index].clone()


def _first_difference(seen: dict[str, Tensor], expected: dict[str, NDArray[Any]]) -> str | None:
    """The first layer, in the reference's order, whose stored values are not ours. Layers that we skip are left out."""
    for name, values in zip(expected.get("probe_names", []), expected.get("probe_values", []), strict=True):
        ours = seen.get(str(name))
        if ours is not None and np.isfinite(values).all() and relative_error(ours.numpy(), values) > TOLERANCE:
            return str(name)
    return None


def _rng(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.numpy().astype("<f4", copy=False).tobytes()).hexdigest()[:16]
