"""`gleaner models check-vectors`: our networks and operations against stored numbers of the references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common import UnusableError, clean_errors

if TYPE_CHECKING:
    from models.vectors.folder import Outcome


def check_vectors(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of cases, NAME.json with NAME.npz; searched.")],
) -> None:
    """Check the networks against every case of a folder: a line a case, then how many passed."""
    with clean_errors():
        if not folder.is_dir():
            raise UnusableError(f"{folder} is no folder: give one with cases, NAME.json with NAME.npz beside it")
        from models.vectors.folder import check

        passed = failed = 0
        for outcome in check(folder):
            passed, failed = passed + outcome.passed, failed + (not outcome.passed)
            typer.echo(_line(outcome))
        typer.echo(f"{passed} passed, {failed} failed")
        if not passed and not failed:
            raise UnusableError(f"{folder} holds no case: NAME.json with NAME.npz beside it")
    if failed:
        raise typer.Exit(1)


def _line(outcome: Outcome) -> str:
    """Name, worst error relative to the largest expected value, tolerance, and what came of it."""
    error = "-" if outcome.error is None else f"{outcome.error:.2e}"
    tolerance = "" if outcome.tolerance is None else f"of {outcome.tolerance:.0e}"
    note = f": {outcome.note}" if outcome.note else ""
    line = f"{outcome.name:<44} {error:>8} {tolerance:<8} {'passed' if outcome.passed else 'failed'}{note}"
    return "".join(letter if letter.isprintable() else "?" for letter in line)
