"""A training run's state on disk: whole or absent, and enough of it to go on exactly. Knows no particular network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

NAME = "checkpoint.pt"


class CheckpointError(Exception):
    """A checkpoint is not of this run."""


def require(folder: Path) -> None:
    """Raises CheckpointError where there is nothing to go on with."""
    if not (folder / NAME).is_file():
        raise CheckpointError(f"{folder} holds no {NAME} to resume from: leave --resume out to begin a run there")


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers and strings; the old checkpoint stays until the new one is safe on disk."""
    part = folder / (NAME + ".part")
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)


def load(folder: Path, *, run: dict[str, Any]) -> dict[str, Any] | None:
    """The last state saved, None where there is none.

    run: what must not change between the parts of a run. Raises CheckpointError naming what differs.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    differing = sorted(key for key in run if state["run"].get(key) != run[key])
    if differing:
        pairs = "; ".join(f"{key} was {state['run'].get(key)}, is {run[key]}" for key in differing)
        raise CheckpointError(f"the run in {folder} cannot be resumed: {pairs}. Use another folder")
    return state
