"""Tensors out of NVlabs' network pickles, whose embedded source code is never run. Knows nothing of file names or keys.

Such a pickle rebuilds every module from Python source it carries. Here an allow-list of globals is answered by inert
stand-ins, and the tensors are found by walking each module's recorded state.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from models.checkpoints.errors import CheckpointError

MAX_OPCODES = 2_000_000  # a published snapshot has tens of thousands
MAX_MODULES = 20_000
MAX_DEPTH = 32  # of modules in modules, and of lists in lists

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


@dataclass(frozen=True, slots=True)
class PickledModule:
    """One network of a snapshot: tensors under dotted names as its state_dict has them, and the arguments it had."""

    class_name: str
    arguments: dict[str, Plain]
    tensors: dict[str, Tensor]


def read_modules(data: bytes) -> dict[str, PickledModule]:
    """The networks of a snapshot by name (G, D, G_ema), tensors on the CPU.

    Raises CheckpointError where the pickle is damaged, asks for a global that is not allowed, or holds no network.
    """
    _check_opcodes(data)
    try:
        root = _Unpickler(io.BytesIO(data)).load()
    except CheckpointError:
        raise
    except Exception as error:  # a hostile pickle can make the machine raise anything
        raise CheckpointError(f"the pickle cannot be read ({type(error).__name__}: {error})") from error
    if not isinstance(root, dict):
        raise CheckpointError(
            f"the pickle holds a {type(root).__name__}, wanted a dictionary of networks such as G_ema"
        )
    found = {}
    for name, value in dict.items(root):
        if isinstance(name, str) and isinstance(value, _Module):
            found[name] = _module(name, value)
    if not found:
        raise CheckpointError(f"the pickle holds no network, only {', '.join(map(str, root)) or 'nothing'}")
    return found


def _check_opcodes(data: bytes) -> None:
    """Refuse what would make the unpickler allocate far more than the file holds, before it runs."""
    stored = 0
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data), start=1):
            if count > MAX_OPCODES:
                raise CheckpointError(f"the pickle has more than {MAX_OPCODES} instructions")
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
                stored += 1
                # The memo is an array, grown to the largest index asked for.
                if not isinstance(argument, int) or not 0 <= argument <= 2 * stored + 256:
                    raise CheckpointError(f"the pickle asks for memory slot {argument} after {stored}")
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(f"the pickle is damaged or cut short ({error})") from error


class _Inert:
    """Base of what stands for something in the pickle: nothing in the pickle can change it."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise CheckpointError(f"the pickle tries to change a {type(self).__name__.strip('_').lower()}")


class _Call(_Inert):
    """An allowed function; as an object without a dictionary, so that no instruction can set attributes on it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)


class _Module(_Inert):
    __slots__ = ("meta",)

    def __init__(self, meta: object) -> None:
        if not isinstance(meta, dict):
            raise CheckpointError(f"a module's description is a {type(meta).__name__}, wanted a dictionary")
        self.meta = meta


class _Storage(_Inert):
    __slots__ = ("dtype", "untyped")

    def __init__(self, data: object) -> None:
        if not isinstance(data, bytes):
            raise CheckpointError(f"a storage is a {type(data).__name__}, wanted bytes")
        typed = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if not isinstance(typed, torch.storage.TypedStorage):
            raise CheckpointError(f"a storage holds a {type(typed).__name__}")
        self.dtype: torch.dtype = typed.dtype
        self.untyped: torch.UntypedStorage = typed._untyped_storage


class _Tensor(_Inert):
    __slots__ = ("value",)

    def __init__(self, storage: object, offset: object, size: object, stride: object, *_rest: object) -> None:
        # torch's own function would enlarge the storage to whatever the size asks for.
        if not isinstance(storage, _Storage):
            raise CheckpointError(f"a tensor lies in a {type(storage).__name__}, wanted a storage")
        sizes, strides = _counts(size), _counts(stride)
        (start,) = _counts((offset,))
        available = storage.untyped.nbytes() // storage.dtype.itemsize
        last = start + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
        elements = math.prod(sizes)
        if elements > available or (elements and last >= available):
            raise CheckpointError(f"a tensor of shape {sizes} does not fit its storage of {available} values")
        self.value = torch.empty(0, dtype=storage.dtype).set_(storage.untyped, start, sizes, strides)


class _Dtype:
    """A number's type in numpy's notation; the byte order comes afterwards, as numpy's own pickles have it."""

    __slots__ = ("code", "order")

    def __init__(self, code: object, *_flags: object) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[biuf][1248]", code):
            raise CheckpointError(f"a number has the numpy type {code!r}")
        self.code = code
        self.order = "="

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "=", "|"):
            raise CheckpointError(f"a numpy type has the state {state!r}")
        self.order = state[1]


