"""How a camera's stream is doing, as its owner last said. Values only; `pipeline/streams.py` keeps them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline.job import Problem


class StreamState(StrEnum):
    WAITING = "waiting"  # wanted, and no camera worker reports on it
    CONNECTING = "connecting"
    ONLINE = "online"
    STALLED = "stalled"  # connected, and nothing comes
    BACKING_OFF = "backing-off"  # waiting before the next attempt
    FAILED = "failed"  # tried again, but seldom: somebody has to change something; `problem` says what
    STOPPED = "stopped"  # not wanted (enabled is false)


class SourceFacts(BaseModel):
    """What the camera sends."""

    model_config = ConfigDict(frozen=True)

    codec: str
    width: int
    height: int
    fps: float | None = None  # as the camera says; fps_in is what comes


class StreamStatus(BaseModel):
    """One report. Numbers without a time span are counted since the epoch began."""

    model_config = ConfigDict(frozen=True)

    state: StreamState
    since: float  # Unix seconds: in this state
    problem: Problem | None = None
    epoch: int = 0  # which owner says so; 0: none yet
    owner: str | None = None  # the worker's name
    retry_at: float | None = None  # backing off: Unix seconds of the next attempt
    source: SourceFacts | None = None
    last_frame_at: float | None = None  # arrival of the newest frame, Unix seconds
    captured_at: float | None = None  # the same frame by the camera's clock; None where the camera says none
    clock: Literal["rtcp", "arrival"] = "arrival"
    drift_ppm: float | None = None  # the camera's clock against ours
    fps_in: float = 0.0
    fps_out: float = 0.0
    lag_s: float | None = None  # of the last frame written, from its arrival
    lag_p95_s: float | None = None
    frames: int = 0  # written
    dropped: int = 0  # never enhanced nor written: a newer one had come
    late: int = 0  # written resized, their tiles did not come back in time
    reconnects_1h: int = 0
    recomputed_share: float | None = None  # tiles computed of all tiles; the rest had not changed
    fused_share: float | None = None  # tiles shown of the mean of several frames; None without fusion
    rung: str = ""
    rung_reason: str = ""
    push: str | None = None  # state of the push, where one is wanted
    ring_bytes: int = 0
    recording_bytes: int = 0
    msn: int | None = None  # HLS: media sequence number of the newest segment
    part: int | None = None  # HLS: number of its newest part
    updated_at: float = 0.0  # Unix seconds; set by the store

    def frame_age_s(self, now: float) -> float | None:
        """Seconds since the newest frame came; None before the first."""
        return None if self.last_frame_at is None else max(0.0, now - self.last_frame_at)
