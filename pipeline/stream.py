"""A stream: one camera, what is wanted of it, and where it is without the credentials. Pure values.

Kept by `pipeline/streams.py`; how it is doing is `pipeline/stream_status.py`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pipeline.stream_options import LAST_RUNG, OpenUrl, RetentionOptions, StreamOptions, check_name
from pipeline.stream_status import SourceFacts, StreamState, StreamStatus

__all__ = [
    "LAST_RUNG",
    "RetentionOptions",
    "SourceFacts",
    "Stream",
    "StreamOptions",
    "StreamState",
    "StreamStatus",
    "check_name",
]


class Stream(BaseModel):
    """One camera's record."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    v: int = 1
    id: str  # pipeline.jobs.new_id()
    options: StreamOptions
    url_shown: OpenUrl | None = None  # without user, password and query values; None: the camera pushes
    credentials: bool = False  # whether the URL has some; they are kept sealed
    weights: dict[str, str | None] = Field(default_factory=dict)  # rung -> SHA-256 when accepted; None: no weights
    created_at: float  # Unix seconds
    changed_at: float
    revision: int = 1  # counts changes; the owner begins anew with the options of the latest
    push_key_hash: str | None = None  # SHA-256, hex, of the key a gateway publishes with

    @property
    def name(self) -> str:
        return self.options.name