def _scalar(dtype: object, data: object) -> object:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        raise CheckpointError("a numpy number is not given as a type and bytes")
    values = np.frombuffer(data, dtype=np.dtype(dtype.order + dtype.code))
    if values.shape != (1,):
        raise CheckpointError(f"a numpy number has {values.size} values")
    return values[0].item()


def _parameter(data: object, *_rest: object) -> _Tensor:
    if not isinstance(data, _Tensor):
        raise CheckpointError(f"a parameter is a {type(data).__name__}, wanted a tensor")
    return data


# dict, OrderedDict and set are types because the instruction that makes an object wants one; both are immutable types.
_TYPES: dict[tuple[str, str], type] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("dnnlib.util", "EasyDict"): dict,
    ("builtins", "set"): set,  # of a module's buffers that are not saved; protocol 3 calls it by name
}
_CALLS: dict[tuple[str, str], Callable[..., object]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "_load_from_bytes"): _Storage,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Module,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (found := _TYPES.get((module, name))) is not None:
            return found
        if (function := _CALLS.get((module, name))) is not None:
            return _Call(function)
        raise CheckpointError(f"the pickle asks for {module}.{name}, which is not allowed; no code was run")

    def persistent_load(self, pid: object) -> NoReturn:
        raise CheckpointError(f"the pickle refers to something outside itself: {pid!r}")


def _counts(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(type(n) is int and 0 <= n < 2**40 for n in values) or len(values) > 8:
        raise CheckpointError(f"a tensor has the size, stride or offset {values!r}")
    return values


def _module(name: str, module: _Module) -> PickledModule:
    state = _dictionary(module.meta, "state", name)
    tensors: dict[str, Tensor] = {}
    for seen, (key, value) in enumerate(_walk(module, name, "", 0)):
        if seen >= MAX_MODULES:
            raise CheckpointError(f"{name} has more than {MAX_MODULES} entries")
        if value is not None:
            tensors[key] = value
    arguments = _plain(state.get("_init_kwargs", {}), 0)
    return PickledModule(
        class_name=str(module.meta.get("class_name", "")),
        arguments=arguments if isinstance(arguments, dict) else {},
        tensors=tensors,
    )


def _walk(module: _Module, where: str, prefix: str, depth: int) -> Iterator[tuple[str, Tensor | None]]:
    """Every tensor under its dotted name, and one None for each module, so that the caller can count both."""
    if depth > MAX_DEPTH:
        raise CheckpointError(f"{where} has modules more than {MAX_DEPTH} deep")
    yield prefix, None
    state = _dictionary(module.meta, "state", where)
    for part in ("_parameters", "_buffers"):
        for name, value in dict.items(_dictionary(state, part, where)):
            if isinstance(value, _Tensor):
                yield f"{prefix}{name}", value.value
            elif value is not None:
                raise CheckpointError(f"{where}.{name} is a {type(value).__name__}, wanted a tensor")
    for name, value in dict.items(_dictionary(state, "_modules", where)):
        if isinstance(value, _Module):
            yield from _walk(value, f"{where}.{name}", f"{prefix}{name}.", depth + 1)
        elif value is not None:
            raise CheckpointError(f"{where}.{name} is a {type(value).__name__}, wanted a module")


def _dictionary(owner: dict[Any, Any], key: str, where: str) -> dict[Any, Any]:
    found = dict.get(owner, key)
    if not isinstance(found, dict):
        raise CheckpointError(f"{where} has no {key}")
    return found


def _plain(value: object, depth: int) -> Plain:
    """Numbers, text, lists and dictionaries as they are; whatever else as None."""
    if depth > 4:  # arguments are shallow, and a shared list can be entered many times
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict) and len(value) <= 256:
        return {str(key): _plain(item, depth + 1) for key, item in dict.items(value)}
    if isinstance(value, (list, tuple)) and len(value) <= 256:
        return [_plain(item, depth + 1) for item in value]
    return None
