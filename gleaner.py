"""The command `gleaner`: composes the rooms. Nothing imports it.

Exit codes: 0 done; 1 the work failed; 2 what was given cannot be used. Errors are one line on stderr: what, the value
seen, the remedy. Rooms are imported inside the subcommands (`commands/`), so that the API process never loads torch.
"""

from __future__ import annotations

import os

import typer

from commands.bench import bench_app
from commands.check_vectors import check_vectors
from commands.clips import enhance, probe, sample, submit
from commands.degrade import degrade
from commands.evaluate import evaluate
from commands.explore import explore
from commands.models import models_app
from commands.service import api, openapi, serve, worker
from commands.train import train_app
from commands.watch import watch

app = typer.Typer(
    help="Enhances surveillance video: upload clips, get sharper ones whose timing and colour can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (serve, api, worker, enhance, submit, watch, explore, probe, sample, degrade, evaluate, openapi):
    app.command()(command)
models_app.command("check-vectors")(check_vectors)
app.add_typer(models_app, name="models")
app.add_typer(train_app, name="train")
app.add_typer(bench_app, name="bench")


def main() -> None:
    # Before torch is loaded: its threads must sleep, not spin, while they wait for one another, or a machine on which
    # decoding and encoding run beside the network slows down many times over (measured: 60 times on two busy cores).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()


if __name__ == "__main__":
    main()
