"""From a model's name to an enhancer ready to work: the one place where networks are built from facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models import weights_io
from models.adapters import LumaOnly, SignedRange
from models.catalog import Catalog
from models.devices import compute_dtype, resolve
from models.enhancer import Enhancer
from models.espcn import Espcn
from models.facts import ModelFacts
from models.glean import Glean, GleanConfig
from models.lanczos import Lanczos
from models.stylegan2 import StyleGan2, StyleGan2Sizes
from models.stylegan2_ops import PixelNormForm

State = Mapping[str, Tensor]
Builder = Callable[[ModelFacts, int, State], nn.Module]


class ScaleError(ValueError):
    """A model was asked for a scale it does not have."""


class ArchitectureError(ValueError):
    """A model's facts name an architecture, or sizes of one, that cannot be built."""


def load(
    name: str, scale: int, device: str = "auto", *, threads: int | None = None, catalog: Catalog | None = None
) -> Enhancer:
    """The model `name` enlarging by `scale`, its weights checked against the SHA-256 of its facts.

    threads: of torch's CPU kernels in this process, None leaves them as they are. catalog: None has the models that
    ship. Raises UnknownModel, ScaleError, DeviceError, WeightsError, ArchitectureError.
    """
    known = catalog or Catalog()
    facts = known.enhancer(name)
    if scale not in facts.scales:
        raise ScaleError(f"{name} enlarges by {', '.join(map(str, facts.scales))}, not by {scale}")
    if threads is not None:
        torch.set_num_threads(threads)
    target = resolve(device)
    network = build(facts, scale, read_state(known, facts))
    return Enhancer(facts, scale, network, target, compute_dtype(target, facts))


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
    except (TypeError, ValueError, KeyError) as error:
        raise ArchitectureError(f"{facts.name} cannot be built as {facts.architecture}: {error}") from error


def read_state(catalog: Catalog, facts: ModelFacts) -> State:
    """A model's tensors under its network's keys. Raises WeightsError."""
    path = catalog.weights(facts)
    return {} if path is None else weights_io.read(path, expected_sha256=facts.sha256)


def _filled(network: nn.Module, facts: ModelFacts, state: State) -> nn.Module:
    weights_io.fill(network, state, facts.weights or facts.name)
    return network


def _lanczos(_facts: ModelFacts, scale: int, _state: State) -> nn.Module:
    return Lanczos(scale)


def _espcn(facts: ModelFacts, scale: int, state: State) -> nn.Module:
    return _filled(Espcn(scale), facts, state)


def _espcn_y(facts: ModelFacts, scale: int, state: State) -> nn.Module:
    return LumaOnly(_filled(Espcn(scale, channels=1), facts, state), scale)


def _glean(facts: ModelFacts, _scale: int, state: State) -> nn.Module:
    config = GleanConfig(**facts.config)
    return SignedRange(_filled(Glean(config), facts, state), config.img_channels)


def _stylegan2(facts: ModelFacts, _scale: int, state: State) -> nn.Module:
    values: dict[str, Any] = dict(facts.config)
    norm, clamp = PixelNormForm(values.pop("norm")), values.pop("clamp")
    sizes = StyleGan2Sizes(**values | {"channels": tuple(values["channels"])})
    return _filled(StyleGan2(sizes, norm=norm, clamp=clamp), facts, state)


ARCHITECTURES: Mapping[str, Builder] = {
    "lanczos": _lanczos,
    "espcn": _espcn,
    "espcn-y": _espcn_y,
    "glean": _glean,
    "stylegan2": _stylegan2,
}
