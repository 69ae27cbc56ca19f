"""Speed and cost in one command: `python -m benchmarks.table` (small, 2-3 minutes), `--full` for the real figures.

Writes table.md, table.json and plots to `--out`. Every row is a ratio to a baseline that ran just before and just after
it in the same process: machines are noisy, ratios much less so. The baseline of speed is Real-ESRGAN's published way of
working with the same network (`benchmarks/frame_by_frame.py`); that of cost is the first row of its table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.chart import draw
from benchmarks.frame_by_frame import baseline
from media.moving import write_moving
from models.catalog import Catalog
from pipeline.job import ClipOptions
from pipeline.settings import Settings
from workers.layout import cores
from workers.local import decide_local, enhance_local


@dataclass(frozen=True, slots=True)
class Extent:
    """What is measured."""

    models: tuple[tuple[str, int], ...]
    sizes: tuple[str, ...]
    motions: tuple[float, ...]  # shares of the picture that move
    frames: int
    lengths: tuple[int, ...]  # frames
    cameras: tuple[int, ...]  # clips at once, through the service
    workers: tuple[int, ...]


QUICK = Extent((("espcn-x2", 2),), ("320x180", "640x360"), (1.0, 0.1), 8, (8, 24), (1, 2), (1, 2))
FULL = Extent(
    (("lanczos", 2), ("espcn-x2", 2), ("espcn-x4", 4)),
    ("320x180", "640x360", "1280x720"),
    (1.0, 0.25, 0.05),
    48,
    (24, 48, 96, 192),
    (1, 2, 4, 8),
    (1, 2),
)


@dataclass(frozen=True, slots=True)
class Speed:
    model: str
    size: str
    motion: float
    baseline_fps: float
    off: float  # fps of `--reuse off` over the baseline's
    on: float  # fps with reuse over the baseline's
    reused: float  # share of tiles


@dataclass(frozen=True, slots=True)
class Cost:
    what: str
    value: str
    ratio: float  # seconds a frame over those of the first row of this `what`


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="sizes and lengths of real use; an hour on two cores")
    parser.add_argument("--models", nargs="*", metavar="NAME", help="instead of the ones that ship; largest scale each")
    parser.add_argument("--frames", type=int, help="of the clips of the first table; all tiles of the first count")
    parser.add_argument("--no-service", action="store_true", help="leave out cameras and workers")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    arguments = parser.parse_args()
    extent, settings = FULL if arguments.full else QUICK, Settings()
    if arguments.frames:
        extent = replace(extent, frames=arguments.frames)
    catalog = Catalog(settings.models_dir)
    models = extent.models
    if arguments.models:
        models = tuple((name, max(catalog.enhancer(name).scales)) for name in arguments.models)
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        speeds = list(_speeds(extent, models, settings, catalog, Path(folder)))
        costs = [*_lengths(extent, models[0], settings, Path(folder))]
        if not arguments.no_service:
            costs += _through_the_service(extent, models[0], Path(folder))
    arguments.out.mkdir(parents=True, exist_ok=True)
    page = _page(speeds, costs, full=arguments.full)
    (arguments.out / "table.md").write_text(page, encoding="utf-8")
    figures = {"speed": [asdict(row) for row in speeds], "cost": [asdict(row) for row in costs]}
    (arguments.out / "table.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    _plots(arguments.out, speeds, costs)
    print(page)


def _speeds(
    extent: Extent, models: Sequence[tuple[str, int]], settings: Settings, catalog: Catalog, folder: Path
) -> Iterator[Speed]:
    for name, scale in models:
        for size in extent.sizes:
            for motion in extent.motions:
                clip = _clip(folder, size, extent.frames, motion)
                before = _baseline(name, scale, clip, catalog, folder)
                off, _ = _enhance(name, scale, clip, settings, reuse="off")
                middle = _baseline(name, scale, clip, catalog, folder)
                on, reused = _enhance(name, scale, clip, settings, reuse="on")
                after = _baseline(name, scale, clip, catalog, folder)
                off_to, on_to = off * (1 / before + 1 / middle) / 2, on * (1 / middle + 1 / after) / 2
                yield Speed(name, size, motion, sorted((before, middle, after))[1], off_to, on_to, reused)


def _baseline(name: str, scale: int, clip: Path, catalog: Catalog, folder: Path) -> float:
    """Frames per second, loading the model included, as it is in `gleaner enhance`."""
    torch.set_num_threads(cores())  # torch's own choice; Gleaner's crew leaves one
    began = time.perf_counter()
    frames = baseline(name, scale, catalog).run(clip, folder / "baseline.mp4")
    return frames / (time.perf_counter() - began)


def _lengths(extent: Extent, model: tuple[str, int], settings: Settings, folder: Path) -> Iterator[Cost]:
    """Seconds a frame against the clip's length: flat where nothing is piled up."""
    for frames in extent.lengths:
        clip = _clip(folder, extent.sizes[0], frames, 1.0)
        first_clip = _clip(folder, extent.sizes[0], extent.lengths[0], 1.0)
        first, _ = _enhance(*model, first_clip, settings, reuse="off")
        fps, _ = _enhance(*model, clip, settings, reuse="off")
        yield Cost("length, frames", str(frames), first / fps)


