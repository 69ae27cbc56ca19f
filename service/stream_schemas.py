"""Bodies of the routes of streams. Shapes only; `stream_views.py` fills them, `stream_options.py` reads the wishes.

No body that goes out has a field for a password; those that come in keep URLs as secrets.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from pipeline.job import Problem
from pipeline.stream import StreamState, check_name

URL_LIMIT = 2048
NAME_PATTERN = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"
Name = Annotated[str, AfterValidator(check_name), Field(max_length=64, json_schema_extra={"pattern": NAME_PATTERN})]
CameraUrl = Annotated[SecretStr, Field(max_length=URL_LIMIT, examples=["rtsp://user:password@192.0.2.10/stream1"])]


class RecordBody(BaseModel):
    """How much of the enhanced stream is kept; whichever limit is reached first deletes the oldest."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    hours: float = Field(default=24.0, gt=0, le=24 * 366)
    gigabytes: float = Field(default=10.0, gt=0, le=100_000)


class StreamWishes(BaseModel):
    """What may be said of a stream when it is made and when it is changed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    source: Literal["pull", "push", "listen-rtsp", "listen-rtmp"] = Field(
        default="pull",
        description="pull: from `url`. push: a gateway publishes to the media server. listen-…: straight to a worker.",
    )
    url: CameraUrl | None = Field(
        default=None, description="Of the camera, rtsp or rtsps, with user and password if need be. Never shown again."
    )
    transport: Literal["tcp", "udp"] = Field(default="tcp", description="How the camera's RTP comes.")
    model: str | None = Field(
        default=None, max_length=64, description="A name from GET /v1/models. Default: the service's default model."
    )
    scale: int | None = Field(default=None, ge=1, le=16, description="Enlargement. Default: the model's largest.")
    target_height: int | None = Field(
        default=None, ge=16, le=8640, description="Height of the enhanced picture, instead of a scale."
    )
    ladder: list[Annotated[str, Field(max_length=64)]] | None = Field(
        default=None,
        max_length=8,
        description="Models from the best, the stream's, to the cheapest. `lanczos` ends it, and is added.",
    )
    budget_s: float = Field(
        default=3.0, ge=0.5, le=60, description="Seconds from a frame's arrival until it is written, at most."
    )
    hls: bool = Field(default=True, description="Write a live view, `links.live`.")
    push_to_media_server: bool = Field(default=False, description="Push to the media server, as enhanced/<name>.")
    push_url: CameraUrl | None = Field(
        default=None, description="Push there by RTSP too; with user and password if need be. Never shown again."
    )
    fuse: bool = Field(default=False, description="Enhance what stands still from the mean of many frames.")
    record: RecordBody | None = Field(default=None, description="Record the enhanced stream. Default: not.")
    ring: float = Field(default=10.0, ge=0, le=24 * 60, description="Minutes of the source kept as it came.")
    enabled: bool = Field(default=True, description="false: stopped, and kept.")


class StreamRequest(StreamWishes):
    """A new stream."""

    name: Name = Field(description="Of the camera; no other stream has it.")


class StreamChange(StreamWishes):
    """What is to be different; what is left out stays. null means the default."""

    name: Name | None = Field(default=None, description="A new name.")
    new_push_key: bool = Field(
        default=False, description="Make a new push key, shown once; the old one ends. listen-…: show where to push to."
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, given: Any) -> Any:
        """null becomes the default where the field itself cannot be null."""
        if not isinstance(given, dict):
            return given
        defaults = {name: field.default for name, field in cls.model_fields.items()}
        return {name: defaults.get(name) if value is None else value for name, value in given.items()}


class StreamOptionsBody(BaseModel):
    """What is wanted, with every default filled in."""

    source: str
    transport: str
    model: str
    scale: int | None
    target_height: int | None
    ladder: list[str]
    budget_s: float
    hls: bool
    push_to_media_server: bool
    push_url: str | None = Field(description="Without user, password and query values.")
    fuse: bool
    record: RecordBody | None
    ring: float
    enabled: bool


class CameraFactsBody(BaseModel):
    """What the camera sends."""

    codec: str
    width: int
    height: int
    fps: float | None = Field(description="As the camera says; `fps_in` is what comes.")


class LiveBody(BaseModel):
    """How the stream is doing. Counts are since its present owner began."""

    source: CameraFactsBody | None
    last_frame_at: str | None = Field(description="Arrival of the newest frame, RFC 3339.")
    frame_age_s: float | None = Field(description="How long ago that is.")
    captured_at: str | None = Field(description="The same frame's time by the camera's clock, where it says one.")
    clock: str = Field(description="rtcp: capture times are the camera's. arrival: they are ours.")
    drift_ppm: float | None = Field(description="The camera's clock against ours, millionths.")
    fps_in: float
    fps_out: float
    lag_s: float | None = Field(description="Of the last frame written, from its arrival.")
    lag_p95_s: float | None
    frames: int = Field(description="Written.")
    dropped: int = Field(description="Never written: a newer frame had come.")
    late: int = Field(description="Written resized: their tiles did not come back in time.")
    reconnects_1h: int = Field(description="Connections made again within the last hour that gave a frame.")
    recomputed_share: float | None = Field(description="Share of the tiles that had changed and were computed.")
    fused_share: float | None = Field(description="Share of the tiles shown of the mean of several frames; with fuse.")
    rung: str = Field(description="Of the ladder, at the moment.")
    rung_reason: str
    push: str | None = Field(description="State of the push, where one is wanted.")
    ring_bytes: int
    recording_bytes: int


class PushBody(BaseModel):
    """How a gateway publishes to this stream, by the media server or straight to a camera worker.

    The key also lets one read enhanced/<name> on the media server, of a stream that is pulled too.
    """

    path: str | None = Field(description="push: on the media server.")
    user: str | None = Field(description="On the media server; any other will do as well.")
    key: str | None = Field(description="The password there. Shown once, when it is made; null afterwards.")
    url: str | None = Field(
        description="listen-…: where to push to, once HOST is the worker's. Its path is a key: shown when the stream "
        "is made and when new_push_key asks for it; null otherwise."
    )


class StreamLinksBody(BaseModel):
    self: str
    events: str
    snapshot: str
    live: str | None = Field(description="The playlist, where `hls` is wanted.")
    recordings: str
    report: str = Field(description="What became of the frames between `start` and `end`.")
    source: str


class StreamBody(BaseModel):
    """One camera's stream."""

    id: str
    name: str
    state: StreamState
    since: str = Field(description="In this state. RFC 3339, UTC.")
    problem: Problem | None = Field(description="Why it is not online.")
    retry_at: str | None = Field(description="backing-off: when the next attempt is due.")
    created_at: str
    changed_at: str
    url: str | None = Field(description="Without user, password and query values.")
    credentials: bool = Field(description="Whether a user or a password is kept for the URL.")
    options: StreamOptionsBody
    weights: dict[str, str | None] = Field(description="SHA-256 of each rung's weights when the stream was accepted.")
    live: LiveBody
    push: PushBody | None = Field(description="Where the camera is not pulled, or a key was just made.")
    waiting_for: list[str] = Field(description="Kinds of worker that are needed now and not there.")
    links: StreamLinksBody


