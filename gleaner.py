"""The command `gleaner`: composes the rooms. Nothing imports it.

Exit codes: 0 done; 1 the work failed; 2 what was given cannot be used. Errors are one line on stderr: what, the value
seen, the remedy. Rooms are imported inside the commands, so that the API process never loads torch.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.job import ClipOptions, Codec, Quality
from pipeline.settings import RedisNotSetError, Settings, redis_url

if TYPE_CHECKING:
    from rich.progress import Progress

app = typer.Typer(
    help="Enhances surveillance video: upload clips, get sharper ones whose timing and colour can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
train_app = typer.Typer(help="Train the weights that ship.", no_args_is_help=True)
app.add_typer(train_app, name="train")

ModelOption = Annotated[str | None, typer.Option("--model", help="Model to use; `gleaner models` lists them.")]
ScaleOption = Annotated[int | None, typer.Option("--scale", help="Enlargement, each way.")]
HeightOption = Annotated[int | None, typer.Option("--target-height", help="Height of the result as shown, pixels.")]
CodecOption = Annotated[Codec, typer.Option("--codec", help="auto: H.264, or HEVC for large or 10-bit video.")]
QualityOption = Annotated[Quality, typer.Option("--quality", help="Of the encoder; ffv1 is lossless anyhow.")]
AudioOption = Annotated[bool, typer.Option("--audio/--no-audio", help="Keep the clip's sound.")]


class _UnusableError(Exception):
    """Something given cannot be used; the message is for people."""


class WorkerKind(StrEnum):
    CLIP = "clip"
    ENHANCE = "enhance"


@app.command()
def serve() -> None:
    """Run the whole service on this machine: API, workers and, unless REDIS_URL is set, a Redis of its own."""
    from pipeline.standalone import run_standalone

    with _clean_errors():
        settings = _settings()
        run_standalone(settings, command=[sys.executable, "-m", "gleaner"])


@app.command()
def api() -> None:
    """Run the HTTP API only; needs REDIS_URL."""
    from pipeline.standalone import check_address
    from service.app import create_app
    from service.server import Server

    with _clean_errors():
        settings = _settings()
        redis = redis_url(settings).get_secret_value()
        check_address(settings.host, settings.port)
        server = Server(create_app(settings, redis), settings.host, settings.port)
        server.run()
        if not server.started:
            raise typer.Exit(1)


@app.command()
def worker(
    kind: Annotated[WorkerKind, typer.Argument(help="clip: decode and encode; enhance: run the network.")],
) -> None:
    """Run one worker process; needs REDIS_URL. SIGTERM drains it."""
    with _clean_errors():
        if kind is WorkerKind.CLIP:
            from workers.clip_process import run_clip_worker

            run_clip_worker(_settings())
        else:
            from workers.enhance_process import run_enhance_worker

            run_enhance_worker(_settings())


@app.command()
def enhance(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The clip.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where the enhanced clip goes (.mp4, or .mkv for ffv1).")],
    model: ModelOption = None,
    scale: ScaleOption = None,
    target_height: HeightOption = None,
    codec: CodecOption = Codec.AUTO,
    quality: QualityOption = Quality.STANDARD,
    audio: AudioOption = True,
    report: Annotated[Path | None, typer.Option("--report", help="Write a report of what was done, as JSON.")] = None,
) -> None:
    """Enhance a clip in this process: no service, no Redis."""
    from pipeline.targets import check_suffix, check_targets
    from workers.local import decide_local, enhance_local

    with _clean_errors():
        settings = Settings()
        check_targets(source, (out, report))
        options = _options(settings, model, scale, target_height, codec, quality, audio)
        plan = decide_local(source, out, options, settings)
        check_suffix(out, plan.output.suffix)
        with _progress() as progress:
            bar = progress.add_task(f"{options.model} ×{plan.scale}", total=plan.clip.frames, fps="", reused="")
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


@app.command()
def submit(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The clip.")],
    url: Annotated[str, typer.Option("--url", help="Of the service.")] = "http://127.0.0.1:8000",
    model: ModelOption = None,
    scale: ScaleOption = None,
    target_height: HeightOption = None,
    codec: CodecOption = Codec.AUTO,
    quality: QualityOption = Quality.STANDARD,
    audio: AudioOption = True,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is done, showing progress.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="With --wait: download the result to this file.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="With --wait: download the report.")] = None,
) -> None:
    """Send a clip to a running service."""
    from pipeline.targets import check_targets
    from service.client import Client, ServiceError

    with _clean_errors(ServiceError), Client(url) as client:
        check_targets(source, (out, report))
        wanted: dict[str, Any] = {"scale": scale, "target_height": target_height, "model": model}
        fields = {name: str(value) for name, value in wanted.items() if value is not None}
        fields |= {"codec": codec.value, "quality": quality.value, "keep_audio": str(audio).lower()}
        job = client.submit(source, fields)
        typer.echo(f"{url.rstrip('/')}/v1/clips/{job['id']}")
        if not (wait or out or report):
            return
        with _progress() as progress:
            bar = progress.add_task(job["state"], total=None, fps="")
            for now in client.follow(job["id"]):
                job, fps = now, f"{now['fps']:.1f} fps" if now["fps"] else ""
                progress.update(
                    bar, description=now["state"], completed=now["frames_done"], total=now["frames_total"], fps=fps
                )
        if job["state"] != "done":
            problem = job.get("problem") or {}
            typer.echo(f"gleaner: the clip is {job['state']}: {problem.get('detail', 'no reason given')}", err=True)
            raise typer.Exit(1)
        if out:
            client.download(job["id"], "result", out)
        if report:
            client.download(job["id"], "report", report)


@app.command()
def probe(file: Annotated[Path, typer.Argument(metavar="FILE", help="The clip.")]) -> None:
    """Say what is in a clip, as JSON."""
    import json

    from media.facts_json import to_json
    from media.probe import probe as probe_file
    from pipeline.limits import probe_limits

    with _clean_errors():
        typer.echo(json.dumps(to_json(probe_file(file, probe_limits(Settings(), max_bytes=None))), indent=1))


@app.command()
def sample(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The degraded clip, .mp4.")],
    clean: Annotated[Path | None, typer.Option("--clean", help="Its ground truth, lossless, .mkv.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Length.")] = 4.0,
    seed: Annotated[int, typer.Option("--seed", help="Of scene and noise.")] = 1,
) -> None:
    """Draw the sample clip: a street scene as a cheap camera would deliver it."""
    from media.sample import write_sample

    with _clean_errors():
        write_sample(out, clean, seconds=seconds, seed=seed)


@app.command()
def models() -> None:
    """List the models and what was measured of them."""
    from rich.console import Console
    from rich.table import Table

    from models.catalog import MODELS

    table = Table("model", "scales", "learned", "what it is", "measured", box=None)
    for facts in MODELS.values():
        scales = ", ".join(f"×{scale}" for scale in facts.scales)
        table.add_row(facts.name, scales, "yes" if facts.learned else "no", facts.title, facts.envelope)
    Console().print(table)


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

    with _clean_errors():
        result = run_until_signal(
            TrainConfig(scale, data, out, minutes=minutes, share_alike=share_alike, threads=threads)
        )
        typer.echo(f"step {result.step}, {'finished' if result.finished else 'stopped'}: {result.weights}")


@app.command()
def openapi() -> None:
    """Print the API's OpenAPI document."""
    from service.openapi import export

    typer.echo(export())


