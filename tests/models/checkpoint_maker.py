"""Synthetic checkpoints in every container and layout, and poison for them. Not a test file."""

from __future__ import annotations

import io
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoints import keys
from models.checkpoints.keys import Generator, GeneratorSizes

SIZES = GeneratorSizes(channels=(6, 5, 4), style=7, latent=3, mapping=2)  # all widths differ, so no axis is confused
TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])


def random_generator(seed: int = 0, sizes: GeneratorSizes = SIZES) -> Generator:
    random = torch.Generator().manual_seed(seed)
    state = {
        key: torch.outer(TAPS, TAPS) / 16 if key.endswith(".kernel") else torch.randn(shape, generator=random)
        for key, shape in keys.generator_shapes(sizes).items()
    }
    return Generator(state, sizes, torch.randn(sizes.style, generator=random))


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(
        left[key].shape == right[key].shape and torch.equal(left[key], right[key]) for key in left
    )


def legacy(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def zipped(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


class Touch:
    """Unpickled without care, it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.target), "w")


class Persistent:
    """A module as NVlabs' persistence pickles it: its state, and source code to be run."""

    def __init__(self, state: dict[str, object], source: str) -> None:
        self.state, self.source = state, source

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": self.source,
            "class_name": "Generator",
            "state": self.state,
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


def nested(tensors: dict[str, Tensor], source: str, kwargs: dict[str, object] | None = None) -> Persistent:
    """One module per dotted part; filters, noise and means are buffers, all else parameters."""
    state: dict[str, Any] = {
        "training": False,
        "_parameters": OrderedDict(),
        "_buffers": OrderedDict(),
        "_non_persistent_buffers_set": set(),
        "_modules": OrderedDict(),
    }
    if kwargs is not None:
        state |= {"_init_args": (), "_init_kwargs": kwargs}
    children: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        head, _, tail = key.partition(".")
        if tail:
            children.setdefault(head, {})[tail] = tensor
        elif key in ("resample_filter", "noise_const", "w_avg"):
            state["_buffers"][key] = tensor
        else:
            state["_parameters"][key] = torch.nn.Parameter(tensor)
    for name, inner in children.items():
        state["_modules"][name] = nested(inner, source)
    return Persistent(state, source)


def goes_off(data: bytes, marker: Path, load: Callable[[bytes], object]) -> None:
    """The poison works on a careless reader; without this the refusals below would show nothing."""
    opened = load(data)
    if hasattr(opened, "close"):
        opened.close()
    assert marker.exists()
    marker.unlink()
