"""`gleaner enhance`: a clip enhanced in this process, with no Redis, by the same parts as in the service."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.background import BackgroundWriter
from media.estimate.clip import estimate_clip
from media.estimate.degradation import Degradation
from media.output import decide, output_size
from media.probe import probe
from media.reader import VideoReader
from media.remux import join
from media.types import ClipFacts, OutputSettings
from models.catalog import Catalog
from models.choice import AUTO
from models.devices import resolve
from models.envelope import outside_envelope
from models.registry import load
from pipeline.job import ClipOptions
from pipeline.limits import probe_limits
from pipeline.model_choice import ModelChoice, choose_model
from pipeline.options import check, check_auto
from pipeline.settings import Settings
from workers.ahead import DECODED_AHEAD, Ahead
from workers.digest import sha256_of
from workers.framelog import FrameLog
from workers.layout import cores, lay_out
from workers.plane_local import LocalPlane
from workers.report import Subject, summarise, write_report
from workers.reusing import make_reuse, tile_for
from workers.stretch import FrameRecord, Tally, enhance_stretch
from workers.tiles import make_grid


@dataclass(frozen=True, slots=True)
class LocalPlan:
    """What is going to be done, decided before any work."""

    clip: ClipFacts
    options: ClipOptions
    scale: int
    output: OutputSettings
    estimate: Degradation | None  # how degraded the clip is, where that could be told
    outside_envelope: list[str]  # where that lies beyond what the model was measured on, in words
    choice: ModelChoice | None = None  # of model=auto: what it came to

    @property
    def model(self) -> str:
        return self.options.model if self.choice is None else self.choice.model

    @property
    def detail(self) -> float:
        return self.options.detail if self.choice is None else self.choice.detail


def decide_local(source: Path, out: Path, options: ClipOptions, settings: Settings) -> LocalPlan:
    """Probe the clip, check what was asked for, estimate how degraded the clip is and choose a model if that is asked.

    Raises MediaError, OptionError, UnknownModel; FileNotFoundError where the folder of `out` is not there.
    """
    clip = probe(source, probe_limits(settings, max_bytes=None))
    catalog, auto, height = Catalog(settings.models_dir), options.model == AUTO, clip.display_size[1]
    if auto:
        scale = check_auto(options, catalog.enhancers(), settings.default_model, height)
    else:
        scale = check(options, catalog.enhancer(options.model), height)
    width, height = output_size(clip, scale, options.target_height)
    output = decide(clip, width, height, options.codec.value, options.quality.value)
    if not out.parent.is_dir():
        raise FileNotFoundError(f"the folder of {out.name} does not exist; make it first")
    found = estimate_clip(source, clip)
    choice = None
    if auto:
        choice = choose_model(catalog.enhancers(), scale, found, settings.default_model, options.detail)
    model = catalog.enhancer(choice.model if choice else options.model)
    outside = outside_envelope(model.name, model.limits, found)
    return LocalPlan(clip, options, scale, output, found, outside, choice)


def enhance_local(
    source: Path, out: Path, plan: LocalPlan, settings: Settings, report: Path | None, on_frame: Callable[[Tally], None]
) -> dict[str, Any]:
    """Enhance `source` into `out`; the result appears whole or not at all. Returns the report's summary."""
    catalog = Catalog(settings.models_dir)
    layout = lay_out(cores(), on_cpu=resolve(settings.device).type == "cpu", network=settings.threads)
    enhancer = load(
        plan.model,
        plan.scale,
        settings.device,
        detail=plan.detail,
        threads=layout.network,
        catalog=catalog,
    )
    model = enhancer.facts
    with tempfile.TemporaryDirectory(prefix=".gleaner-", dir=out.parent) as scratch:
        stretch, log_file = Path(scratch) / f"stretch{plan.output.suffix}", Path(scratch) / "frames.jsonl"
        began = time.monotonic()
        with (
            LocalPlane(
                enhancer, settings.batch_tiles, consistency=plan.options.consistency, members=layout.crew
            ) as plane,
            VideoReader(source, plan.clip) as reader,
            FrameLog(log_file) as frame_log,
        ):

            def account(record: FrameRecord, tally: Tally) -> None:
                frame_log.add(record)
                on_frame(tally)

            with (
                Ahead(reader, DECODED_AHEAD) as frames,
                BackgroundWriter(stretch, plan.output, threads=layout.encoder) as writer,
            ):
                tile = tile_for(model, plan.options.reuse)
                grid = make_grid(plan.clip.width, plan.clip.height, tile, model.halo, model.ramp)
                tally = enhance_stretch(
                    frames,
                    plane,
                    grid,
                    plan.scale,
                    writer,
                    settings.window_frames,
                    on_frame=account,
                    keep_going=writer.going,
                    reuse=make_reuse(plan.options.reuse, grid, plan.clip.average_rate, fuse=plan.options.fuse),
                )
            frame_log.finish(tally, reader.damage, time.monotonic() - began)
        joined = join([stretch], source, plan.clip, plan.output, out, keep_audio=plan.options.keep_audio)
        subject = Subject(
            job=None,
            source_name=source.name,
            source_sha256=sha256_of(source),
            source_bytes=source.stat().st_size,
            clip=plan.clip,
            model=model,
            scale=plan.scale,
            output=plan.output,
            requested=plan.options.model_dump(mode="json"),
            estimate=plan.estimate,
            choice=plan.choice,
        )
        summary = summarise(subject, [log_file], joined, sha256_of(out), out.stat().st_size)
        if report is not None:
            write_report(report, summary, [log_file])
    return summary
