"""A job: one clip to be enhanced, its options, its states and the transitions allowed between them.

Pure values; where they are kept is `pipeline/jobs.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class JobState(StrEnum):
    QUEUED = "queued"  # accepted, source on disk
    PLANNING = "planning"  # being cut into segments
    RUNNING = "running"  # segments being enhanced
    FINISHING = "finishing"  # segments being joined
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})

_END = {JobState.FAILED, JobState.CANCELLED}
# A crashed step starts over, so each active state may be entered again from itself, and planning from all of them.
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.PLANNING, *_END}),
    JobState.PLANNING: frozenset({JobState.PLANNING, JobState.RUNNING, JobState.DONE, *_END}),
    JobState.RUNNING: frozenset({JobState.RUNNING, JobState.PLANNING, JobState.FINISHING, *_END}),
    JobState.FINISHING: frozenset({JobState.FINISHING, JobState.PLANNING, JobState.DONE, *_END}),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


class JobKind(StrEnum):
    CLIP = "clip"  # enhance the whole clip
    PREVIEW = "preview"  # a dry run: three sample frames and an estimate; goes planning -> done


class Codec(StrEnum):
    AUTO = "auto"  # H.264 where the output size allows, HEVC where it does not or the source has 10 bits
    H264 = "h264"
    HEVC = "hevc"
    FFV1 = "ffv1"  # lossless, in Matroska


class Quality(StrEnum):
    DRAFT = "draft"
    STANDARD = "standard"
    HIGH = "high"


class ClipOptions(BaseModel):
    """What the client asked for, checked against the clip and the model by `pipeline/options.py`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    scale: int | None = Field(default=None, ge=1, le=16)
    target_height: int | None = Field(default=None, ge=16, le=8640)
    codec: Codec = Codec.AUTO
    quality: Quality = Quality.STANDARD
    keep_audio: bool = True


class Problem(BaseModel):
    """Why a job failed, in words a client may see: no paths, no traces."""

    model_config = ConfigDict(frozen=True)

    code: str
    detail: str


class Job(BaseModel):
    """One clip's record. Progress is kept beside it (see `pipeline/jobs.py`), not in it."""

    model_config = ConfigDict(frozen=True)

    v: int = 1
    id: str
    kind: JobKind = JobKind.CLIP
    state: JobState = JobState.QUEUED
    options: ClipOptions
    scale: int  # the network's scale in this job, decided from the options
    source_name: str  # as the client called it, for display only; never a path
    source_sha256: str
    source_bytes: int
    clip: dict[str, Any]  # facts of the clip as JSON (see media.facts_json.to_json)
    created_at: float  # Unix seconds
    started_at: float | None = None
    finished_at: float | None = None
    segments: int | None = None  # known once planned
    frames_total: int | None = None  # as counted at planning; the report has the frames really written
    problem: Problem | None = None
    result: dict[str, Any] | None = None  # done: file name, bytes, sha256, summary

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL


class TransitionError(Exception):
    """A job was to go from a state to one that may not follow it."""

    def __init__(self, job_id: str, now: JobState, wanted: JobState) -> None:
        super().__init__(f"job {job_id} is {now}; it cannot become {wanted}")
        self.now, self.wanted = now, wanted


def allowed(now: JobState, wanted: JobState) -> bool:
    return wanted in TRANSITIONS[now]
