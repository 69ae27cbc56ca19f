"""`gleaner train`: make the weights that ship."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from commands.common import UnusableError, clean_errors

train_app = typer.Typer(help="Train the weights that ship.", no_args_is_help=True)

DataOption = Annotated[Path, typer.Option("--data", help="Media folder with a manifest.json.")]
OutOption = Annotated[
    Path, typer.Option("--out", help="Checkpoint, log, sheets and weights; a run in it is gone on with.")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file of the run's settings.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Fail unless OUT holds a run to go on with.")]
MinutesOption = Annotated[float | None, typer.Option("--minutes", help="Stop after so long; run again to go on.")]
ShareAlikeOption = Annotated[
    bool | None, typer.Option("--share-alike/--no-share-alike", help="Use CC BY-SA pictures (the default).")
]
ThreadsOption = Annotated[int | None, typer.Option("--threads", help="Of torch.")]
MemoryOption = Annotated[
    float | None, typer.Option("--memory", min=0.5, help="Gigabytes the run may take; beyond that it ends.")
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.")]


@train_app.command("espcn")
def train_espcn(
    data: DataOption,
    out: OutOption,
    scale: Annotated[int | None, typer.Option("--scale", help="2 or 4; or stated in FILE.")] = None,
    config: ConfigOption = None,
    resume: ResumeOption = False,
    minutes: MinutesOption = None,
    share_alike: ShareAlikeOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
) -> None:
    """Train ESPCN on degraded pictures, or (domain = "y" in FILE) as published. SIGTERM stops it cleanly.

    The same command goes on.
    """
    from models.training import espcn_y
    from models.training.checkpoint import CheckpointError, require
    from models.training.data import DataError
    from models.training.espcn import TrainConfig, run_until_signal
    from models.training.memory import MemoryBoundError, memory_bound
    from models.training.settings import SettingsError, configure, read
    from models.training.stopping import stop_signals

    with clean_errors(SettingsError, DataError, CheckpointError, MemoryBoundError), memory_bound(memory):
        _log()
        if resume:
            require(out)
        options = {"data": data, "out": out, "scale": scale, "minutes": minutes, "share_alike": share_alike}
        options |= {"threads": threads}
        if read(config).get("domain") == espcn_y.DOMAIN:
            with stop_signals() as stopped:
                found = espcn_y.train(configure(espcn_y.LumaTraining, config, options), stopped)
            state = "finished" if found.finished else "stopped"
            typer.echo(f"step {found.step}, {state}, kept {found.best:.2f} dB on luma: {out}")
        else:
            result = run_until_signal(configure(TrainConfig, config, options))
            typer.echo(f"step {result.step}, {'finished' if result.finished else 'stopped'}: {result.weights}")


@train_app.command("bank")
def train_bank(
    data: DataOption,
    out: OutOption,
    config: ConfigOption = None,
    resume: ResumeOption = False,
    minutes: MinutesOption = None,
    share_alike: ShareAlikeOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    device: DeviceOption = None,
) -> None:
    """Train the texture bank, a StyleGAN2 generator. SIGTERM stops it cleanly; the same command goes on."""
    from models.devices import DeviceError
    from models.training.bank import BankConfig, train
    from models.training.checkpoint import CheckpointError, require
    from models.training.data import DataError
    from models.training.memory import MemoryBoundError, memory_bound
    from models.training.settings import SettingsError, configure
    from models.training.stopping import stop_signals

    expected = (SettingsError, DataError, CheckpointError, DeviceError, MemoryBoundError)
    with clean_errors(*expected), memory_bound(memory), stop_signals() as stopped:
        _log()
        if resume:
            require(out)
        options = {"minutes": minutes, "share_alike": share_alike, "threads": threads, "device": device}
        result = train(configure(BankConfig, config, {"data": data, "out": out, **options}), stopped)
        state = "finished" if result.finished else "stopped"
        typer.echo(f"{result.pictures} pictures seen, {result.size} pixels, {state}: {out}")


@train_app.command("glean")
def train_glean(
    data: DataOption,
    out: OutOption,
    config: ConfigOption = None,
    bank: Annotated[Path | None, typer.Option("--bank", help="Weights of the bank; may join a run later.")] = None,
    start: Annotated[Path | None, typer.Option("--start", help="Vivid: weights of the faithful run.")] = None,
    judge: Annotated[
        Path | None, typer.Option("--judge", help="Vivid: checkpoint.pt of the bank's run, for its discriminator.")
    ] = None,
    resume: ResumeOption = False,
    minutes: MinutesOption = None,
    share_alike: ShareAlikeOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    device: DeviceOption = None,
) -> None:
    """Train GLEAN around a frozen bank, faithfully or (goal = "vivid" in FILE) to look real.

    SIGTERM stops it cleanly; the same command goes on.
    """
    from models.devices import DeviceError
    from models.training.checkpoint import CheckpointError, require
    from models.training.data import DataError
    from models.training.glean import GleanTraining, TrainingError
    from models.training.glean import train as train_faithful
    from models.training.memory import MemoryBoundError, memory_bound
    from models.training.settings import SettingsError, configure, read
    from models.training.stopping import stop_signals
    from models.training.vivid import VividTraining
    from models.training.vivid import train as train_vivid
    from models.weights_io import WeightsError

    expected = (SettingsError, TrainingError, DataError, CheckpointError, WeightsError, DeviceError, MemoryBoundError)
    with clean_errors(*expected), memory_bound(memory), stop_signals() as stopped:
        _log()
        if resume:
            require(out)
        options = {"minutes": minutes, "share_alike": share_alike, "threads": threads, "device": device, "bank": bank}
        options |= {"data": data, "out": out}
        if read(config).get("goal") == "vivid":
            options |= {"start": start, "judge": judge}
            result = train_vivid(configure(VividTraining, config, options), stopped)
        elif start or judge:
            raise UnusableError('--start and --judge are for vivid runs: put goal = "vivid" into the file of --config')
        else:
            result = train_faithful(configure(GleanTraining, config, options), stopped)
        state = "finished" if result.finished else "stopped"
        typer.echo(f"step {result.step}, {state}, kept {result.best:+.2f} dB over bicubic: {out}")


@train_app.command("parcel")
def train_parcel(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Folder of the parcel; pictures of an older one are replaced.")],
    megabytes: Annotated[float, typer.Option("--megabytes", help="At most so large.")] = 55.0,
    share_alike: Annotated[bool, typer.Option("--share-alike/--no-share-alike", help="Take CC BY-SA pictures.")] = True,
) -> None:
    """Make a media folder small enough to take along to a machine with a GPU."""
    from models.training.data import DataError
    from models.training.parcel import make_parcel

    with clean_errors(DataError):
        _log()
        factor = make_parcel(data, out, megabytes, share_alike=share_alike)
        typer.echo(f"{out}: training pictures at {factor:.2f} of their size")


@train_app.command("halve")
def halve(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights of a run.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, .safetensors.")],
) -> None:
    """Write weights as float16, as they ship: half the bytes. They are computed with in float32 all the same."""
    from models.training.export import halve as write_halves
    from models.weights_io import WeightsError

    with clean_errors(WeightsError):
        sha256 = write_halves(file, out)
        typer.echo(f"{out}: {out.stat().st_size} bytes, SHA-256 {sha256}")


def _log() -> None:
    """Progress on stderr, a line an event."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
