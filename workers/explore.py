"""The clip worker's RQ function for explorations. Imports torch, so only the forked child may import this file.

It runs again from the beginning after a crash, or on another machine: the same seed gives the same candidates.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from typing import Any

import structlog
import torch

from media.facts_json import from_json
from media.types import ClipFacts
from models.catalog import UnknownModel
from models.devices import DeviceError
from models.facts import ModelFacts
from models.pulse.region import Box, RegionError
from models.pulse.search import SearchError, SearchSettings, SearchStopped, Step
from models.registry import ArchitectureError, load_bank
from models.stylegan2 import StyleGan2
from models.weights_io import WeightsError
from pipeline.explore_progress import ExploreProgress
from pipeline.job import ExploreOptions, Job, JobState
from pipeline.settings import Settings
from workers.exploration import (
    Found,
    FrameMissing,
    describe,
    explore_frame,
    write_candidate,
    write_sheet,
    write_spread,
)
from workers.room import Room
from workers.step import StepFailed, run_step
from workers.stretch import Stopped

log = structlog.get_logger(__name__)

REPORT_S = 0.25  # least time between two reports of progress


def run(job_id: str) -> None:
    """Search a bank for candidates that explain a region of a clip's frame, and draw them."""
    run_step(job_id, "explore", JobState.PLANNING, explore_region)


def explore_region(room: Room, job: Job) -> None:
    wanted, clip = job.explored, from_json(job.clip)
    attempt = room.jobs.begin_attempt(job.id, 0)
    begun = ExploreProgress(count=wanted.count, steps=wanted.steps)  # not what an attempt that died had come to
    room.jobs.set_exploring(job.id, begun, attempt=attempt)
    torch.set_num_threads(room.settings.threads or _share_of_cores(room.settings))
    facts, bank = _bank(room, wanted.model)
    room.jobs.transition(job.id, JobState.RUNNING)
    report = _Reporter(room, job.id, attempt)
    found = _search(room, wanted, clip, bank, report)
    report.searched()
    room.jobs.transition(job.id, JobState.FINISHING)
    _draw(room, job, found)
    outcome = _outcome(wanted, clip, facts, bank, found)
    room.jobs.transition(job.id, JobState.DONE, finished_at=time.time(), result=outcome)
    room.metrics.inc("gleaner_jobs_total", state="done")
    room.clips.cancel(job.id)  # nothing of it waits; this forgets the name of its step
    explaining = found.exploration.explaining
    log.info("exploration done", job=job.id, stage="explore", candidates=wanted.count, explaining=explaining)


class _Reporter:
    """Called at each step of the search; says whether to go on. Raises as JobStore.set_exploring."""

    def __init__(self, room: Room, job_id: str, attempt: int) -> None:
        self._room, self._job_id, self._attempt = room, job_id, attempt
        self._keep_going = room.keep_going(job_id)
        self._began = self._told = time.monotonic()
        self._latest = ExploreProgress()

    def __call__(self, step: Step) -> bool:
        now = time.monotonic()
        if step.step == 0:
            self._began = now  # the clip is still being read
        self._latest = progress_of(step, now - self._began)
        if now - self._told >= REPORT_S:
            self._told = now
            self._tell(self._latest)
        return self._keep_going()

    def searched(self) -> None:
        """The last step was done; later runs of a candidate may not have been needed."""
        self._tell(replace(self._latest, share=1.0))

    def _tell(self, progress: ExploreProgress) -> None:
        self._room.jobs.set_exploring(self._job_id, progress, attempt=self._attempt)


def progress_of(step: Step, elapsed_s: float) -> ExploreProgress:
    begun = step.step > 0
    return ExploreProgress(
        candidate=step.candidate + 1 if begun else 0,
        count=step.count,
        run=step.run + 1 if begun else 0,
        runs=step.runs,
        step=step.step,
        steps=step.steps,
        best_error=step.best_error if math.isfinite(step.best_error) else None,
        share=step.fraction,
        elapsed_s=round(elapsed_s, 3),
    )


def _bank(room: Room, name: str) -> tuple[ModelFacts, StyleGan2]:
    try:
        return room.catalog.bank(name), load_bank(name, room.settings.device, catalog=room.catalog)
    except UnknownModel as error:
        raise StepFailed("unknown-model", f"the bank has been removed: {error}") from None
    except (WeightsError, ArchitectureError, DeviceError) as error:
        raise StepFailed("bank-unusable", f"the bank {name} cannot be used: {error}") from error


def _search(room: Room, wanted: ExploreOptions, clip: ClipFacts, bank: StyleGan2, report: _Reporter) -> Found:
    settings = SearchSettings(steps=wanted.steps, seed=wanted.seed)
    source = room.files.source(wanted.clip)
    try:
        return explore_frame(source, clip, wanted.frame, Box(*wanted.box), bank, wanted.count, settings, report)
    except SearchStopped:
        raise Stopped from None
    except FrameMissing as error:
        raise StepFailed("frame-out-of-range", str(error)) from None
    except RegionError as error:
        raise StepFailed("box-out-of-range", str(error)) from None
    except SearchError as error:
        raise StepFailed("search-failed", str(error)) from None
    except torch.OutOfMemoryError:
        detail = f"the device has too little free memory to search the bank {wanted.model}: use a smaller bank"
        raise StepFailed("out-of-memory", detail) from None


def _draw(room: Room, job: Job, found: Found) -> None:
    wanted, files = job.explored, room.files
    write_sheet(found, files.exploration(job.id, "sheet"), (f"Bank {wanted.model}, seed {wanted.seed}.",))
    write_spread(found, files.exploration(job.id, "spread"))
    for index, candidate in enumerate(found.exploration.candidates):
        write_candidate(found, index, files.exploration(job.id, "candidate", candidate.number))


def _outcome(
    wanted: ExploreOptions, clip: ClipFacts, facts: ModelFacts, bank: StyleGan2, found: Found
) -> dict[str, Any]:
    """The job's result: what `describe` says, the frame's time, and the bank's facts."""
    time_s = round(float((found.pts - (clip.start_pts or 0)) * clip.time_base), 3)
    about = {name: getattr(facts, name) for name in ("name", "sha256", "licence", "trained_on")}
    return describe(found) | {"time_s": time_s, "bank": {**about, "size": bank.sizes.size}, "seed": wanted.seed}


def _share_of_cores(settings: Settings) -> int:
    return max(1, len(os.sched_getaffinity(0)) // settings.clip_workers)
