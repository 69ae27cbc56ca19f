"""Weights in files: tensors only, facts as metadata, every key accounted for. Knows nothing of particular networks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_bytes
from safetensors.torch import save_file
from torch import Tensor, nn

State = dict[str, Tensor]

FOLDER = Path(__file__).parent / "weights"  # of the weights that ship


class WeightsError(Exception):
    """A weights file is missing, is not the one expected, or does not fit its network."""


def save(state: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> str:
    """Write a safetensors file whole or not at all; returns its SHA-256, for the catalog."""
    part = path.with_name(path.name + ".part")
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
    save_file(tensors, part, metadata=dict(sorted(metadata.items())))
    part.replace(path)
    return sha256(path)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path, *, expected_sha256: str | None = None) -> dict[str, Tensor]:
    """All tensors of a safetensors file, on the CPU, float16 as float32.

    The file is read once, so what was hashed is what is parsed.

    Raises WeightsError where the file is missing, is not safetensors or has another SHA-256 than expected.
    """
    check(path, None)
    data = path.read_bytes()
    _check_sha256(path, hashlib.sha256(data).hexdigest(), expected_sha256)
    try:
        return widened(load_bytes(data))
    except SafetensorError as error:
        raise WeightsError(f"{path.name} is not a whole safetensors file ({error}): fetch it again") from error


def widened(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """float16 tensors, which halve a file, as float32; nothing is computed in float16. The others as they are."""
    return {key: tensor.float() if tensor.dtype == torch.float16 else tensor for key, tensor in state.items()}


def interpolated(faithful: Mapping[str, Tensor], vivid: Mapping[str, Tensor], detail: float, name: str) -> State:
    """(1 - detail) * faithful + detail * vivid for every floating tensor (ESRGAN, Wang et al. 2018, section 3.4).

    detail: in [0, 1]. 0 and 1 give the one and the other bit for bit. name: of the vivid file, for messages. Raises
    WeightsError where the two do not hold the same keys, shapes, types, or values that are not floating.
    """
    check_partner(faithful, vivid, name)
    if detail in (0, 1):
        return dict(vivid if detail else faithful)
    return {
        key: tensor * (1 - detail) + vivid[key] * detail if tensor.is_floating_point() else tensor
        for key, tensor in faithful.items()
    }


def check_partner(faithful: Mapping[str, Tensor], vivid: Mapping[str, Tensor], name: str) -> None:
    """Raises WeightsError, naming what differs, where these are not two trainings of one network."""
    complaints = []
    if missing := sorted(faithful.keys() - vivid.keys()):
        complaints.append(f"missing: {', '.join(missing)}")
    if unexpected := sorted(vivid.keys() - faithful.keys()):
        complaints.append(f"unexpected: {', '.join(unexpected)}")
    for key in sorted(faithful.keys() & vivid.keys()):
        ours, theirs = faithful[key], vivid[key]
        if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
            complaints.append(f"{key} is {tuple(theirs.shape)} {theirs.dtype}, not {tuple(ours.shape)} {ours.dtype}")
        elif not ours.is_floating_point() and not torch.equal(ours, theirs):
            complaints.append(f"{key} has other values, which cannot be interpolated")
    if complaints:
        raise WeightsError(f"{name} is no training of the same network: {'; '.join(complaints)}")


def metadata(path: Path) -> dict[str, str]:
    """The facts a weights file carries about itself. Raises WeightsError as `read` does."""
    check(path, None)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(f"{path.name} is not a whole safetensors file ({error}): fetch it again") from error


def load_into(network: nn.Module, path: Path, *, expected_sha256: str | None = None) -> None:
    """Fill a network's parameters from a file. Raises WeightsError; then nothing was loaded."""
    fill(network, read(path, expected_sha256=expected_sha256), path.name)


def fill(network: nn.Module, found: Mapping[str, Tensor], name: str) -> None:
    """Fill a network's parameters and buffers. One on the meta device takes the tensors themselves, without a copy.

    Raises WeightsError naming every missing key, unexpected key and differing shape or type; then nothing was loaded.
    """
    wanted = network.state_dict()
    complaints = []
    if missing := sorted(wanted.keys() - found.keys()):
        complaints.append(f"missing: {', '.join(missing)}")
    if unexpected := sorted(found.keys() - wanted.keys()):
        complaints.append(f"unexpected: {', '.join(unexpected)}")
    for key in sorted(wanted.keys() & found.keys()):
        if found[key].shape != wanted[key].shape:
            complaints.append(f"{key} has shape {tuple(found[key].shape)}, wanted {tuple(wanted[key].shape)}")
        elif found[key].dtype != wanted[key].dtype:
            complaints.append(f"{key} holds {found[key].dtype}, wanted {wanted[key].dtype}")
    if complaints:
        raise WeightsError(f"{name} does not fit {type(network).__name__}: {'; '.join(complaints)}")
    assign = any(tensor.is_meta for tensor in wanted.values())
    network.load_state_dict(dict(found), strict=True, assign=assign)


def check(path: Path, expected_sha256: str | None) -> None:
    """Raises WeightsError where the file is missing or has another SHA-256 than expected."""
    if not path.is_file():
        raise WeightsError(f"the weights file {path.name} is missing from {path.parent.name}/: install it again")
    if expected_sha256 is not None:
        _check_sha256(path, sha256(path), expected_sha256)


def _check_sha256(path: Path, found: str, expected: str | None) -> None:
    if expected is not None and found != expected:
        raise WeightsError(
            f"{path.name} has SHA-256 {found}, but the catalog expects {expected}: the file was changed"
            " or damaged; install it again"
        )
