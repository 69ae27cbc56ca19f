"""Models under degradations they were not made for, measured in this process: fills `models.evaluation.matrix`.

Each source is made worse, enlarged and scored as `gleaner evaluate` does it, with the same seeds, by PSNR alone; and it
is noted what the estimate of a clip's degradation reads of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from media.estimate.clip import RUN
from media.estimate.degradation import Degradation
from media.estimate.frames import estimate_frames
from models.catalog import Catalog
from models.degradation.chain import Chain, moved
from models.degradation.profiles import degrade, draw, find
from models.enhancer import Enhancer
from models.evaluation import bicubic
from models.evaluation.fidelity import MOST_DB
from models.evaluation.matrix import Matrix, Score, Seen
from models.evaluation.results import BICUBIC
from models.evaluation.sources import Source, read, sources
from models.metrics import psnr
from pipeline.version import VERSION
from workers.evaluate import LANCZOS, SEED, EvaluationPlan, PlanError, about_sources, enlarge, open_model, scored

Bytes = NDArray[np.uint8]

QP_OVER_CRF = 3.7  # mean QP of x264 set as in the profiles, beyond its CRF: `python -m benchmarks.envelope`


@dataclass(frozen=True, slots=True)
class MismatchPlan:
    models: tuple[str, ...]
    data: Path
    profiles: tuple[str, ...]
    scale: int = 4
    every: int = 1
    frames: int = 12
    seed: int = SEED
    device: str = "auto"
    threads: int | None = None


def measure(plan: MismatchPlan, catalog: Catalog, on_source: Callable[[int, int], None]) -> Matrix:
    """Every model, and Lanczos where it has the scale, on every source under every profile.

    on_source: told how many sources are done, and of how many. Raises PlanError, UnknownModel, ScaleError,
    UnknownProfile, DataError.
    """
    if min(plan.frames, plan.scale) < 1 or plan.seed < 0 or any("@" in name for name in plan.models):
        raise PlanError("frames and scale are 1 or more, seeds 0 or more, models named without a detail")
    about = {profile: find(profile).about for profile in plan.profiles}
    found = sources(plan.data, plan.every)
    lanczos = (LANCZOS,) if plan.scale in catalog.enhancer(LANCZOS).scales else ()
    names = tuple(dict.fromkeys((*lanczos, *plan.models)))
    opened = EvaluationPlan(names, plan.data, (), plan.scale, device=plan.device, threads=plan.threads)
    enhancers = {name: open_model(name, opened, catalog) for name in names}
    weights = {name: enhancer.facts.sha256 for name, enhancer in enhancers.items()}
    matrix = Matrix(plan.scale, names, plan.profiles, plan.seed, _about(plan, found, about, weights))
    on_source(0, len(found))
    for done, source in enumerate(found, start=1):
        truth = read(source, plan.scale, plan.frames)
        for profile in plan.profiles:
            _measure(source, truth, profile, enhancers, matrix)
        on_source(done, len(found))
    return matrix


def _measure(
    source: Source, truth: Sequence[Bytes], profile: str, enhancers: Mapping[str, Enhancer], matrix: Matrix
) -> None:
    scale, name = matrix.scale, source.path.name
    low, targets, seen = _worse(source, truth, profile, scale, matrix.seed + source.number)
    matrix.seen.append(Seen(name, source.scene, profile, seen))
    outputs = {BICUBIC: [bicubic.enlarge(frame, scale) for frame in low]}
    outputs |= {method: [enlarge(frame, enhancer)[0] for frame in low] for method, enhancer in enhancers.items()}
    for method, images in outputs.items():
        values = [_psnr(image, target, scale) for image, target in zip(images, targets, strict=True)]
        matrix.scores.append(Score(name, source.scene, profile, method, float(np.mean(values))))


def _worse(
    source: Source, truth: Sequence[Bytes], profile: str, scale: int, seed: int
) -> tuple[list[Bytes], list[Bytes], Degradation]:
    """The frames that are scored, their targets, and what the estimate reads of up to RUN frames that follow."""
    chain = draw(profile, scale, seed)
    if source.kind == "still":
        one = degrade(truth[0], profile, scale, seed)
        run = list(chain.run(_moving(truth[0], chain)))
        return [one.low], [one.target], _seen(run, chain)
    low, targets = list(chain.run(truth)), list(chain.targets(truth))
    taken = scored(len(low))
    return [low[i] for i in taken], [targets[i] for i in taken], _seen(low[:RUN], chain)


def _moving(image: Bytes, chain: Chain) -> Iterable[Bytes]:
    """A still as RUN frames of a camera that moves as the profile drew it."""
    for index in range(RUN):
        x, y = (round(speed * (RUN - 1 - index)) for speed in chain.pan)
        yield moved(image, x, y) if x or y else image


def _seen(frames: Sequence[Bytes], chain: Chain) -> Degradation:
    """What the estimate reads. The QP of H.264 follows from the CRF, since frames alone do not tell it."""
    crf = last_crf(chain.drawn)
    return replace(estimate_frames([frames]), quantiser=None if crf is None else crf + QP_OVER_CRF)


def last_crf(drawn: dict[str, Any]) -> float | None:
    """Of the last H.264 encoder of a chain; None where the last encoder is another, or there is none."""
    last: float | None = None
    for step in drawn["steps"]:
        for generation in step.get("generations", ()):
            encoding = generation["encoding"]
            last = encoding["crf"] if encoding["codec"] == "h264" else None
        codec = step.get("codec")
        if isinstance(codec, dict):
            last = codec["crf"] if codec["kind"] == "h264" else None
    return last


def _psnr(image: Bytes, target: Bytes, border: int) -> float:
    inner = slice(border, -border or None)
    a, b = (torch.from_numpy(p[inner, inner].transpose(2, 0, 1).astype(np.float64)) / 255 for p in (image, target))
    return min(MOST_DB, psnr(a, b))


def _about(
    plan: MismatchPlan, found: Sequence[Source], profiles: dict[str, str], weights: dict[str, str | None]
) -> dict[str, Any]:
    return about_sources(plan.data, plan.every, plan.frames, plan.scale, found) | {
        "models": weights,
        "profiles": profiles,
        "versions": {"gleaner": VERSION, "torch": torch.__version__, "numpy": np.__version__},
    }
