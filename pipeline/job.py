"""A job: one clip to be enhanced or explored, its options, its states and the transitions allowed between them.

Pure values; where they are kept is `pipeline/jobs.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.model_choice import ModelChoice


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
    EXPLORE = "exploration"  # what a region of one frame might have been; has `exploration`, refers to a clip's job


class Codec(StrEnum):
    AUTO = "auto"  # H.264 where the output size allows, HEVC where it does not or the source has 10 bits
    H264 = "h264"
    HEVC = "hevc"
    FFV1 = "ffv1"  # lossless, in Matroska


class Quality(StrEnum):
    DRAFT = "draft"
    STANDARD = "standard"
    HIGH = "high"


class Reuse(StrEnum):
    """Of enhanced tiles, from frame to frame."""

    ON = "on"  # kept until they changed beyond the noise floor, and while the error stays small: workers/reuse.py
    EXACT = "exact"  # kept while their input is the same bit for bit
    OFF = "off"  # every tile of every frame is computed


def _two_decimals(value: float) -> float:
    """As many networks as there are values can be asked of a worker, and nobody sees a difference of 0.001."""
    return round(value, 2)


Detail = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), AfterValidator(_two_decimals)]


class ClipOptions(BaseModel):
    """What the client asked for, checked against the clip and the model by `pipeline/options.py`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str  # or models.choice.AUTO: chosen by the clip when it is planned
    scale: int | None = Field(default=None, ge=1, le=16)
    target_height: int | None = Field(default=None, ge=16, le=8640)
    codec: Codec = Codec.AUTO
    quality: Quality = Quality.STANDARD
    keep_audio: bool = True
    consistency: bool = False  # each tile is changed until it shrinks to its input, see models/consistency.py
    reuse: Reuse = Reuse.ON
    fuse: bool = False  # still tiles are enhanced from the mean of many frames, see workers/fusion.py
    detail: Detail = 0.0  # weights between the faithful training and the vivid one, see models/registry.py


class ExploreOptions(BaseModel):
    """What is to be explored, all decided: nothing is left to a default that may change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clip: str  # id of the clip's job, whose source is read
    frame: int = Field(ge=0)  # number in presentation order, from 0
    box: tuple[int, int, int, int]  # x, y, width, height in source pixels of the upright picture
    count: int = Field(ge=1, le=16)  # candidates
    model: str  # a bank's name
    seed: int
    steps: int = Field(ge=1)  # of the search for each candidate


class CameraStretch(BaseModel):
    """Where a clip was cut from: a camera's ring. Unix seconds by our clock, which is when the packets arrived."""

    model_config = ConfigDict(frozen=True)

    stream: str  # id
    name: str  # of the stream when it was cut
    asked_start: float
    asked_end: float
    start: float  # of the key frame at or before what was asked for
    end: float
    gaps: tuple[tuple[float, float], ...] = ()  # of which the camera sent nothing


class Problem(BaseModel):
    """Why a job failed, in words a client may see: no paths, no traces."""

    model_config = ConfigDict(frozen=True)

    code: str
    detail: str


class Job(BaseModel):
    """One clip's record, or one exploration's. Progress is kept beside it (see `pipeline/jobs.py`), not in it.

    An exploration has its clip's options, scale, source facts and clip facts, and `exploration` with what is its own.
    """

    model_config = ConfigDict(frozen=True)

    v: int = 1
    id: str
    kind: JobKind = JobKind.CLIP
    state: JobState = JobState.QUEUED
    options: ClipOptions
    exploration: ExploreOptions | None = None
    scale: int  # the network's scale in this job, decided from the options
    choice: ModelChoice | None = None  # planned, of model=auto: what it came to
    weights_sha256: str | None = None  # of the model when the job was accepted, or chosen: one clip, one set of weights
    source_name: str  # as the client called it, for display only; never a path
    source_sha256: str
    source_bytes: int
    clip: dict[str, Any]  # facts of the clip as JSON (see media.facts_json.to_json)
    camera: CameraStretch | None = None  # of a clip cut from a camera's ring
    created_at: float  # Unix seconds
    started_at: float | None = None
    finished_at: float | None = None
    segments: int | None = None  # known once planned
    estimate: dict[str, Any] | None = None  # planned: how degraded the clip is (media.estimate), as JSON; None: unknown
    outside_envelope: tuple[str, ...] = ()  # where that lies beyond what the model was measured on, in words
    frames_total: int | None = None  # as counted at planning; the report has the frames really written
    problem: Problem | None = None
    result: dict[str, Any] | None = None  # done: file name, bytes, sha256, summary

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def model(self) -> str:
        """Name of the model that does it; "auto" where that is still to be chosen."""
        return self.options.model if self.choice is None else self.choice.model

    @property
    def detail(self) -> float:
        """Of the model that does it."""
        return self.options.detail if self.choice is None else self.choice.detail

    @property
    def explored(self) -> ExploreOptions:
        """What this job explores. Raises ValueError for a job of another kind."""
        if self.exploration is None:
            raise ValueError(f"job {self.id} is a {self.kind.value}, no exploration")
        return self.exploration


class TransitionError(Exception):
    """A job was to go from a state to one that may not follow it."""

    def __init__(self, job_id: str, now: JobState, wanted: JobState) -> None:
        super().__init__(f"job {job_id} is {now}; it cannot become {wanted}")
        self.now, self.wanted = now, wanted


def allowed(now: JobState, wanted: JobState) -> bool:
    return wanted in TRANSITIONS[now]
