"""Bodies of a stream's report. Shapes only; `report_summary.py` and `stream_reports.py` fill them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Clock = Literal["arrival", "capture"]


class LagBody(BaseModel):
    """From a frame's arrival, seconds to the millisecond, over the frames of which it is known."""

    frames: int
    p50_s: float
    p95_s: float
    max_s: float


class RungReportBody(BaseModel):
    """Frames of one rung of the ladder."""

    frames: int
    how: dict[str, int]
    lag: LagBody | None
    encoded: LagBody | None


class SummaryBody(BaseModel):
    first_frame_at: str | None = Field(description="Its arrival, RFC 3339, UTC.")
    last_frame_at: str | None
    frames: int = Field(description="Written.")
    how: dict[str, int] = Field(
        description="enhanced, reused (nothing had changed), resized (some tiles at least), late (so, tiles too late)."
    )
    rungs: dict[str, RungReportBody] = Field(description="By the ladder's rung.")
    dropped: int = Field(description="Never written: a newer frame had come, or the worker left.")
    damaged: int = Field(description="Written, with damage that the decoder concealed.")
    with_capture_time: int = Field(description="Written, with a time by the camera's clock.")
    recomputed_share: float | None = Field(description="Tiles that had changed and were computed, of all tiles.")
    noise: float | None = Field(description="Standard deviation of luma's, 8-bit levels, mean over the frames.")
    fused_share: float | None = Field(description="Tiles shown of the mean of several frames, of all; with fuse.")
    most_observations: float | None = Field(description="Frames in what was shown of a tile, mean of the best frame.")
    lag: LagBody | None = Field(description="Until the frame could be fetched or was handed to the push.")
    encoded: LagBody | None = Field(description="Until it was encoded.")
    gaps: int
    gaps_s: float = Field(description="Seconds without a frame in them. Gaps are never filled.")
    event_counts: dict[str, int] = Field(description="gap, clock, rung, size, lost (the camera's connection).")
    events: list[dict[str, Any]] = Field(description="The first 500.")
    events_left_out: int
    lines_lost: int = Field(description="Lines that could not be written: the disk was full or too slow.")


class SettingsBody(BaseModel):
    """What was wanted of the stream, and with which models."""

    since: str = Field(description="Of the first minute of the report that was logged so.")
    revision: int
    options: dict[str, Any]
    weights: dict[str, str | None] = Field(description="SHA-256 of the weights of each rung used; lanczos has none.")


class ReportLinksBody(BaseModel):
    self: str
    lines: str = Field(description="The same stretch frame by frame, as JSON lines.")


class StreamReportBody(BaseModel):
    """What became of the frames of a stretch."""

    stream: str
    name: str
    start: str
    end: str
    clock: Clock
    settings: list[SettingsBody]
    summary: SummaryBody
    links: ReportLinksBody
