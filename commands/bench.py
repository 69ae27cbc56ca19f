"""`gleaner bench`: what this machine can do, and how much of it is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import clean_errors
from pipeline.settings import Settings

if TYPE_CHECKING:
    from workers.roofline import Reach, Walk

WIDTH = 120  # columns a table takes, whatever the terminal's

bench_app = typer.Typer(help="Measure this machine and how near its peak the models come.", no_args_is_help=True)


@bench_app.callback()
def bench() -> None:
    """Measure this machine and how near its peak the models come."""


@bench_app.command("roofline")
def roofline(
    models: Annotated[
        list[str] | None, typer.Option("--models", help="Models to measure; may be given again. All, if none is.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of the network.")] = 1,
    size: Annotated[str, typer.Option("--size", help="Of the clip that is made and enhanced, WxH, even.")] = "320x180",
    frames: Annotated[int, typer.Option("--frames", min=1, help="Of that clip.")] = 6,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")] = None,
) -> None:
    """Measure the machine's peak, each model's share of it, and where the time of a clip goes."""
    import json
    import tempfile

    import torch
    from rich.console import Console
    from rich.progress import track

    from models.catalog import Catalog
    from models.devices import resolve
    from models.peak import Clock, MatrixPeak, memory_bandwidth, why_not
    from models.registry import load
    from pipeline.limits import probe_limits
    from workers.roofline import enhancers, make_clip, reach, walk

    with clean_errors(ValueError), tempfile.TemporaryDirectory() as folder:
        settings = Settings()
        catalog, device = Catalog(settings.models_dir), resolve(settings.device)
        pairs = enhancers(catalog, models)
        clip = make_clip(Path(folder), _even(size), frames)
        limits = probe_limits(settings, max_bytes=None)
        torch.set_num_threads(threads)
        absent = {dtype: why_not(dtype, device) for dtype in (torch.float32, torch.bfloat16)}
        peaks = {dtype: MatrixPeak(dtype, device) for dtype, reason in absent.items() if reason is None}
        bandwidth = memory_bandwidth(device)
        reaches: list[Reach] = []
        walks: list[Walk] = []
        for facts, scale in track(pairs, "measuring", console=Console(stderr=True), transient=True):
            enhancer = load(facts.name, scale, settings.device, threads=threads, catalog=catalog)
            reaches.append(reach(enhancer, catalog, peaks))
            walks.append(walk(enhancer, clip, limits))
        best = {dtype: max(peak.once() for _ in range(5)) for dtype, peak in peaks.items()}
        figures = {
            "device": str(device),
            "threads": threads,
            "clock": Clock(device).name,
            "torch": torch.__version__,
            "peak_flops": {_name(dtype): best.get(dtype) for dtype in absent},
            "no_peak": {_name(dtype): reason for dtype, reason in absent.items() if reason},
            "memory_bytes_per_s": bandwidth,
            "clip": {"size": size, "frames": frames},
            "networks": [_reach_json(each) for each in reaches],
            "stages": [_walk_json(each) for each in walks],
        }
        _print(figures)
        if as_json:
            as_json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _even(size: str) -> str:
    """Raises ValueError where it is not WxH, both even and positive."""
    sides = size.split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 and int(side) % 2 == 0 for side in sides):
        raise ValueError(f"--size is {size!r}: wanted WxH in pixels, both even, such as 320x180")
    return size


def _name(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")


def _reach_json(reach: Reach) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(reach)


def _walk_json(walk: Walk) -> dict[str, Any]:
    shares = {stage: seconds / walk.total for stage, seconds in walk.seconds.items()}
    frames_per_s = walk.frames / walk.total
    return {"model": walk.model, "scale": walk.scale, "frames_per_s": frames_per_s, "shares": shares}


def _print(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    out = Console(width=max(WIDTH, Console().width))
    out.print(f"{figures['device']}, {figures['threads']} thread(s), torch {figures['torch']}; {figures['clock']}")
    for dtype, flops in figures["peak_flops"].items():
        said = f"{flops / 1e9:.1f} GFLOP/s" if flops else f"no kernels: {figures['no_peak'][dtype]}"
        out.print(f"matrix peak, {dtype}: {said}")
    out.print(f"memory: {figures['memory_bytes_per_s'] / 1e9:.1f} GB/s, read and written\n")
    table = Table("network", "scale", "runs as", "type", "GMACs a tile", "ms a tile", "of peak", "as written", box=None)
    for each in figures["networks"]:
        shares = ["–" if each[kind] is None else f"{each[kind]:.0%}" for kind in ("share", "written")]
        amount = f"{each['gmacs']:.2f}" if each["gmacs"] else "–"
        table.add_row(
            each["model"], f"×{each['scale']}", each["form"], each["dtype"], amount, f"{each['ms']:.1f}", *shares
        )
    out.print(table)
    stages = list(figures["stages"][0]["shares"]) if figures["stages"] else []
    clip = figures["clip"]
    out.print(f"\nshare of the time of a clip, {clip['size']}, {clip['frames']} frames, all of it moving:")
    table = Table("model", "scale", *stages, "fps", box=None)
    for each in figures["stages"]:
        shares = [f"{each['shares'][stage]:.1%}" for stage in stages]
        table.add_row(each["model"], f"×{each['scale']}", *shares, f"{each['frames_per_s']:.2f}")
    out.print(table)
