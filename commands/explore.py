"""`gleaner explore`: pictures that all explain the same pixels of a clip, and that none of them is evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common import UnusableError, clean_errors, progress_bars
from pipeline.settings import Settings

if TYPE_CHECKING:
    from models.pulse.region import Box
    from models.pulse.search import Step


def explore(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The clip.")],
    frame: Annotated[int, typer.Option("--frame", help="Number of the frame, from 0, in order of presentation.")],
    box: Annotated[str, typer.Option("--box", help="x,y,w,h in source pixels of the picture as shown upright.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE.png", help="Where the sheet of all of it goes.")],
    count: Annotated[int, typer.Option("--count", min=1, max=16, help="Candidates.")] = 4,
    bank: Annotated[
        str | None,
        typer.Option("--bank", help="StyleGAN2 generator; by default an imported one, else the one that ships."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same candidates.")] = 0,
    steps: Annotated[int, typer.Option("--steps", min=10, max=1000, help="Of each search.")] = 100,
    report: Annotated[Path | None, typer.Option("--json", help="Write the numbers to this file.")] = None,
) -> None:
    """Search for different pictures that explain the same pixels of a frame. None of them is evidence."""
    from models.devices import DeviceError
    from models.pulse.region import RegionError
    from models.pulse.search import STATEMENT, SearchError, SearchSettings
    from models.registry import ArchitectureError
    from models.weights_io import WeightsError
    from pipeline.targets import check_targets
    from workers.exploration import FrameMissing, write_sheet
    from workers.explore_local import account, explore_local

    unusable = (RegionError, SearchError, FrameMissing, WeightsError, ArchitectureError, DeviceError)
    with clean_errors(*unusable):
        settings = Settings()
        check_targets(source, (out, report))
        if out.suffix.lower() != ".png":
            raise UnusableError(f"the sheet is a PNG file; {out.name} would mislead: name it {out.stem}.png")
        wanted = SearchSettings(steps=steps, seed=seed)
        area = _box(box)
        with progress_bars() as progress:
            bar = progress.add_task("reading", total=count * steps, fps="")

            def on_step(step: Step) -> bool:
                done = round(step.fraction * count * steps)
                if step.step:
                    words = f"candidate {step.candidate + 1} of {count}"
                    progress.update(bar, description=words, completed=done, fps=f"error {step.best_error:.1e}")
                return True

            found, facts = explore_local(source, frame, area, count, bank, wanted, settings, on_step)
            progress.update(bar, completed=count * steps)
        write_sheet(found, out, (f"Bank {facts.name}, seed {seed}, {steps} steps.",))
        if report is not None:
            report.write_text(json.dumps(account(found, facts, wanted, source), indent=2) + "\n", encoding="utf-8")
        used, exploration = found.box_used, found.exploration
        if used != area:
            typer.echo(f"explored {used}: the box {area} grown to a square whose side is a power of two")
        errors = ", ".join(f"{each.error:.1e}" for each in exploration.candidates)
        typer.echo(
            f"{exploration.explaining} of {count} explain the pixels (error up to {exploration.eps:g}): {errors}"
        )
        if exploration.diverged:
            typer.echo(f"{len(exploration.diverged)} searches came to no finite picture and are not shown", err=True)
        typer.echo(f"{out}: {STATEMENT}")


def _box(text: str) -> Box:
    from models.pulse.region import Box

    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise UnusableError(
            f"--box {text!r} is no box: give four whole numbers x,y,w,h, for example 120,80,16,16"
        ) from None
    return Box(x, y, width, height)
