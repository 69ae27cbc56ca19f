"""`gleaner evaluate`: how good models are on pictures and clips made worse in stated ways, against bicubic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.common import UnusableError, clean_errors, progress_bars
from pipeline.settings import Settings


def evaluate(
    data: Annotated[
        Path, typer.Option("--data", help="Media folder with a manifest.json (its dev split), or any folder of media.")
    ],
    model: Annotated[list[str], typer.Option("--model", help="May be repeated. NAME@0.5 is NAME with detail 0.5.")],
    profile: Annotated[
        list[str], typer.Option("--profile", help="May be repeated; `gleaner degrade --list` names them.")
    ],
    scale: Annotated[int, typer.Option("--scale", help="Enlargement, each way.")] = 4,
    every: Annotated[int, typer.Option("--every", help="Take only every so many files; seeds stay the same.")] = 1,
    frames: Annotated[int, typer.Option("--frames", help="Consecutive frames taken of a clip.")] = 12,
    detect: Annotated[
        bool,
        typer.Option("--detect/--no-detect", help="Look for people, faces and plates too, where OpenCV can (4.x)."),
    ] = True,
    seed: Annotated[int, typer.Option("--seed", help="Of the first file; the next takes one more.")] = 40_000,
    numbers: Annotated[Path | None, typer.Option("--json", help="Write every number to this file.")] = None,
    picture: Annotated[
        Path | None, typer.Option("--sheet", help="Draw a contact sheet (.png): source, bicubic, models, truth.")
    ] = None,
    document: Annotated[
        Path | None, typer.Option("--page", help="Write the result as a page of Markdown to this file.")
    ] = None,
) -> None:
    """Measure models: PSNR, SSIM, VIF, GMSD, HaarPSI and flicker, against bicubic and Lanczos."""
    import json

    from models.catalog import Catalog
    from models.degradation.chain import UnfitError
    from models.degradation.profiles import UnknownProfile
    from models.evaluation.page import page
    from models.evaluation.perceptual import ExtraMissing
    from models.evaluation.sheet import Sheet, write
    from models.registry import DetailError, ScaleError
    from models.training.data import DataError
    from pipeline.targets import check_targets
    from workers.evaluate import EvaluationPlan, PlanError
    from workers.evaluate import evaluate as run

    with clean_errors(PlanError, UnknownProfile, UnfitError, DataError, ExtraMissing, ScaleError, DetailError):
        settings = Settings()
        if picture is not None and picture.suffix.lower() != ".png":
            raise UnusableError(f"a sheet cannot be written as {picture.name}: name it {picture.stem}.png")
        check_targets(data, (numbers, picture, document))
        plan = EvaluationPlan(
            tuple(model), data, tuple(dict.fromkeys(profile)), scale, every, frames, seed, detect, settings.device
        )
        sheet = None if picture is None else Sheet()
        with progress_bars() as progress:
            bar = progress.add_task("sources", total=None, fps="")
            found = run(
                plan,
                Catalog(settings.models_dir),
                lambda done, total: progress.update(bar, completed=done, total=total),
                sheet,
            )
        text = page([found], _command(plan.models, data, plan.profiles, scale, every, frames, seed))
        if numbers is not None:
            numbers.write_text(json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n", "utf-8")
        if sheet is not None and picture is not None:
            write(sheet, picture)
        if document is not None:
            document.write_text(text, "utf-8")
        else:
            typer.echo(text)


def _command(
    models: tuple[str, ...], data: Path, profiles: tuple[str, ...], scale: int, every: int, frames: int, seed: int
) -> str:
    """What a reader types to get the same page; the folder by its name only."""
    words = [f"--model {name}" for name in models] + [f"--data {data.name}"]
    words += [f"--profile {name}" for name in profiles]
    words += [f"--scale {scale} --every {every} --frames {frames} --seed {seed}"]
    return " ".join(["gleaner evaluate", *words])