def _settings() -> Settings:
    """The settings of a process of the service, whose log is set up by them."""
    from models.catalog import UnknownModel, facts
    from pipeline.logs import configure

    settings = Settings()
    configure(settings.log_level)
    try:
        facts(settings.default_model)
    except UnknownModel as error:
        raise _UnusableError(f"GLEANER_DEFAULT_MODEL: {error}") from None
    return settings


def _options(
    settings: Settings,
    model: str | None,
    scale: int | None,
    target_height: int | None,
    codec: Codec,
    quality: Quality,
    keep_audio: bool,
) -> ClipOptions:
    return ClipOptions(
        model=model or settings.default_model,
        scale=scale,
        target_height=target_height,
        codec=codec,
        quality=quality,
        keep_audio=keep_audio,
    )


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


@contextmanager
def _clean_errors(*more: type[Exception]) -> Iterator[None]:
    """What the user gave and cannot be used becomes one line on stderr and exit code 2."""
    from pydantic import ValidationError
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import TimeoutError as RedisTimeoutError

    from media.types import MediaError
    from models.catalog import UnknownModel
    from pipeline.embedded import EmbeddedRedisError
    from pipeline.options import OptionError
    from pipeline.standalone import AddressError
    from pipeline.targets import TargetError

    expected: tuple[type[Exception], ...] = (
        MediaError,
        OptionError,
        TargetError,
        AddressError,
        _UnusableError,
        UnknownModel,
        RedisNotSetError,
        EmbeddedRedisError,
    )
    try:
        yield
    except (*expected, *more) as error:
        line = str(error)
    except ValidationError as error:
        # Of settings the variable is named; what it holds is not repeated where it may be a secret.
        prefix = "GLEANER_" if error.title == "Settings" else ""
        names = [".".join(map(str, e["loc"])) for e in error.errors()]
        line = "; ".join(
            f"{(prefix + name).upper() if prefix else name}: {e['msg']}"
            + ("" if "redis_url" in name.lower() else f" (got {e['input']!r:.80})")
            for name, e in zip(names, error.errors(), strict=True)
        )
    except (RedisConnectionError, RedisTimeoutError) as error:
        # Its text may hold an address or a name.
        line = f"Redis does not answer ({type(error).__name__}); see that it runs and that REDIS_URL is right"
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            line = "the disk is full; free space or choose another folder for the result"
        else:
            line = f"{error.strerror or error}{': ' + Path(str(error.filename)).name if error.filename else ''}"
    else:
        return
    typer.echo(f"gleaner: {' '.join(line.split())}", err=True)
    raise typer.Exit(2)


def main() -> None:
    # Before torch is loaded: its threads must sleep, not spin, while they wait for one another, or a machine on which
    # decoding and encoding run beside the network slows down many times over (measured: 60 times on two busy cores).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()


if __name__ == "__main__":
    main()
