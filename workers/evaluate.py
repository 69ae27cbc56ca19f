"""`gleaner evaluate`: models against truths, in this process, through the tiles and the canvas that clips go through.

Knows no Redis. Seams between tiles therefore count, and so does the fallback of frames that a network fails on.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from media.resize import resize
from models.catalog import Catalog
from models.degradation.profiles import degrade, degrade_frames, find
from models.enhancer import Enhancer
from models.evaluation import bicubic, detections, fidelity
from models.evaluation.flicker import Flicker, Motion, flicker, motion
from models.evaluation.perceptual import piq_version
from models.evaluation.results import BICUBIC, SOURCE, TRUTH, Degradation, Evaluation, Measured
from models.evaluation.sheet import Sheet
from models.evaluation.sources import EDGE, Source, read, sources
from models.registry import load
from pipeline.version import VERSION
from workers.canvas import Canvas
from workers.tiles import make_grid

Bytes = NDArray[np.uint8]

LANCZOS = "lanczos"
FRAMES = 12  # consecutive ones of a clip, for flicker
SCORED = 3  # of them, for the other measures
SEED = 40_000  # of source 0; source i takes SEED + i


class PlanError(ValueError):
    """An evaluation cannot be done as it was asked for; the message says what to change."""


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    models: tuple[str, ...]  # names, or NAME@DETAIL for a model between its two trainings
    data: Path
    profiles: tuple[str, ...]
    scale: int = 4
    every: int = 1
    frames: int = FRAMES
    seed: int = SEED
    detect: bool = True  # people, faces and plates too, where OpenCV can
    device: str = "auto"
    threads: int | None = None
    edge: int = EDGE  # pixels of a truth at most, each way


def evaluate(
    plan: EvaluationPlan, catalog: Catalog, on_source: Callable[[int, int], None], sheet: Sheet | None = None
) -> Evaluation:
    """Every model and Lanczos on every source under every profile, and bicubic as what they are compared with.

    on_source: told how many sources are done, and of how many. Raises PlanError, UnknownModel, ScaleError, DetailError,
    UnknownProfile, UnfitError, DataError, ExtraMissing.
    """
    if min(plan.frames, plan.scale) < 1 or plan.seed < 0:
        raise PlanError(f"frames {plan.frames}, scale {plan.scale}, seed {plan.seed}: use 1 or more, seeds from 0")
    for profile in plan.profiles:
        find(profile)
    version = piq_version()
    found = sources(plan.data, plan.every)
    names = tuple(dict.fromkeys((*((LANCZOS,) if _lanczos_fits(catalog, plan.scale) else ()), *plan.models)))
    enhancers = {name: open_model(name, plan, catalog) for name in names}
    result = Evaluation(plan.scale, names, plan.profiles, plan.seed, _about(plan, enhancers, found, version))
    seekers = detections.detectors() if plan.detect else {}
    on_source(0, len(found))
    for done, source in enumerate(found, start=1):
        truth = read(source, plan.scale, plan.frames, plan.edge)
        for profile in plan.profiles:
            _measure(source, truth, profile, plan, enhancers, seekers, result, sheet)
        on_source(done, len(found))
    return result


def open_model(name: str, plan: EvaluationPlan, catalog: Catalog) -> Enhancer:
    """The model, or the one between its trainings that NAME@DETAIL means."""
    model, _, detail = name.partition("@")
    try:
        value = float(detail or 0)
    except ValueError:
        raise PlanError(f"{name}: after the @ comes the detail, a number from 0 to 1, not {detail!r}") from None
    return load(model, plan.scale, plan.device, detail=value, threads=plan.threads, catalog=catalog)


def scored(count: int) -> list[int]:
    """Which of so many frames are scored: SCORED spread over them, or all."""
    return sorted({int((i + 0.5) * count / SCORED) for i in range(SCORED)})


def enlarge(low: Bytes, enhancer: Enhancer) -> tuple[Bytes, bool]:
    """(h, w, 3) -> (s·h, s·w, 3) uint8 through tiles and canvas, and whether the network failed and it was resized."""
    height, width, _ = low.shape
    facts, scale = enhancer.facts, enhancer.scale
    grid = make_grid(width, height, facts.tile, facts.halo, facts.ramp)
    indices = np.arange(grid.count)
    enhanced = enhancer.enhance(grid.cut(low, indices))
    if not enhanced.ok:
        return np.asarray(resize(low, width * scale, height * scale), np.uint8), True
    canvas = Canvas(grid, scale, np.uint8)
    canvas.update(indices, enhanced.pixels)
    return np.asarray(canvas.image, np.uint8), False


def _measure(
    source: Source,
    truth: Sequence[Bytes],
    profile: str,
    plan: EvaluationPlan,
    enhancers: dict[str, Enhancer],
    seekers: dict[str, detections.Detector],
    result: Evaluation,
    sheet: Sheet | None,
) -> None:
    seed = plan.seed + source.number
    if source.kind == "still":
        worse = degrade(truth[0], profile, plan.scale, seed)
        low, targets = [worse.low], [worse.target]
    else:
        worse = degrade_frames(truth, profile, plan.scale, seed)
        low, targets = list(worse.low), list(worse.target)
    height, width, _ = targets[0].shape
    name = source.path.name
    result.degradations.append(Degradation(name, profile, seed, (width, height), len(low), worse.parameters))
    moves = motion(targets) if len(targets) > 1 else None
    taken = scored(len(low))
    middle = taken[len(taken) // 2]
    wanted = {what: seek(targets[middle]) for what, seek in seekers.items()}
    shown: list[tuple[str, Bytes]] = []

    def detected(frame: Bytes) -> dict[str, detections.Counts]:
        return {what: detections.match(seek(frame), wanted[what]) for what, seek in seekers.items()}

    def add(method: str, frames: Sequence[Bytes], failed: int) -> None:
        scored = fidelity.mean([fidelity.measure(frames[i], targets[i], plan.scale) for i in taken])
        result.measured.append(
            Measured(
                name,
                source.scene,
                source.kind,
                profile,
                method,
                scored,
                _flicker(frames, moves),
                failed,
                detected(frames[middle]),
            )
        )
        shown.append((method, frames[taken[0]]))

    add(BICUBIC, [bicubic.enlarge(frame, plan.scale) for frame in low], 0)
    for method, enhancer in enhancers.items():
        outputs = [enlarge(frame, enhancer) for frame in low]
        add(method, [frame for frame, _ in outputs], sum(failed for _, failed in outputs))
    if seekers:
        blocks = cv2.resize(low[middle], (width, height), interpolation=cv2.INTER_NEAREST)
        found = detected(np.asarray(blocks, dtype=np.uint8))
        result.measured.append(Measured(name, source.scene, source.kind, profile, SOURCE, None, None, detections=found))
    if moves is not None:
        still = _flicker(targets, moves)
        result.measured.append(Measured(name, source.scene, source.kind, profile, TRUTH, None, still))
    if sheet is not None:
        sheet.add(source.scene, profile, low[taken[0]], [*shown, (TRUTH, targets[taken[0]])])


def _flicker(frames: Sequence[Bytes], moves: Motion | None) -> Flicker | None:
    return None if moves is None else flicker(frames, moves)


def _lanczos_fits(catalog: Catalog, scale: int) -> bool:
    return scale in catalog.enhancer(LANCZOS).scales


def about_sources(
    data: Path, every: int, frames: int, scale: int, found: Sequence[Source], edge: int = EDGE
) -> dict[str, Any]:
    """What was measured on, as JSON values."""
    return {
        "data": data.name,
        "split": "dev" if (data / "manifest.json").is_file() else "every file",
        "every": every,
        "stills": sum(source.kind == "still" for source in found),
        "clips": sum(source.kind == "clip" for source in found),
        "scenes": len({source.scene for source in found}),
        "edge": edge,
        "frames_of_a_clip": frames,
        "scored": min(SCORED, frames),
        "border_left_out": scale,
    }


def _about(plan: EvaluationPlan, enhancers: dict[str, Enhancer], found: Sequence[Source], piq: str) -> dict[str, Any]:
    return about_sources(plan.data, plan.every, plan.frames, plan.scale, found, plan.edge) | {
        "detect": plan.detect,
        "baselines": "bicubic: MATLAB's, a = -0.5; lanczos: Lanczos-3",
        "models": {
            name: {"sha256": e.facts.sha256, "device": str(e.device), "dtype": str(e.dtype).removeprefix("torch.")}
            for name, e in enhancers.items()
        },
        "profiles": {name: find(name).about for name in plan.profiles},
        "versions": {
            "gleaner": VERSION,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "piq": piq,
        },
    }
