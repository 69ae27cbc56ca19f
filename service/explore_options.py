"""A request to explore made into a job, or refused: against the clip, its picture and the banks there are."""

from __future__ import annotations

import time

from media.facts_json import from_json
from media.types import ClipFacts
from models.catalog import Catalog
from models.facts import ModelFacts
from models.pulse.region import Box, RegionError, region_for
from pipeline.files import JobFiles
from pipeline.job import ExploreOptions, Job, JobKind
from pipeline.jobs import new_id
from service.explore_schemas import ExploreRequest
from service.problems import ProblemError

SMALLEST = 4  # pixels, edge of the picture a StyleGAN2 begins with


def make_exploration(wanted: ExploreRequest, job: Job, files: JobFiles, catalog: Catalog) -> Job:
    """The job, not yet kept anywhere; blocking. `job` is the clip's. Raises ProblemError."""
    if not files.source(job.id).is_file():
        detail = f"the file of clip {job.id} has been deleted, so none of its frames can be explored; send it again"
        raise ProblemError("gone", detail)
    clip = from_json(job.clip)
    bank = _bank(wanted.model, catalog)
    _check_frame(wanted.frame, clip)
    _check_box(wanted.box, clip, bank)
    x, y, width, height = wanted.box
    options = ExploreOptions(
        clip=job.id,
        frame=wanted.frame,
        box=(x, y, width, height),
        count=wanted.count,
        model=bank.name,
        seed=wanted.seed,
        steps=wanted.steps,
    )
    return Job(
        id=new_id(),
        kind=JobKind.EXPLORE,
        options=job.options,
        exploration=options,
        scale=job.scale,
        source_name=job.source_name,
        source_sha256=job.source_sha256,
        source_bytes=job.source_bytes,
        clip=job.clip,
        created_at=time.time(),
    )


def _bank(name: str | None, catalog: Catalog) -> ModelFacts:
    banks = {facts.name: facts for facts in catalog.banks()}
    others = [facts.name for facts in catalog.enhancers()]
    if name is not None and name in others:
        remedy = f"the banks are {', '.join(banks)}"
        raise _refused("not-a-bank", "model", f"{name} enhances clips, it draws no pictures of its own; {remedy}")
    if name is None:
        return next(bank for bank in banks.values() if bank_edge(bank))  # one ships
    if name not in banks:
        raise _refused("unknown-model", "model", f"there is no bank {name!r}; the banks are {', '.join(banks)}")
    return banks[name]


def bank_edge(bank: ModelFacts) -> int | None:
    """Edge of the pictures a bank draws, pixels: it has channels for 4, 8, 16, .. up to it. None: it does not say."""
    channels = bank.config.get("channels")
    return SMALLEST << (len(channels) - 1) if isinstance(channels, list | tuple) and channels else None


def _check_frame(frame: int, clip: ClipFacts) -> None:
    """A clip that does not say how many frames it has is judged when it is read."""
    if clip.frames is not None and frame >= clip.frames:
        detail = f"there is no frame {frame}: the clip has {clip.frames} frames, give 0 to {clip.frames - 1}"
        raise _refused("frame-out-of-range", "frame", detail)


def _check_box(box: list[int], clip: ClipFacts, bank: ModelFacts) -> None:
    edge = bank_edge(bank)
    if edge is None:
        raise _refused(
            "not-a-bank", "model", f"the facts of {bank.name} do not say how large it draws: import it again"
        )
    try:
        region_for(Box(*box), *clip.display_size, edge)
    except RegionError as error:
        raise _refused("box-out-of-range", "box", str(error)) from None


def _refused(code: str, field: str, detail: str) -> ProblemError:
    return ProblemError(code, detail, errors=[{"field": field, "detail": detail}])
