"""From a model's name to an enhancer ready to work: the one place where networks are built from facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models import community, forms, weights_io
from models.adapters import LumaOnly, SignedRange
from models.catalog import Catalog
from models.devices import compute_dtype, resolve
from models.enhancer import Enhancer
from models.espcn import Espcn
from models.facts import ModelFacts
from models.glean import Glean, GleanConfig
from models.glean_light import GleanLight, GleanLightConfig
from models.glean_silent import fold_for_service
from models.lanczos import Lanczos
from models.stylegan2 import StyleGan2, StyleGan2Sizes
from models.stylegan2_ops import PixelNormForm

AVERAGE = "latent_avg"  # beside a bank's keys: the mean of w, (D,), where it is known

State = Mapping[str, Tensor]
Builder = Callable[[ModelFacts, int, State], nn.Module]


class ScaleError(ValueError):
    """A model was asked for a scale it does not have."""


class ArchitectureError(ValueError):
    """A model's facts name an architecture, or sizes of one, that cannot be built."""


class DetailError(ValueError):
    """Detail was asked for that is not in [0, 1], or of a model that has no vivid training."""


def load(
    name: str,
    scale: int,
    device: str = "auto",
    *,
    detail: float = 0.0,
    threads: int | None = None,
    catalog: Catalog | None = None,
) -> Enhancer:
    """The model `name` enlarging by `scale`, its weights checked against the SHA-256 of its facts.

    detail: in [0, 1], how far its weights go from the faithful training to the vivid one. threads: of torch's CPU
    kernels in this process, None leaves them as they are. catalog: None has the models that ship. Raises UnknownModel,
    ScaleError, DetailError, DeviceError, WeightsError, ArchitectureError.
    """
    known = catalog or Catalog()
    facts = known.enhancer(name)
    if scale not in facts.scales:
        raise ScaleError(f"{name} enlarges by {', '.join(map(str, facts.scales))}, not by {scale}")
    if threads is not None:
        torch.set_num_threads(threads)
    target = resolve(device)
    network = build(facts, scale, read_state(known, facts, detail))
    dtype = compute_dtype(target, facts)
    if target.type == "cpu":
        network, dtype = forms.choose(network, facts, scale, dtype, known.folder)
    return Enhancer(facts, scale, network, target, dtype)


def load_bank(name: str, device: str = "auto", *, catalog: Catalog) -> StyleGan2:
    """The StyleGAN2 generator `name`, float32, in eval mode, without gradients of its weights.

    Raises UnknownModel, DeviceError, WeightsError, ArchitectureError.
    """
    facts = catalog.bank(name)
    network = build(facts, 1, read_state(catalog, facts))
    if not isinstance(network, StyleGan2):
        raise ArchitectureError(f"{name} says that it is a bank, but it is of the architecture {facts.architecture}")
    return network.to(resolve(device)).eval().requires_grad_(False)


def build(facts: ModelFacts, scale: int, state: State) -> nn.Module:
    """The network of these facts, filled with `state`: (N, 3, h, w) RGB in [0, 1] to (N, 3, s·h, s·w), banks aside.

    Raises ArchitectureError, WeightsError.
    """
    builder = ARCHITECTURES.get(facts.architecture)
    if builder is None:
        raise ArchitectureError(
            f"{facts.name} is of the architecture {facts.architecture!r}: known are {', '.join(ARCHITECTURES)}"
        )
    try:
        return builder(facts, scale, state)
    except (TypeError, ValueError, KeyError, community.ExtraMissing) as error:
        raise ArchitectureError(f"{facts.name} cannot be built as {facts.architecture}: {error}") from error


def read_state(catalog: Catalog, facts: ModelFacts, detail: float = 0.0) -> State:
    """A model's tensors under its network's keys, interpolated between its two trainings.

    The vivid training is read where detail is not 0. Raises DetailError, WeightsError.
    """
    path, vivid = catalog.weights(facts), catalog.vivid(facts)
    if not 0 <= detail <= 1:
        raise DetailError(f"detail is {detail}: wanted 0 (faithful) to 1 (vivid)")
    if detail and (path is None or vivid is None):
        raise DetailError(f"model {facts.name} has no vivid training: detail must be 0, not {detail}")
    state: State = {} if path is None else weights_io.read(path, expected_sha256=facts.sha256)
    if not detail or vivid is None:
        return state
    other = weights_io.read(vivid, expected_sha256=facts.vivid_sha256)
    return weights_io.interpolated(state, other, detail, vivid.name)


def _filled(make: Callable[[], nn.Module], facts: ModelFacts, state: State) -> nn.Module:
    """A network with these weights. Laid out without memory first: sizes that do not fit the weights cost none."""
    with torch.device("meta"):
        network = make()
    weights_io.fill(network, state, facts.weights or facts.name)
    return network


def _check_tile(facts: ModelFacts, scale: int, in_size: int, out_size: int) -> None:
    if (facts.tile, facts.tile * scale) != (in_size, out_size):
        raise ValueError(f"it turns {in_size} pixels into {out_size}, its facts say {facts.tile} into {scale} times it")


def _lanczos(_facts: ModelFacts, scale: int, _state: State) -> nn.Module:
    return Lanczos(scale)


def _espcn(facts: ModelFacts, scale: int, state: State) -> nn.Module:
    return _filled(lambda: Espcn(scale), facts, state)


def _espcn_y(facts: ModelFacts, scale: int, state: State) -> nn.Module:
    return LumaOnly(_filled(lambda: Espcn(scale, channels=1), facts, state), scale)


def _glean(facts: ModelFacts, scale: int, state: State) -> nn.Module:
    config = GleanConfig(**facts.config)
    _check_tile(facts, scale, config.in_size, config.out_size)
    return SignedRange(_filled(lambda: Glean(config), facts, state), config.img_channels)


def _glean_light(facts: ModelFacts, scale: int, state: State) -> nn.Module:
    config = GleanLightConfig(**facts.config)
    _check_tile(facts, scale, config.in_size, config.out_size)
    network = _filled(lambda: GleanLight(config), facts, state)
    assert isinstance(network, GleanLight)
    return SignedRange(fold_for_service(network))


def _stylegan2(facts: ModelFacts, _scale: int, state: State) -> nn.Module:
    values: dict[str, Any] = dict(facts.config)
    norm, clamp = PixelNormForm(values.pop("norm")), values.pop("clamp")
    sizes = StyleGan2Sizes(**values | {"channels": tuple(values["channels"])})
    if AVERAGE in state and tuple(state[AVERAGE].shape) != (sizes.style_dim,):
        raise ValueError(f"{AVERAGE} has shape {tuple(state[AVERAGE].shape)}, wanted ({sizes.style_dim},)")
    known = {key: tensor for key, tensor in state.items() if key != AVERAGE}
    return _filled(lambda: StyleGan2(sizes, norm=norm, clamp=clamp), facts, known)


def _spandrel(facts: ModelFacts, scale: int, state: State) -> nn.Module:
    found = community.build(state)
    if (found.identity, found.scale, found.tile) != (facts.config.get("identity"), scale, facts.tile):
        raise ValueError(f"it is a {found.identity} that enlarges by {found.scale} in tiles of {found.tile}")
    return found.network


ARCHITECTURES: Mapping[str, Builder] = {
    "lanczos": _lanczos,
    "espcn": _espcn,
    "espcn-y": _espcn_y,
    "glean": _glean,
    "glean-light": _glean_light,
    "stylegan2": _stylegan2,
    "spandrel": _spandrel,
}
