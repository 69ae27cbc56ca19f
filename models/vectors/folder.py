"""Every case of a folder, one after the other: what passed, what failed and why. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.checkpoints.errors import CheckpointError
from models.vectors.compare import Comparison
from models.vectors.manifest import check_manifest, is_manifest
from models.vectors.micro import run_micro
from models.vectors.networks import run_network
from models.vectors.recipe import Case, CaseError, read_arrays, read_recipe


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case, or one operation of a micro case. error: the worst, None where nothing was computed."""

    name: str  # path in the folder without suffix, and the operation
    passed: bool
    error: float | None = None
    tolerance: float | None = None
    note: str = ""  # why it failed, or what was assumed


def check(folder: Path) -> Iterator[Outcome]:
    """Cases in the order of their paths, each as soon as it is known. A case that cannot be run has failed.

    A folder without cases gives nothing. Raises OSError where the folder cannot be listed.
    """
    files = sorted(
        path.relative_to(folder) for path in folder.rglob("*") if path.suffix in (".json", ".npz") and path.is_file()
    )
    for file in files:
        name = file.with_suffix("").as_posix()
        if file.suffix == ".json":
            yield from _case(folder / file, name)
        elif file.with_suffix(".json") not in files:
            yield Outcome(name, False, note=f"{file.with_suffix('.json').name} is missing: no recipe for the arrays")


def _case(path: Path, name: str) -> Iterator[Outcome]:
    try:
        recipe = read_recipe(path)
        if is_manifest(recipe):
            check_manifest(recipe)
            yield Outcome(name, True, note=f"{len(recipe['keys'])} keys, shapes and roles")
        elif "entries" in recipe:
            for result in run_micro(Case(recipe, read_arrays(path.with_suffix(".npz")))):
                yield _outcome(f"{name} {result.name}", [result])
        else:
            _known(recipe)
            yield _outcome(name, run_network(Case(recipe, read_arrays(path.with_suffix(".npz")))))
    except (CaseError, CheckpointError) as error:
        yield Outcome(name, False, note=_line(error))
    except Exception as error:  # whatever else a damaged case leads to, the next one is still to be checked
        yield Outcome(name, False, note=f"{type(error).__name__}: {_line(error)}")


def _known(recipe: Mapping[str, Any]) -> None:
    if "model" not in recipe and "keys" not in recipe:
        raise CaseError("this is no case: it has neither a model, nor entries of single operations, nor a key list")


def _outcome(name: str, results: list[Comparison]) -> Outcome:
    """The comparison nearest to its tolerance, or farthest over it, stands for all of the case."""
    worst = max(results, key=lambda result: np.inf if np.isnan(result.error) else result.error / result.tolerance)
    notes = [result.note for result in (worst,) if result.note]
    if len(results) > 1:
        notes.insert(0, f"{worst.name}, worst of {len(results)}")
    computed = not (np.isnan(worst.error) and worst.note)
    passed = all(result.passed for result in results)
    return Outcome(
        name, passed, worst.error if computed else None, worst.tolerance if computed else None, ": ".join(notes)
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__
