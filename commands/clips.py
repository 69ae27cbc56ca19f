"""`gleaner enhance`, `submit`, `probe`, `sample`: work on clips from the command line."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.common import (
    AudioOption,
    CodecOption,
    ConsistencyOption,
    DetailOption,
    FuseOption,
    HeightOption,
    ModelOption,
    QualityOption,
    ReuseOption,
    ScaleOption,
    clean_errors,
    clip_options,
    progress_bars,
)
from pipeline.job import Codec, Quality, Reuse
from pipeline.settings import Settings


def enhance(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The clip.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where the enhanced clip goes (.mp4, or .mkv for ffv1).")],
    model: ModelOption = None,
    scale: ScaleOption = None,
    target_height: HeightOption = None,
    codec: CodecOption = Codec.AUTO,
    quality: QualityOption = Quality.STANDARD,
    audio: AudioOption = True,
    consistency: ConsistencyOption = False,
    detail: DetailOption = 0.0,
    reuse: ReuseOption = Reuse.ON,
    fuse: FuseOption = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write a report of what was done, as JSON.")] = None,
) -> None:
    """Enhance a clip in this process: no service, no Redis."""
    from pipeline.targets import check_suffix, check_targets
    from workers.local import decide_local, enhance_local

    with clean_errors():
        settings = Settings()
        check_targets(source, (out, report))
        options = clip_options(
            settings, model, scale, target_height, codec, quality, audio, consistency, detail, reuse, fuse
        )
        plan = decide_local(source, out, options, settings)
        check_suffix(out, plan.output.suffix)
        if plan.choice is not None:
            typer.echo(f"auto: {plan.choice.reason}", err=True)
        if plan.outside_envelope:
            typer.echo(f"outside of what the model was measured on: {'; '.join(plan.outside_envelope)}", err=True)
        with progress_bars() as progress:
            bar = progress.add_task(f"{plan.model} ×{plan.scale}", total=plan.clip.frames, fps="", reused="")
            began = time.monotonic()

            def on_frame(tally: Any) -> None:
                fps = tally.frames / max(1e-6, time.monotonic() - began)
                progress.update(bar, completed=tally.frames, fps=f"{fps:.1f} fps")

            summary = enhance_local(source, out, plan, settings, report, on_frame)
        frames, damage = summary["frames"], summary["damage"]
        typer.echo(f"{frames['written']} frames, {plan.output.width}×{plan.output.height} {plan.output.codec}: {out}")
        if frames["resized_only"]:
            typer.echo(f"{frames['resized_only']} frames could not be enhanced and were only resized", err=True)
        if damage["packets"] or damage["frames"]:
            typer.echo(f"source damage: {damage['packets']} packets lost, {damage['frames']} frames corrupt", err=True)
        for dropped in summary["streams"]["dropped"]:
            typer.echo(f"not kept: {dropped}", err=True)


def submit(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The clip.")],
    url: Annotated[str, typer.Option("--url", help="Of the service.")] = "http://127.0.0.1:8000",
    model: ModelOption = None,
    scale: ScaleOption = None,
    target_height: HeightOption = None,
    codec: CodecOption = Codec.AUTO,
    quality: QualityOption = Quality.STANDARD,
    audio: AudioOption = True,
    consistency: ConsistencyOption = False,
    detail: DetailOption = 0.0,
    reuse: ReuseOption = Reuse.ON,
    fuse: FuseOption = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is done, showing progress.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="With --wait: download the result to this file.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="With --wait: download the report.")] = None,
) -> None:
    """Send a clip to a running service."""
    from pipeline.targets import check_targets
    from service.client import Client, ServiceError

    with clean_errors(ServiceError), Client(url) as client:
        check_targets(source, (out, report))
        wanted: dict[str, Any] = {"scale": scale, "target_height": target_height, "model": model}
        fields = {name: str(value) for name, value in wanted.items() if value is not None}
        fields |= {"codec": codec.value, "quality": quality.value, "keep_audio": str(audio).lower()}
        fields |= {"consistency": str(consistency).lower(), "detail": str(detail)}
        fields |= {"reuse": reuse.value, "fuse": str(fuse).lower()}
        job = client.submit(source, fields)
        typer.echo(f"{url.rstrip('/')}/v1/clips/{job['id']}")
        if not (wait or out or report):
            return
        with progress_bars() as progress:
            bar = progress.add_task(job["state"], total=None, fps="")
            for now in client.follow(job["id"]):
                job, fps = now, f"{now['fps']:.1f} fps" if now["fps"] else ""
                progress.update(
                    bar, description=now["state"], completed=now["frames_done"], total=now["frames_total"], fps=fps
                )
        if choice := job.get("choice"):
            typer.echo(f"auto: {choice['reason']}", err=True)
        if job["state"] != "done":
            problem = job.get("problem") or {}
            typer.echo(f"gleaner: the clip is {job['state']}: {problem.get('detail', 'no reason given')}", err=True)
            raise typer.Exit(1)
        if out:
            client.download(job["id"], "result", out)
        if report:
            client.download(job["id"], "report", report)


def probe(file: Annotated[Path, typer.Argument(metavar="FILE", help="The clip.")]) -> None:
    """Say what is in a clip, as JSON."""
    import json

    from media.facts_json import to_json
    from media.probe import probe as probe_file
    from pipeline.limits import probe_limits

    with clean_errors():
        typer.echo(json.dumps(to_json(probe_file(file, probe_limits(Settings(), max_bytes=None))), indent=1))


def sample(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The degraded clip, .mp4.")],
    clean: Annotated[Path | None, typer.Option("--clean", help="Its ground truth, lossless, .mkv.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Length.")] = 4.0,
    seed: Annotated[int, typer.Option("--seed", help="Of scene and noise.")] = 1,
) -> None:
    """Draw the sample clip: a street scene as a cheap camera would deliver it."""
    from media.sample import write_sample

    with clean_errors():
        write_sample(out, clean, seconds=seconds, seed=seed)
