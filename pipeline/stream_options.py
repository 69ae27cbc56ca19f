"""What is wanted of a camera's stream: model, ladder, lag, outputs. Knows neither the models' facts nor URLs' parts.

Errors say what is wrong and never repeat what was given: it may hold a password.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

LAST_RUNG = "lanczos"  # the method without a network; the camera worker computes it itself, so it is always there
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


def check_name(name: str) -> str:
    """The name itself. Raises ValueError unless it is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', no '.' in front."""
    if not _NAME.fullmatch(name):
        raise ValueError("a stream's name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', and begins with no '.'")
    return name


def check_no_userinfo(url: str | None) -> str | None:
    """Refuses a URL with a user or a password in it: what is kept openly must have none. Raises ValueError."""
    if url is not None and "@" in url:
        raise ValueError("this URL is kept openly, so it may hold no '@': a camera's credentials are kept sealed")
    return url


OpenUrl = Annotated[str, AfterValidator(check_no_userinfo)]
StreamName = Annotated[str, AfterValidator(check_name)]


class RetentionOptions(BaseModel):
    """How much of a recording is kept: whichever limit is reached first deletes the oldest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hours: float = Field(default=24.0, gt=0, le=24 * 366)
    gigabytes: float = Field(default=10.0, gt=0, le=100_000)


class StreamOptions(BaseModel):
    """All decided; whether the models exist and can do it is checked by whoever accepts the stream."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    name: StreamName  # unique; the enhanced stream is pushed as enhanced/<name>
    source: Literal["pull", "push", "listen-rtsp", "listen-rtmp"] = "pull"  # push: by way of the media server
    transport: Literal["tcp", "udp"] = "tcp"
    model: str
    scale: int | None = Field(default=None, ge=1, le=16)
    target_height: int | None = Field(default=None, ge=16, le=8640)
    ladder: tuple[str, ...] = Field(default=(), max_length=8)  # models, best first; see `_complete`
    budget_s: float = Field(default=3.0, ge=0.5, le=60)  # from a frame's arrival until it is written
    hls: bool = True
    push_to_media_server: bool = False
    push_url: OpenUrl | None = None  # RTSP target as shown; its credentials are sealed
    fuse: bool = False  # what stands still is made of the mean of many frames, see workers/fusion.py
    record: RetentionOptions | None = None
    ring: float = Field(default=10.0, ge=0, le=24 * 60)  # minutes kept of the source as it came
    enabled: bool = True

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """The ladder begins with the model and ends with Lanczos; either is added where it is missing."""
        if self.scale is not None and self.target_height is not None:
            raise ValueError("scale and target_height cannot both be met; give one")
        rungs = self.ladder if self.model in self.ladder else (self.model, *self.ladder)
        if LAST_RUNG not in rungs:
            rungs = (*rungs, LAST_RUNG)
        if rungs[0] != self.model:
            raise ValueError("the ladder goes from the best model to the cheapest and begins with the stream's model")
        if rungs[-1] != LAST_RUNG:
            raise ValueError(f"{LAST_RUNG} is the ladder's last rung; nothing is cheaper")
        if len(set(rungs)) != len(rungs):
            raise ValueError("a model stands in the ladder twice; each is one rung")
        object.__setattr__(self, "ladder", rungs)
        return self
