"""Whole networks against their vectors: GLEAN, and StyleGAN2 generators of three layouts in all ways to run them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.checkpoints.keys import Generator, layout_names, to_mmagic
from models.checkpoints.layouts import Layout, recognise
from models.glean import Glean, GleanConfig
from models.stylegan2 import NoiseMode, StyleGan2, truncate
from models.vectors import layers
from models.vectors.compare import Comparison, compare_output, relative_error
from models.vectors.recipe import Case, CaseError, draw, draw_uniform, draw_weights, field, shape_of

TRUNCATION_SCALE = 0.3  # of truncation_latent, where the case does not say
_MODELS = (  # a part of the model's name in a case -> whose keys it must have
    ("GLEANStyleGANv2", Layout.GLEAN),
    ("mmagic", Layout.MMAGIC),
    ("rosinality", Layout.ROSINALITY),
    ("stylegan2-ada", Layout.NVLABS),
)
_GLEAN_SIZES = set(GleanConfig.__dataclass_fields__) - {"channel_cap"}
_VARIANT = re.compile(
    r"(?P<base>wplus|z2?|mix_z_z2_at(?P<at>\d+))"
    r"(?:_trunc(?P<psi>\d+)(?P<average>_w_avg)?)?"
    r"(?P<noise>_nonoise|_noise_override)?"
)
_LAYER = re.compile(r"(conv1|convs\.\d+|(?P<rgb>to_rgb1|to_rgbs\.\d+)|style_mapping\.\d+)(?:\.activate)?\.bias")


def run_network(case: Case) -> list[Comparison]:
    """Every variant of one case. Raises CaseError or CheckpointError where it cannot be built."""
    name = field(case.recipe, "model", str)
    layout = next((layout for part, layout in _MODELS if part in name), None)
    if layout is None:
        raise CaseError(f"the model {name!r} is not known")
    keys = field(case.recipe, "keys", list)
    if (noted := case.recipe.get("n_keys", len(keys))) != len(keys):
        raise CaseError(f"{len(keys)} keys are listed, {noted} are noted")
    state = draw_weights(case.salt, keys)
    if (found := recognise({"": state}).layout) is not layout:
        raise CaseError(f"the keys are of the layout {found}, the model is {name}")
    run = _run_glean if layout is Layout.GLEAN else _run_generator
    with torch.no_grad():
        results = run(case, layout, state)
        if all(result.passed for result in results):
            return results
        # Kernels of oneDNN add many channels one after the other; the same sums in another order tell rounding from a
        # mistake (measured at 256 pixels and 512 channels: 1.0e-5 with, 0.5e-5 without).
        with _without_onednn():
            again = run(case, layout, state)
    if not all(result.passed for result in again):
        return results
    return [replace(result, note="with oneDNN off") for result in again]


def load_glean(config: GleanConfig, state: Mapping[str, Tensor]) -> Glean:
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


def _run_glean(case: Case, _layout: Layout, state: dict[str, Tensor]) -> list[Comparison]:
    kwargs = field(case.recipe, "kwargs", dict)
    if kwargs.get("fp16_enabled"):
        raise CaseError("fp16_enabled: half precision inside the network is not supported")
    # Whatever else a configuration carries (style mixing, learning rate of the mapping, ...) does not reach the output.
    sizes = {key: value for key, value in kwargs.items() if key in _GLEAN_SIZES}
    try:
        config = GleanConfig(**sizes, channel_cap=case.recipe.get("channel_cap"))
        network = load_glean(config, state)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CaseError(f"the weights do not fit the options: {_short(error)}") from error
    entry = field(case.recipe, "input", dict)
    x = draw_uniform(case.salt + field(entry, "name", str), shape_of(entry.get("shape"), "the input"))
    _same_input(case, "input", x)
    _all_known(case, {"input", "output"})
    wanted = {name: name for name in layers.names(case.arrays)}
    facts = field(case.recipe, "output", dict)
    with layers.watching(network, wanted) as seen:
        output = network(x)
    return [_with_layers(compare_output("output", output.numpy(), case.arrays, facts), seen, case)]


def _run_generator(case: Case, layout: Layout, state: dict[str, Tensor]) -> list[Comparison]:
    weights = to_mmagic(layout, state)
    kwargs = field(case.recipe, "kwargs", dict)
    clamp = (kwargs.get("synthesis_kwargs") or {}).get("conv_clamp", kwargs.get("conv_clamp"))
    if clamp is not None and (isinstance(clamp, bool) or not isinstance(clamp, (int, float))):
        raise CaseError(f"conv_clamp is {clamp!r:.40}, wanted a number")
    network = load_generator(weights, clamp)
    drawn = _generator_inputs(case)
    for name in drawn.keys() & case.arrays.keys() - {"z"}:  # z is the name of a variant's picture too
        _same_input(case, name, drawn[name])
    variants = field(case.recipe, "variants", dict)
    _all_known(case, variants.keys() | drawn.keys() | {f"w_of_{name}" for name in drawn})
    names = _layer_names(layout)
    results = []
    for variant, facts in variants.items():
        image = _pictured(variant, network, drawn, weights.average, case.salt)
        # the layers' values that are stored belong to the W+ variant
        wanted = {name: names[name] for name in layers.names(case.arrays) if name in names}
        with layers.watching(network, wanted if variant == "wplus" else {}) as seen:
            result = compare_output(variant, image().numpy(), case.arrays, facts if isinstance(facts, dict) else {})
        results.append(_with_layers(result, seen, case) if variant == "wplus" else result)
    for name in drawn:
        if (array := case.arrays.get(f"w_of_{name}")) is not None:
            results.append(Comparison(f"w_of_{name}", relative_error(network.map(drawn[name]).numpy(), array)))
    if not results:
        raise CaseError("no variant is listed: nothing was compared")
    return results


def _generator_inputs(case: Case) -> dict[str, Tensor]:
    inputs = field(case.recipe, "inputs", dict)
    drawn = {}
    for name, shape in inputs.items():
        if isinstance(shape, list):
            scale = inputs.get(f"{name}_scale", TRUNCATION_SCALE if name == "truncation_latent" else 1.0)
            drawn[name] = draw(case.salt + name, shape_of(shape, name)) * float(np.float32(scale))
    return drawn


def _pictured(
    variant: str, network: StyleGan2, drawn: Mapping[str, Tensor], average: Tensor | None, salt: str
) -> Callable[[], Tensor]:
    """The picture of one way to run a generator. Raises CaseError where it is not known or lacks an input."""
    way = _VARIANT.fullmatch(variant)
    if way is None:
        raise CaseError(f"the variant {variant} is not known")

    def given(name: str) -> Tensor:
        if name not in drawn:
            raise CaseError(f"the variant {variant} needs the input {name}, which is not listed")
        return drawn[name]

    if way["base"] == "wplus":
        latents = given("latent")
    else:
        sources = ["z", "z2"] if way["at"] else [way["base"]]
        latents = network.mix([network.map(given(name)) for name in sources], [int(way["at"])] if way["at"] else [])
    if way["psi"]:
        if way["average"] and average is None:
            raise CaseError(f"the variant {variant} needs the mean of w, which this layout does not hold")
        toward = average[None] if way["average"] and average is not None else given("truncation_latent")
        latents = truncate(latents, _psi(way["psi"]), toward)
    noise: NoiseMode | list[Tensor] = NoiseMode.STORED
    if way["noise"] == "_nonoise":
        noise = NoiseMode.NONE
    elif way["noise"]:
        noise = [draw(f"{salt}noise_override_{i}", shape) for i, shape in enumerate(network.noise_shapes())]
    return lambda: network.synthesize(latents, noise).image


def _psi(digits: str) -> float:
    """07 is 0.7, 05 is 0.5, 085 is 0.85, 1 is 1."""
    return float(f"{digits[0]}.{digits[1:] or '0'}")


def _with_layers(result: Comparison, seen: dict[str, layers.Layer], case: Case) -> Comparison:
    """The result, failed where the output agrees and a layer does not; where neither does, the layer is named."""
    different = layers.first_difference(seen, case.arrays)
    if different is None:
        return result
    name, error = different
    note = f"first layer that differs: {name} by {error:.1e}"
    return Comparison(result.name, error if result.passed else result.error, result.tolerance, note)


def _layer_names(layout: Layout) -> dict[str, str]:
    """Names of a layout's layers -> ours, for those whose outputs mean the same."""
    found = {}
    for key, theirs in layout_names(layout).items():
        way = _LAYER.fullmatch(key)
        # NVlabs' to-RGB layers give their own picture alone, ours the sum; at 4 pixels there is nothing to add.
        if way is not None and (layout is not Layout.NVLABS or way["rgb"] in (None, "to_rgb1")):
            found[theirs.removesuffix(".bias").removesuffix(".activate")] = way[1]
    return found


def _same_input(case: Case, name: str, drawn: Tensor) -> None:
    stored = case.arrays.get(name)
    if stored is not None and relative_error(drawn.numpy(), stored) != 0.0:
        raise CaseError(f"the stored {name} is not the one drawn from the salt {case.salt!r}")


def _all_known(case: Case, names: set[str]) -> None:
    """Raises CaseError where an array is stored that nothing here compares."""
    known = names | {f"{name}_{part}" for name in names for part in ("crop", "pool")}
    unknown = sorted(name for name in case.arrays if name not in known and not name.startswith("probe_"))
    if unknown:
        raise CaseError(f"it is not known what to compare these arrays with: {', '.join(unknown)}")


@contextmanager
def _without_onednn() -> Iterator[None]:
    settings: Any = torch.backends.mkldnn  # whose own `flags` sets more than this, and warns of it
    enabled = settings.enabled
    settings.enabled = False
    try:
        yield
    finally:
        settings.enabled = enabled


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
