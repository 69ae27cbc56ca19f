"""Ours against the expected arrays, whole or stored in part, and against the statistics noted of them.

An error is the largest difference over the largest expected absolute value. Knows no networks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.vectors.recipe import CaseError, number

TOLERANCE = 2e-5  # float32 on a CPU


@dataclass(frozen=True, slots=True)
class Comparison:
    """One expected array against ours."""

    name: str  # of the variant or operation
    error: float
    tolerance: float = TOLERANCE
    note: str = ""  # what differs first, or was assumed

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance  # not-a-number fails


def relative_error(found: NDArray[Any], expected: NDArray[Any], largest: float | None = None) -> float:
    """Largest difference over `largest`, by default the largest expected absolute value.

    Raises CaseError on differing shapes, and where the expected are not real numbers.
    """
    if expected.dtype.kind not in "fiu":
        raise CaseError(f"values of {expected.dtype} are stored, wanted real numbers")
    if found.shape != expected.shape:
        raise CaseError(f"the result has shape {found.shape}, {expected.shape} is expected")
    if expected.size == 0:
        raise CaseError("an array without values is stored: nothing to compare with")
    wanted = expected.astype(np.float64)
    scale = float(np.abs(wanted).max()) if largest is None else largest
    return float(np.abs(found.astype(np.float64) - wanted).max() / max(scale, 1e-30))


def compare_output(
    name: str, found: NDArray[Any], arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]
) -> Comparison:
    """An output against what is stored under `name`, and against the noted shape, mean, deviation and maximum.

    Raises CaseError where nothing is stored, or shapes differ.
    """
    noted = facts.get("shape")
    if noted is not None and tuple(noted) != found.shape:
        raise CaseError(f"{name}: the result has shape {found.shape}, {tuple(noted)} is noted")
    errors: dict[str, float] = {}
    if name in arrays:
        errors[""] = relative_error(found, arrays[name])
        largest = float(np.abs(arrays[name].astype(np.float64)).max())
    else:
        largest = number(facts, "absmax")
        errors |= _parts(name, found, arrays, str(facts.get("stored", "")), largest)
    # The statistics hold for the whole, of which perhaps only a part is stored; they were taken in double precision.
    whole = found.astype(np.float64)
    for statistic, value in (("mean", whole.mean()), ("std", whole.std()), ("absmax", np.abs(whole).max())):
        if statistic in facts:
            errors[statistic] = abs(float(value) - number(facts, statistic)) / max(largest, 1e-30)
    worst = max(errors, key=lambda part: np.inf if np.isnan(errors[part]) else errors[part])
    return Comparison(name, errors[worst], note=f"its {worst} differs" if worst and errors[worst] > TOLERANCE else "")


def _parts(
    name: str, found: NDArray[Any], arrays: Mapping[str, NDArray[Any]], stored: str, largest: float
) -> dict[str, float]:
    """Of large outputs only a crop and means of blocks are stored; both are measured by the whole's maximum."""
    crop, pool = arrays.get(f"{name}_crop"), arrays.get(f"{name}_pool")
    if crop is None or pool is None:
        raise CaseError(f"neither {name} nor {name}_crop and {name}_pool are stored")
    if found.ndim != 4 or crop.ndim != 4 or pool.ndim != 4:
        raise CaseError(f"{name} has the shape {found.shape}; parts are stored of pictures (N, C, H, W) only")
    n, c, h, w = found.shape
    rows, columns = pool.shape[2:]
    if not rows or not columns or h % rows or w % columns:
        raise CaseError(f"{name}_pool has {rows}x{columns} blocks, which do not divide {h}x{w}")
    top, left = crop_origin(stored, (crop.shape[2], crop.shape[3]), (h, w))
    centre = found[:, :, top : top + crop.shape[2], left : left + crop.shape[3]]
    means = found.astype(np.float64).reshape(n, c, rows, h // rows, columns, w // columns).mean(axis=(3, 5))
    return {
        "crop": relative_error(centre, crop, largest),
        "pool": relative_error(means, pool, largest),
    }


def crop_origin(stored: str, crop: tuple[int, int], whole: tuple[int, int]) -> tuple[int, int]:
    """Top and left of a crop, from the bounds in the text of `stored`; the centre where it names none that fit.

    Bounds are read as ranges (`448:576`), rows before columns, one range for both where there is only one.
    """
    ranges = [(int(a), int(b)) for a, b in re.findall(r"(\d+)\s*(?::|\.\.\.?|-|–|to)\s*(\d+)", stored)]
    if len(ranges) < 2:  # [448, 576, 448, 576]; or, as a list of two, one range for both
        for found in re.findall(r"[\[(]\s*\d+(?:\s*,\s*\d+)+\s*[\])]", stored):
            values = json.loads("[" + found[1:-1] + "]")
            if len(values) in (2, 4):
                ranges += list(zip(values[::2], values[1::2], strict=True))
    fitting = [[a for a, b in ranges if b - a == size and b <= limit] for size, limit in zip(crop, whole, strict=True)]
    if not fitting[0] or not fitting[1]:
        return (whole[0] - crop[0]) // 2, (whole[1] - crop[1]) // 2
    rows = fitting[0][0]
    return rows, fitting[1][1] if crop[0] == crop[1] and len(fitting[1]) > 1 else fitting[1][0]
