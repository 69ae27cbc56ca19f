"""`gleaner models`: which models there are, what is known of each, and importing and removing them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import clean_errors
from pipeline.settings import Settings

if TYPE_CHECKING:
    from models.facts import ModelFacts

models_app = typer.Typer(help="List, import, show and remove models.", invoke_without_command=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The model, as in requests.")]


@models_app.callback()
def models(context: typer.Context) -> None:
    """List, import, show and remove models; alone it lists them."""
    if context.invoked_subcommand is None:
        list_models()


@models_app.command("list")
def list_models() -> None:
    """List the models and what was measured of them."""
    from rich.console import Console
    from rich.table import Table

    from models.catalog import Catalog

    table = Table("model", "scales", "learned", "what it is", "measured", box=None)
    with clean_errors():
        for facts in Catalog(Settings().models_dir).all():
            scales = "bank" if facts.role == "bank" else ", ".join(f"×{scale}" for scale in facts.scales)
            table.add_row(facts.name, scales, "yes" if facts.learned else "no", facts.title, facts.envelope)
    Console().print(table)


@models_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A checkpoint: .pth, .pt, .safetensors or .pkl.")],
    name: Annotated[str, typer.Option("--as", help="Name it gets: a-z, 0-9, dot and dash.")],
    vivid: Annotated[
        Path | None, typer.Option("--vivid", help="A second training of the network, which --detail goes towards.")
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Of the weights, for reports.")] = None,
    trained_on: Annotated[str | None, typer.Option("--trained-on", help="Data, in one line.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="One line for people.")] = None,
) -> None:
    """Import a checkpoint as a model. Running services have it at once. No code in the file is run."""
    from models.catalog import Catalog
    from models.checkpoints.errors import CheckpointError
    from models.importing import Wording, import_model
    from models.library import LibraryError

    with clean_errors(CheckpointError, LibraryError):
        words = Wording(title, licence, trained_on)
        found = import_model(file, name, Catalog(Settings().models_dir), words, vivid=vivid)
        typer.echo(f"{name}: {found.facts.title}; SHA-256 {found.facts.sha256}")
        if found.ignored:
            typer.echo(f"not part of the network, left out: {', '.join(found.ignored)}", err=True)


@models_app.command("show")
def show(
    name: NameArgument,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show all that is known of a model."""
    import json

    from rich.console import Console
    from rich.table import Table

    from models.catalog import Catalog

    with clean_errors():
        known = _known(Catalog(Settings().models_dir).facts(name))
    if as_json:
        typer.echo(json.dumps(known, indent=1, ensure_ascii=False))
        return
    table = Table(box=None, show_header=False)
    table.add_column("fact")
    table.add_column("value", overflow="fold")
    for fact, value in known.items():
        if value not in (None, "", {}):
            table.add_row(fact, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    Console().print(table)


@models_app.command("remove")
def remove(name: NameArgument) -> None:
    """Remove an imported model. Running services forget it at once; clips under way with it fail and say so."""
    from models.catalog import Catalog
    from models.library import LibraryError

    with clean_errors(LibraryError):
        Catalog(Settings().models_dir).remove(name)
        typer.echo(f"{name} is removed")


def _known(facts: ModelFacts) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(facts), "config": dict(facts.config), "overlap": facts.overlap}
