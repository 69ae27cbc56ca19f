"""Vectors of single operations: which there are, and what each is compared with. Knows no operation itself.

Shapes of inputs follow from the expected array, from the weights or from the text of the entry; only where none of
them tells are they the constants of the format's description, and then the result says so.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.checkpoints.errors import CheckpointError
from models.vectors.compare import TOLERANCE, Comparison, relative_error
from models.vectors.recipe import Case, CaseError, draw, draw_unit, draw_weights, shape_of
from models.vectors.recipe import field as entry_field

Module = TypeVar("Module", bound=nn.Module)
Shape = tuple[int, ...]


@dataclass(slots=True)
class Source:
    """Inputs, weights and texts of one entry; `expected` is its array. `assumed`: what no field told."""

    case: Case
    name: str
    expected: NDArray[Any]
    assumed: list[str] = field(default_factory=list)

    @property
    def entry(self) -> Any:
        """What the case says of this array: its own entry or one with a *; "" where there is none."""
        entries = entry_field(self.case.recipe, "entries", dict)
        fitting = [text for name, text in entries.items() if fnmatch.fnmatchcase(self.name, name)]
        return entries.get(self.name, fitting[0] if fitting else "")

    def text(self, name: str | None = None) -> str:
        """The entry in words, or that of another array."""
        entry = self.entry if name is None else Source(self.case, name, self.expected).entry
        return entry if isinstance(entry, str) else ""

    def normal(self, name: str, shape: Shape, scale: float = 1.0) -> Tensor:
        return draw(self.case.salt + name, shape_of(list(shape), name), scale=scale)

    def unit(self, name: str, shape: Shape) -> NDArray[np.float32]:
        """Uniform in [0, 1)."""
        return draw_unit(self.case.salt + name, shape_of(list(shape), name))

    def shape(self, axes: int) -> Shape:
        """Of the expected array. Raises CaseError where it has other than so many axes."""
        if self.expected.ndim != axes:
            raise CaseError(f"it has the shape {self.expected.shape}, wanted {axes} axes")
        return self.expected.shape

    def told_shape(self, default: Shape) -> Shape:
        """The last shape in the entry's text, such as (2,18,512), else the default."""
        found = re.findall(r"\((\d+(?:\s*,\s*\d+)+)\)", self.text())
        if found:
            return tuple(int(size) for size in found[-1].split(","))
        self.assumed.append(f"shape {default}")
        return default

    def told(self, pattern: str, default: float) -> float:
        """A number in the entry's text, by the group of a pattern."""
        found = re.search(pattern, self.text())
        return default if found is None else float(found[1])

    def weights(self, tag: str) -> dict[str, Tensor]:
        """State listed under `tag`, without the tag."""
        lists = entry_field(self.case.recipe, "weights", dict)
        drawn = draw_weights(self.case.salt, entry_field(lists, tag, list))
        if strange := [key for key in drawn if not key.startswith(f"{tag}.")]:
            raise CaseError(f"{strange[0]} is listed under the weights of {tag}")
        return {key.removeprefix(f"{tag}."): value for key, value in drawn.items()}


Operation = Callable[[Source, re.Match[str]], NDArray[Any] | Tensor]


def filled(module: Module, state: dict[str, Tensor]) -> Module:
    """The module with exactly these weights. Raises RuntimeError as strict loading does."""
    module.load_state_dict(state, strict=True)
    return module.eval()


def weight_shape(state: dict[str, Tensor], key: str, axes: int) -> Shape:
    """Raises CaseError where the weight is missing or has other than so many axes."""
    if key not in state or state[key].ndim != axes:
        raise CaseError(f"the weight {key} is missing or has other than {axes} axes")
    return tuple(state[key].shape)


def run_micro(case: Case) -> Iterator[Comparison]:
    """Every stored array and every entry, one after the other. Never raises on account of a single one."""
    from models.vectors import micro_degradation, micro_pulse, micro_stylegan2

    operations = {**micro_stylegan2.OPERATIONS, **micro_pulse.OPERATIONS, **micro_degradation.OPERATIONS}
    entries = entry_field(case.recipe, "entries", dict)
    for name, expected in case.arrays.items():
        yield _compared(Source(case, name, expected), operations)
    for name in entries:
        if not fnmatch.filter(case.arrays, name):
            yield Comparison(name, np.nan, note="listed, but no array of it is stored")


def _compared(source: Source, operations: dict[str, Operation]) -> Comparison:
    for pattern, compute in operations.items():
        if (match := re.fullmatch(pattern, source.name)) is not None:
            tolerance = _tolerance(source.name)
            try:
                with torch.no_grad():
                    found = compute(source, match)
                error = relative_error(np.asarray(found), source.expected)
            except (CaseError, CheckpointError, ValueError, TypeError, KeyError, RuntimeError, ArithmeticError) as why:
                return Comparison(source.name, np.nan, tolerance, " ".join(str(why).split())[:300])
            return Comparison(source.name, error, tolerance, f"assumed {source.assumed[0]}" if source.assumed else "")
    return Comparison(source.name, np.nan, note="this operation is not known")


def _tolerance(name: str) -> float:
    """As the format's description has it."""
    if name.startswith("jpeg_"):
        return 1e-3
    return 1e-5 if name.startswith("imresize_") else TOLERANCE
