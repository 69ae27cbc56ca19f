"""A stored case and how its tensors are made: each is drawn from a generator seeded by its name. Knows no networks.

A case is NAME.json (how to make weights and inputs) and NAME.npz (expected arrays), so no weights are stored. Nothing
of a case is trusted: pickled arrays are not loaded, fields are looked at before use.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_VALUES = 1 << 29  # of a case's weights together, and of its inputs: 2 GiB; the largest known network has 2^27.4
MAX_ARRAYS = 4 << 30  # bytes of all arrays of a case, uncompressed
T = TypeVar("T")
_KINDS: dict[type, str] = {str: "text", dict: "an object", list: "a list"}


class CaseError(ValueError):
    """A case is damaged, or asks for something that is not known here: it has not passed."""


@dataclass(frozen=True, slots=True)
class Case:
    """recipe: the JSON object. arrays: what the networks should give, and more of them."""

    recipe: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def salt(self) -> str:
        return field(self.recipe, "salt", str)


def read_recipe(path: Path) -> dict[str, Any]:
    """Raises CaseError where the file is not a JSON object."""
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CaseError(f"{path.name} is not whole JSON ({error})") from error
    if not isinstance(recipe, dict):
        raise CaseError(f"{path.name} holds no JSON object")
    return recipe


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of an npz file, numbers and text only. Raises CaseError where it is missing, damaged or holds objects."""
    if not path.is_file():
        raise CaseError(f"{path.name} is missing: nothing to compare with")
    try:
        with zipfile.ZipFile(path) as file:
            total = sum(member.file_size for member in file.infolist())
        if total > MAX_ARRAYS:
            raise CaseError(f"{path.name} unpacks to {total} bytes; at most {MAX_ARRAYS} are read")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except CaseError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise CaseError(f"{path.name} is damaged or no npz file ({error})") from error


def field(recipe: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """A field of a recipe. Raises CaseError where it is missing or of another kind."""
    if name not in recipe:
        raise CaseError(f"the field {name} is missing")
    value = recipe[name]
    if not isinstance(value, kind):
        raise CaseError(f"the field {name} is {value!r:.60}, wanted {_KINDS.get(kind, kind.__name__)}")
    return value


def number(recipe: Mapping[str, Any], name: str) -> float:
    """A field that is a number. Raises CaseError."""
    value = recipe.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CaseError(f"the field {name} is {value!r:.60}, wanted a number")
    return float(value)


def shape_of(value: object, what: str) -> tuple[int, ...]:
    """Raises CaseError where it is not a list of sizes, or of more values than any case needs."""
    if not isinstance(value, (list, tuple)) or not all(type(size) is int and size >= 0 for size in value):
        raise CaseError(f"{what} has the shape {value!r:.60}, wanted a list of sizes")
    if math.prod(value) > MAX_VALUES:
        raise CaseError(f"{what} has {math.prod(value)} values; at most {MAX_VALUES} are drawn")
    return tuple(value)


def draw(name: str, shape: Sequence[int], *, offset: float = 0.0, scale: float = 1.0) -> Tensor:
    """Normal float32 tensor that belongs to `name` (the salt, then the key): offset + scale · v."""
    values = _rng(name).standard_normal(tuple(shape)).astype(np.float32)
    return torch.from_numpy(np.asarray(np.float32(offset) + np.float32(scale) * values, dtype=np.float32))


def draw_unit(name: str, shape: Sequence[int]) -> NDArray[np.float32]:
    """Float32 values in [0, 1) that belong to `name`."""
    return _rng(name).random(tuple(shape)).astype(np.float32)


def draw_uniform(name: str, shape: Sequence[int]) -> Tensor:
    """Float32 tensor in [-1, 1) that belongs to `name`."""
    return torch.from_numpy(np.float32(2) * draw_unit(name, shape) - np.float32(1))


def draw_weights(salt: str, keys: Sequence[Any]) -> dict[str, Tensor]:
    """State of a recipe's keys. Raises CaseError where a tensor's seed or hash is not the one noted."""
    state: dict[str, Tensor] = {}
    total = 0
    for entry in keys:
        if not isinstance(entry, dict):
            raise CaseError(f"a line of keys is {entry!r:.60}, wanted an object")
        key = field(entry, "key", str)
        if key in state:
            raise CaseError(f"{key} is listed twice")
        shape = shape_of(entry.get("shape"), key)
        total += math.prod(shape)
        if total > MAX_VALUES:
            raise CaseError(f"the keys have more than {MAX_VALUES} values together")
        state[key] = _draw_weight(salt, key, shape, entry)
        noted = entry.get("sha256_16")
        if noted is not None and (found := _digest(state[key])) != noted:
            raise CaseError(f"{key} was drawn with hash {found}, the case notes {noted}")
    return state


def _draw_weight(salt: str, key: str, shape: tuple[int, ...], entry: Mapping[str, Any]) -> Tensor:
    kind, dtype = entry.get("kind"), entry.get("dtype", "float32")
    if dtype != "float32":
        raise CaseError(f"{key} is of {dtype}: only float32 is drawn")
    if kind == "normal":
        noted = entry.get("seed")
        if noted is not None and noted != (found := _seed(salt + key)):
            raise CaseError(f"{key} has the seed {found} after the salt {salt!r}, the case notes {noted}")
        return draw(salt + key, shape, offset=number(entry, "offset"), scale=number(entry, "scale"))
    if kind in ("fir", "fir1"):
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        if shape != (4, 4):
            raise CaseError(f"{key} is a blur kernel of the shape {shape}, wanted (4, 4)")
        return torch.outer(taps, taps) / (16.0 if kind == "fir" else 64.0)
    raise CaseError(f"{key}: tensors of kind {kind!r} are not known")


def _seed(name: str) -> int:
    return zlib.crc32(name.encode())


def _rng(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(_seed(name)))


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.numpy().astype("<f4", copy=False).tobytes()).hexdigest()[:16]
