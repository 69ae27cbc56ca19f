"""Checkpoint files of any container, read as tensors only. Knows nothing of whose keys they hold.

Accepted: .pth and .pt (torch, zip and legacy), .safetensors, and NVlabs' .pkl.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from models.checkpoints.errors import CheckpointError
from models.checkpoints.pickles import Plain, read_modules

MAX_BYTES = 2 << 30  # the largest published GLEAN with its discriminator is below 1 GiB
SUFFIXES = (".pth", ".pt", ".safetensors", ".pkl")
TOP = ""  # the group of tensors that stand at the top of a file

Groups = dict[str, dict[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """groups: tensors by the name of the dictionary they lie in (state_dict, g_ema, G_ema), `TOP` for none."""

    name: str
    sha256: str
    groups: Groups
    arguments: dict[str, dict[str, Plain]] = field(default_factory=dict)  # of a .pkl's networks, by group
    metadata: dict[str, str] = field(default_factory=dict)  # of a .safetensors


def read(path: Path, *, max_bytes: int = MAX_BYTES, expected_sha256: str | None = None) -> Checkpoint:
    """All tensors of a checkpoint, on the CPU; the file is read once, so what was hashed is what is parsed.

    Raises CheckpointError where it is missing, larger than `max_bytes`, of another SHA-256 than expected or than its
    name says (-68912543.pth), damaged, or wants code to be run.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CheckpointError(f"{path.name} is not a checkpoint by its name: wanted one of {', '.join(SUFFIXES)}")
    data = _bytes(path, max_bytes)
    sha256 = hashlib.sha256(data).hexdigest()
    for wanted, source in ((expected_sha256, "expected"), (hash_in_name(path.name), "its name says")):
        if wanted is not None and not sha256.startswith(wanted.lower()):
            raise CheckpointError(
                f"{path.name} has SHA-256 {sha256}, but {source} {wanted}: it was changed or damaged; fetch it again"
            )
    arguments: dict[str, dict[str, Plain]] = {}
    metadata: dict[str, str] = {}
    try:
        if suffix == ".pkl":
            modules = read_modules(data)
            groups = {name: module.tensors for name, module in modules.items()}
            arguments = {name: module.arguments for name, module in modules.items()}
        elif suffix == ".safetensors":
            groups = {TOP: _safetensors(data)}
            metadata = _metadata(data)
        else:
            groups = _torch(data)
        for group, tensors in groups.items():
            for key, tensor in tensors.items():
                _check_tensor(f"{group}/{key}" if group else key, tensor)
        if not any(groups.values()):
            raise CheckpointError("it holds no tensors")
    except CheckpointError as error:
        raise CheckpointError(f"{path.name}: {error}") from error
    return Checkpoint(path.name, sha256, groups, arguments, metadata)


def hash_in_name(name: str) -> str | None:
    """The start of the SHA-256 that a name ends with, at least 8 hex digits after a dash; a date is not one."""
    found = re.search(r"-([0-9a-f]{8,64})\.[a-z]+$", name)
    if found is None or _is_date(found[1]):
        return None
    return found[1]


def _is_date(digits: str) -> bool:
    if not re.fullmatch(r"(19|20)\d{6}", digits):
        return False
    try:
        datetime.strptime(digits, "%Y%m%d")  # the time zone does not matter here
    except ValueError:
        return False
    return True


def _bytes(path: Path, max_bytes: int) -> bytes:
    try:
        if not path.is_file():
            raise CheckpointError(f"{path.name} is not a file")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read ({error.strerror})") from error
    if len(data) > max_bytes:
        raise CheckpointError(f"{path.name} is larger than the {max_bytes} bytes allowed for a checkpoint")
    return data


def _safetensors(data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # whatever a damaged file makes it raise
        raise CheckpointError(f"not a whole safetensors file ({error})") from error


class _Ignored:
    """Stands for what trainers keep beside the weights. It takes anything, does nothing and holds nothing."""

    def __new__(cls, *_arguments: object) -> _Ignored:
        return super().__new__(cls)

    def __init__(self, *_arguments: object) -> None:
        """Arguments are dropped."""

    def __setstate__(self, _state: object) -> None:
        """A state is dropped."""


# mmengine's log of losses (made of numpy arrays) and rosinality's command line.
_IGNORED = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "argparse.Namespace",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
)


def _metadata(data: bytes) -> dict[str, str]:
    """Of a file whose header has been found sound."""
    found = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__")
    return found if isinstance(found, dict) else {}


def _torch(data: bytes) -> Groups:
    if data.startswith(b"PK"):
        _check_zip(data)
    try:
        with torch.serialization.safe_globals([(_Ignored, name) for name in _IGNORED]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's on the pickle's protocol; what it then refuses, it says
            root = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file makes it raise
        reason = str(error)
        if (found := re.search(r"Unsupported (?:global|class|operand)[^\n.]*[\w.]*", reason)) is not None:
            reason = f"{found[0]}; only tensors are read, no code was run"
        raise CheckpointError(f"not a whole torch file of tensors ({type(error).__name__}: {reason})") from error
    if not isinstance(root, Mapping):
        raise CheckpointError(f"it holds a {type(root).__name__}, wanted a dictionary of tensors")
    top = {TOP: _tensors(root)}
    return top | {str(key): _tensors(value) for key, value in root.items() if key and isinstance(value, Mapping)}


def _check_zip(data: bytes) -> None:
    """torch stores its records as they are; a packed one could unfold to any size."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            records = archive.infolist()
    except Exception as error:
        raise CheckpointError(f"not a whole zip file ({error})") from error
    if packed := [record.filename for record in records if record.compress_type != zipfile.ZIP_STORED]:
        raise CheckpointError(f"its record {packed[0]} is compressed, which torch never does")
    if sum(record.file_size for record in records) > len(data):
        raise CheckpointError("its records overlap or claim more than the file holds")


def _tensors(values: Mapping[object, object]) -> dict[str, Tensor]:
    return {key: value for key, value in values.items() if isinstance(key, str) and isinstance(value, Tensor)}


def _check_tensor(key: str, tensor: Tensor) -> None:
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise CheckpointError(f"{key} is a {tensor.layout} tensor on {tensor.device.type}, wanted a dense one")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise CheckpointError(f"{key} claims the shape {tuple(tensor.shape)}, more values than the file holds for it")