class StreamListBody(BaseModel):
    streams: list[StreamBody]
    next_cursor: str | None
    next: str | None = Field(description="URL of the next page.")


class RangeBody(BaseModel):
    start: str = Field(description="RFC 3339, UTC.")
    end: str
    seconds: float


class SourceRangesBody(BaseModel):
    """What of the source as it came is still there; clips can be made of it."""

    ranges: list[RangeBody] = Field(description="Oldest first; between them nothing came.")
    kept_minutes: float


class RecordingBody(BaseModel):
    name: str
    start: str = Field(description="RFC 3339, UTC.")
    end: str
    bytes: int
    url: str
    report: str = Field(description="What became of its frames.")


class RecordingListBody(BaseModel):
    recordings: list[RecordingBody] = Field(description="Oldest first.")
    next_cursor: str | None
    next: str | None = Field(description="URL of the next page.")


class PushAuthRequest(BaseModel):
    """What a media server asks before it lets somebody publish or read: MediaMTX's HTTP authentication callback."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    action: str = Field(max_length=32)
    path: str = Field(default="", max_length=256)
    user: str = Field(default="", max_length=256)
    password: SecretStr = Field(default=SecretStr(""), max_length=1024)
    token: SecretStr = Field(default=SecretStr(""), max_length=1024)
    query: SecretStr = Field(default=SecretStr(""), max_length=4096)
    ip: str = Field(default="", max_length=64)
    protocol: str = Field(default="", max_length=32)
    id: str | None = Field(default=None, max_length=128)
