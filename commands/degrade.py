"""`gleaner degrade`: a picture or a clip as a worse camera would have delivered it, seeded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.common import UnusableError, clean_errors, progress_bars
from pipeline.settings import Settings


def list_profiles(wanted: bool) -> None:
    if not wanted:
        return
    from models.degradation.profiles import PROFILES

    for name, profile in PROFILES.items():
        several = "several frames" if profile.frames > 1 else "single frames"
        typer.echo(f"{name:<24} {profile.about} [{profile.source}; {several}]")
    raise typer.Exit


def degrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture (.png, .jpg) or a clip.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A picture (.png), or a clip: .mkv (exact) or .mp4.")],
    profile: Annotated[str, typer.Option("--profile", help="Name of the degradation; `--list` names them.")],
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal results.")] = 0,
    scale: Annotated[int, typer.Option("--scale", help="How many times smaller, each way; 1 keeps the size.")] = 4,
    facts: Annotated[
        Path | None, typer.Option("--json", help="Write the parameters that were drawn to this file.")
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Name the profiles and end.", is_eager=True, callback=list_profiles)
    ] = False,
) -> None:
    """Make a picture or a clip worse, as a named camera, network or codec would. Sound is not kept."""
    import json

    from models.degradation.chain import UnfitError
    from models.degradation.profiles import UnknownProfile
    from pipeline.targets import check_targets
    from workers.degrade import decide_degrade, degrade_file

    with clean_errors(UnknownProfile, UnfitError):
        settings = Settings()
        if not source.is_file():
            raise UnusableError(f"there is no file {source.name}; name a picture or a clip")
        check_targets(source, (out, facts))
        plan = decide_degrade(source, out, profile, scale, seed, settings)
        with progress_bars() as progress:
            total = 1 if plan.clip is None else plan.clip.frames
            bar = progress.add_task(f"{profile} ÷{scale}", total=total, fps="")
            done = degrade_file(source, out, plan, settings, lambda frames: progress.update(bar, completed=frames))
        if facts is not None:
            facts.write_text(json.dumps(done, indent=1) + "\n", "utf-8")
        width, height = done["size"]
        typer.echo(f"{done['frames']} frames, {width}×{height}, {profile}, seed {seed}: {out}")
        for note in done["notes"]:
            typer.echo(note, err=True)
        if (damage := done.get("damage")) and (damage["packets"] or damage["frames"]):
            typer.echo(f"source damage: {damage['packets']} packets lost, {damage['frames']} frames corrupt", err=True)
