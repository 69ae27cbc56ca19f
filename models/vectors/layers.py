"""Outputs of named layers as a network runs, against those stored: the first that differs tells where to look."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from models.vectors.compare import TOLERANCE, relative_error
from models.vectors.recipe import CaseError

PROBES = 64  # values kept of each layer's output
STATISTICS = 5  # mean, standard deviation, minimum, maximum, L2 norm


@dataclass(frozen=True, slots=True)
class Layer:
    """What is kept of one layer's output."""

    shape: tuple[int, ...]
    values: NDArray[np.float64]  # (64,), not-a-number where there are fewer
    statistics: NDArray[np.float64]  # (5,)


def summary(output: Tensor) -> Layer:
    """64 values spread evenly over the flattened output, and its statistics."""
    flat = output.detach().reshape(-1).double().numpy()
    count = min(len(flat), PROBES)
    values = np.full(PROBES, np.nan)
    values[:count] = flat[np.arange(count) * (len(flat) - 1) // max(count - 1, 1)]
    norm = float(np.sqrt(np.square(flat).sum()))
    statistics = np.array([flat.mean(), flat.std(), flat.min(), flat.max(), norm])
    return Layer(tuple(output.shape), values, statistics)


@contextmanager
def watching(network: nn.Module, wanted: Mapping[str, str]) -> Iterator[dict[str, Layer]]:
    """Outputs of the layers of `wanted` (reference's name -> ours) by the reference's name, filled as they run."""
    modules = dict(network.named_modules())
    seen: dict[str, Layer] = {}

    def noting(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                seen[name] = summary(output)

        return note

    handles = [
        modules[ours].register_forward_hook(noting(theirs)) for theirs, ours in wanted.items() if ours in modules
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def names(arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """The reference's names of the layers that are stored, in the order in which they ran."""
    return [str(name) for name in arrays.get("probe_names", np.array([], str)).tolist()]


def first_difference(seen: Mapping[str, Layer], arrays: Mapping[str, NDArray[Any]]) -> tuple[str, float] | None:
    """The first layer off by more than the tolerance, and its error. Layers that we do not compute are left out.

    Raises CaseError where what is stored of layers does not fit together.
    """
    listed = names(arrays)
    values, statistics, shapes = (arrays.get(f"probe_{part}") for part in ("values", "stats", "shapes"))
    if listed and (values is None or values.shape != (len(listed), PROBES)):
        raise CaseError(f"probe_values has not {PROBES} values of each of {len(listed)} layers")
    if statistics is not None and statistics.shape != (len(listed), STATISTICS):
        raise CaseError(f"probe_stats has not {STATISTICS} values of each of {len(listed)} layers")
    for i, name in enumerate(listed):
        if name not in seen or values is None:
            continue
        ours = seen[name]
        if shapes is not None and tuple(map(int, re.findall(r"\d+", str(shapes[i])))) != ours.shape:
            raise CaseError(f"{name} gives the shape {ours.shape}, {shapes[i]} is stored")
        row = None if statistics is None else statistics[i].astype(np.float64)
        if (error := _error(ours, values[i].astype(np.float64), row)) > TOLERANCE or np.isnan(error):
            return name, error
    return None


def _error(ours: Layer, values: NDArray[np.float64], statistics: NDArray[np.float64] | None) -> float:
    held = ~np.isnan(ours.values)  # those that the layer has; a stored not-a-number among them is a difference
    largest = float(np.abs(values[held]).max()) if statistics is None else float(np.abs(statistics[2:4]).max())
    errors = [relative_error(ours.values[held], values[held], largest)]
    if statistics is not None:
        errors.append(relative_error(ours.statistics[:4], statistics[:4], largest))
        errors.append(relative_error(ours.statistics[4:], statistics[4:]))
    return float(np.max(errors))
