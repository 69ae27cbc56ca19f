"""`gleaner train`: make the weights that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.common import clean_errors

train_app = typer.Typer(help="Train the weights that ship.", no_args_is_help=True)


@train_app.command("espcn")
def train_espcn(
    scale: Annotated[int, typer.Option("--scale", help="2 or 4.")],
    data: Annotated[Path, typer.Option("--data", help="Media folder with a manifest.json.")],
    out: Annotated[Path, typer.Option("--out", help="Checkpoint, log and best weights; a run in it is gone on with.")],
    minutes: Annotated[float | None, typer.Option("--minutes", help="Stop after so long; run again to go on.")] = None,
    share_alike: Annotated[bool, typer.Option("--share-alike/--no-share-alike", help="Use CC BY-SA pictures.")] = True,
    threads: Annotated[int, typer.Option("--threads", help="Of torch.")] = 1,
) -> None:
    """Train ESPCN on degraded pictures. SIGTERM stops it cleanly; the same command goes on."""
    from models.training.espcn import TrainConfig, run_until_signal

    with clean_errors():
        result = run_until_signal(
            TrainConfig(scale, data, out, minutes=minutes, share_alike=share_alike, threads=threads)
        )
        typer.echo(f"step {result.step}, {'finished' if result.finished else 'stopped'}: {result.weights}")
