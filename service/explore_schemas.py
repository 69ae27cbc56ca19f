"""Bodies of the routes of explorations. Shapes only; `explore_views.py` fills them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pipeline.job import JobState, Problem
from service.schemas import BankBody

Box = Annotated[
    list[Annotated[int, Field(strict=True)]],
    Field(
        min_length=4,
        max_length=4,
        description="x, y, width, height in source pixels of the picture as shown upright; not of the enhanced one.",
    ),
]


class ExploreRequest(BaseModel):
    """What is to be explored, and how."""

    model_config = ConfigDict(extra="forbid", strict=True)

    frame: int = Field(ge=0, description="Number of the frame in the order of presentation, from 0.")
    box: Box
    count: int = Field(default=4, ge=1, le=16, description="Candidates wanted.")
    model: str | None = Field(default=None, max_length=64, description="A bank's name. Default: the first bank.")
    seed: int = Field(default=0, ge=0, lt=1 << 32, description="The same seed gives the same candidates.")
    steps: int = Field(default=100, ge=10, le=1000, description="Steps of each search.")


class ExploreOptionsBody(BaseModel):
    """What was asked for, with every default filled in."""

    frame: int
    box: Box
    count: int
    model: str
    seed: int
    steps: int


class ExploreProgressBody(BaseModel):
    """How far the search is; all zero before it begins."""

    candidate: int = Field(description="The one being searched for, from 1.")
    count: int
    run: int = Field(description="Of this candidate, from 1: a search that does not explain the pixels is begun anew.")
    runs: int = Field(description="Most runs of a candidate.")
    step: int = Field(description="Steps done in this run.")
    steps: int
    best_error: float | None = Field(description="Of this candidate so far; see the candidates' error.")
    share: float = Field(description="Of the whole work, 0 to 1.")
    eta_s: float | None = Field(description="Seconds the search still needs at the speed so far.")


class FrameBody(BaseModel):
    number: int
    pts: int = Field(description="Ticks of the clip's time base.")
    time_s: float = Field(description="Since the clip's first frame.")


class CandidateBody(BaseModel):
    number: int = Field(description="Of its random start, from 0, as on the sheet; it and the seed decide the picture.")
    url: str = Field(description="PNG, of the bank's size.")
    error: float = Field(description="Mean squared difference of the candidate made small and the observed pixels.")
    explains: bool = Field(description="The error is at most eps.")
    runs: int = Field(description="Searches it took.")


class ExploreResultBody(BaseModel):
    statement: str = Field(description="What the candidates are not. To be shown wherever they are.")
    frame: FrameBody
    region: Box = Field(description="The square really explained: the box, grown to a power of two.")
    bank: BankBody
    seed: int
    eps: float = Field(description="The error up to which a candidate counts as explaining the pixels, values 0 to 1.")
    candidates: list[CandidateBody] = Field(description="Best first.")
    explaining: int = Field(description="How many of them explain the pixels.")
    not_finite: list[int] = Field(description="Numbers of candidates whose search came to no finite picture.")
    distances: list[list[float]] = Field(description="Root mean square differences between candidates, values 0 to 1.")
    spread: str = Field(description="URL of a PNG: how much the candidates differ at each pixel.")
    sheet: str = Field(description="URL of a PNG of all of it, with the statement.")


class ExploreLinksBody(BaseModel):
    self: str
    clip: str
    events: str
    sheet: str | None = Field(description="Once done.")
    spread: str | None = Field(description="Once done.")


class ExplorationBody(BaseModel):
    """One exploration's job."""

    id: str
    clip: str = Field(description="Id of the clip.")
    state: JobState
    created_at: str = Field(description="RFC 3339, UTC.")
    started_at: str | None
    finished_at: str | None
    options: ExploreOptionsBody
    progress: ExploreProgressBody
    waiting_for: list[str] = Field(description="Kinds of worker that are needed now and not there.")
    problem: Problem | None = Field(description="Why it failed.")
    result: ExploreResultBody | None
    links: ExploreLinksBody


class ExplorationListBody(BaseModel):
    explorations: list[ExplorationBody]
    next_cursor: str | None
    next: str | None = Field(description="URL of the next page.")
