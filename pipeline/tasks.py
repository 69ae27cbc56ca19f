"""Messages of the frame plane: versioned, a few hundred bytes, never pixels.

A field added later gets a default, so that queued messages of the old form still parse.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

Outcome = Literal["enhanced", "enhanced-float32", "failed"]


class SegmentKey(NamedTuple):
    """One attempt at one segment of one job: the owner of frames in flight and of their pixels."""

    job: str
    segment: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.job}:{self.segment}:{self.attempt}"


class FrameTask(BaseModel):
    """Enhance the changed tiles of one frame. Its pixels lie in the frame store under `key`, `frame`."""

    model_config = ConfigDict(frozen=True)

    v: Literal[1] = 1
    job: str
    segment: int
    attempt: int
    frame: int  # index within the segment, from 0
    model: str
    scale: int
    tiles: int  # how many tiles, each tile x tile x 3 of `dtype`, C order, one after the other
    tile: int
    dtype: Literal["uint8", "uint16"] = "uint8"
    consistency: bool = False  # changed until it shrinks to the input
    detail: float = 0.0  # of the weights: 0 faithful, 1 vivid

    @property
    def key(self) -> SegmentKey:
        return SegmentKey(self.job, self.segment, self.attempt)


class FrameDone(BaseModel):
    """What became of a task; sent to the segment's worker after the result is in the frame store.

    What was measured of the result lies beside its pixels, so that it is not lost with a reply.
    """

    model_config = ConfigDict(frozen=True)

    v: Literal[1] = 1
    frame: int
    outcome: Outcome
    detail: str = ""  # failed: why, for the report
    busy_s: float = 0.0  # this frame's share of the network's time