def _through_the_service(extent: Extent, model: tuple[str, int], folder: Path) -> list[Cost]:
    """Seconds a frame of several clips at once, for one and more enhance workers; one clip and one worker is 1."""
    from service.client import Client
    from tests.system.conftest import Service

    clip = _clip(folder, extent.sizes[0], extent.frames, 1.0)
    seconds: dict[tuple[int, int], float] = {}
    for workers in extent.workers:
        place = folder / f"service-{workers}"
        place.mkdir()
        most = max(extent.cameras)
        service = Service(
            place, enhance_workers=str(workers), clip_workers=str(most), default_model=model[0], lease_s="30"
        )
        try:
            with Client(service.url) as client:
                client.wait_until_ready(120)
                for count in (1, *extent.cameras):  # once to warm up
                    began = time.perf_counter()
                    jobs = [client.submit(clip, {"model": model[0], "scale": str(model[1])}) for _ in range(count)]
                    for job in jobs:
                        *_, last = client.follow(job["id"])
                        if last["state"] != "done":
                            raise SystemExit(f"a clip is {last['state']}: {last['problem']}")
                    seconds[workers, count] = (time.perf_counter() - began) / (count * extent.frames)
        finally:
            service.stop()
    one = seconds[extent.workers[0], extent.cameras[0]]
    return [
        Cost(f"clips at once, {workers} enhance worker{'s' if workers > 1 else ''}", str(count), each / one)
        for (workers, count), each in seconds.items()
    ]


def _enhance(name: str, scale: int, clip: Path, settings: Settings, *, reuse: str) -> tuple[float, float]:
    """(frames per second, share of tiles reused) of `gleaner enhance`."""
    out = clip.with_name("enhanced.mp4")
    options = ClipOptions.model_validate({"model": name, "scale": scale, "reuse": reuse})
    plan = decide_local(clip, out, options, settings)
    began = time.perf_counter()
    summary: dict[str, Any] = enhance_local(clip, out, plan, settings, None, on_frame=lambda _: None)
    fps = summary["frames"]["written"] / (time.perf_counter() - began)
    return fps, float(summary["reuse_share"])


def _clip(folder: Path, size: str, frames: int, motion: float) -> Path:
    path = folder / f"{size}-{frames}-{motion:g}.mp4"
    if not path.exists():
        width, height = (int(side) for side in size.split("x"))
        write_moving(path, width, height, frames, motion)
    return path


def _page(speeds: Sequence[Speed], costs: Sequence[Cost], *, full: bool) -> str:
    lines = [
        f"`python -m benchmarks.table{' --full' if full else ''}`. Baseline: Real-ESRGAN's published way of working",
        "(decode, the same network in float32 frame by frame, encode), run before and after each figure.",
        "",
        "| model | source | moving | baseline, fps | reuse off ÷ baseline | reuse on ÷ baseline | tiles reused |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {s.model} | {s.size} | {s.motion:.0%} | {s.baseline_fps:.2f} | {s.off:.2f} | {s.on:.2f} | {s.reused:.0%} |"
        for s in speeds
    ]
    lines += ["", "| cost against | | seconds a frame ÷ first row |", "|---|---|---|"]
    lines += [f"| {cost.what} | {cost.value} | {cost.ratio:.2f} |" for cost in costs]
    return "\n".join(lines) + "\n"


def _plots(out: Path, speeds: Sequence[Speed], costs: Sequence[Cost]) -> None:
    sizes = list(dict.fromkeys(s.size for s in speeds))
    motions = list(dict.fromkeys(s.motion for s in speeds))
    by_size: dict[str, list[float]] = {}
    by_motion: dict[str, list[float]] = {}
    for s in speeds:
        by_size.setdefault(f"{s.model}, {s.motion:.0%} moving", []).append(s.on)
        by_motion.setdefault(f"{s.model}, {s.size}", []).append(s.on)
    draw(out / "resolution.png", "fps over the baseline's, against resolution", "source", sizes, by_size)
    names = [f"{motion:.0%}" for motion in motions]
    draw(out / "motion.png", "fps over the baseline's, against motion", "share that moves", names, by_motion)
    kinds: dict[str, list[Cost]] = {}
    for cost in costs:
        kinds.setdefault("length" if cost.what.startswith("length") else "cameras", []).append(cost)
    for kind, rows in kinds.items():
        lines: dict[str, list[float]] = {}
        for row in rows:
            lines.setdefault(row.what, []).append(row.ratio)
        values = list(dict.fromkeys(row.value for row in rows))
        draw(out / f"{kind}.png", "seconds a frame over the first row's", rows[0].what.split(",")[0], values, lines)


if __name__ == "__main__":
    main()
