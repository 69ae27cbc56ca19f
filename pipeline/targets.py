"""Where a command is told to write, checked before any work is done. Knows paths; opens no file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SUFFIXES = {".mp4": (".mp4", ".m4v"), ".mkv": (".mkv",)}  # names that players take for a container, its own first


class TargetError(ValueError):
    """A file cannot be written where it is wanted. The message is for people."""


def check_targets(source: Path, targets: Sequence[Path | None]) -> None:
    """Refuses targets that are the source, one another, a folder, or in a folder that is not there.

    None stands for a target that is not wanted. Raises TargetError.
    """
    taken = [(source, "the clip itself, which is never overwritten")]
    for target in targets:
        if target is None:
            continue
        if target.is_dir():
            raise TargetError(f"{target.name or target} is a folder; name a file in it")
        if not target.parent.is_dir():
            raise TargetError(f"the folder of {target.name} does not exist; make it first")
        for other, what in taken:
            if _same(target, other):
                raise TargetError(f"{target.name} is {what}; choose another name")
        taken.append((target, "to be written twice"))


def check_suffix(target: Path, suffix: str) -> None:
    """Refuses a name whose suffix says another container than `suffix`, the result's. Raises TargetError."""
    if target.suffix.lower() not in SUFFIXES[suffix]:
        proposal = target.with_suffix(suffix).name
        raise TargetError(f"the result is a {suffix[1:].upper()} file; {target.name} would mislead: name it {proposal}")


def _same(first: Path, second: Path) -> bool:
    if first.exists() and second.exists():
        return first.samefile(second)
    return first.resolve() == second.resolve()
