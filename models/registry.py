"""From a model's name to an enhancer ready to work: the one place where networks are built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from models import catalog, weights_io
from models.devices import compute_dtype, resolve
from models.enhancer import Enhancer
from models.espcn import Espcn
from models.lanczos import Lanczos

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "lanczos": Lanczos,
    "espcn-x2": Espcn,
    "espcn-x4": Espcn,
}


class ScaleError(ValueError):
    """A model was asked for a scale it does not have."""


def load(
    name: str, scale: int, device: str = "auto", *, threads: int | None = None, folder: Path = weights_io.FOLDER
) -> Enhancer:
    """The model `name` enlarging by `scale`, its weights checked against the catalog's SHA-256.

    threads: of torch's CPU kernels in this process, None leaves them as they are. Raises UnknownModel, ScaleError,
    DeviceError, WeightsError.
    """
    facts = catalog.facts(name)
    if scale not in facts.scales:
        raise ScaleError(f"{name} enlarges by {', '.join(map(str, facts.scales))}, not by {scale}")
    if threads is not None:
        torch.set_num_threads(threads)
    target = resolve(device)
    network = NETWORKS[name](scale)
    if facts.weights is not None:
        weights_io.load_into(network, folder / facts.weights, expected_sha256=facts.sha256)
    return Enhancer(facts, scale, network, target, compute_dtype(target, facts))
