"""Settings of every process, from the environment. Read in entry points only and passed down as values."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.addresses import CAMERA_PORTS, PRIVATE_NETWORKS, parse_networks, parse_port_range, parse_ports

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Each field is the variable GLEANER_<NAME>; `docs/configuration.md` lists them (a test compares)."""

    model_config = SettingsConfigDict(env_prefix="GLEANER_", extra="ignore", frozen=True)

    redis_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("REDIS_URL", "GLEANER_REDIS_URL"),
        description="Redis to use. Unset: `gleaner serve` starts one of its own on a private socket.",
    )
    data_dir: Path = Field(
        default=Path("var"), description="Clips, streams, results and reports; shared by API, clip and camera workers."
    )
    models_dir: Path = Field(
        default_factory=lambda data: Path(data.get("data_dir", "var")) / "models",
        description="Imported models; shared by all processes. Unset: `models` in the data folder.",
    )
    frame_store: str = Field(
        default="shared", pattern="^(shared|redis)$", description="Where pixels in flight lie: shared memory, or Redis."
    )
    frame_store_dir: Path = Field(
        default=Path("/dev/shm") / f"gleaner-{os.getuid()}",
        description="The tmpfs directory of the shared frame store.",
    )
    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the API listens on; 0: any free one.")
    clip_workers: int = Field(default=1, ge=1, description="Clip worker processes started by `gleaner serve`.")
    enhance_workers: int = Field(default=1, ge=1, description="Enhance worker processes started by `gleaner serve`.")
    camera_workers: int = Field(
        default=2, ge=0, description="Camera worker processes started by `gleaner serve`; each runs one camera."
    )
    default_model: str = Field(default="glean-s-x4", description="Model used where a request names none.")
    upload_limit_bytes: int = Field(default=4096 * MIB, ge=1, description="Largest clip accepted.")
    disk_reserve_bytes: int = Field(
        default=512 * MIB, ge=0, description="Free space uploads must leave on the data disk."
    )
    max_pixels: int = Field(default=3840 * 2160 * 2, ge=1, description="Largest picture accepted, width x height.")
    max_output_pixels: int = Field(default=7680 * 4320, ge=1, description="Largest picture produced, width x height.")
    max_duration_s: float = Field(default=12 * 3600.0, gt=0, description="Longest clip accepted.")
    max_streams: int = Field(default=16, ge=1, description="Most streams in a clip.")
    probe_timeout_s: float = Field(default=30.0, gt=0, description="Wall time a probe may take.")
    probe_memory_bytes: int = Field(default=2048 * MIB, ge=256 * MIB, description="Address space a probe may take.")
    segment_s: float = Field(default=8.0, gt=0, description="Target length of a segment; cut at key frames.")
    segments_ahead: int = Field(
        default=8, ge=1, description="Segments of one clip queued at once; clips take turns beyond that."
    )
    window_frames: int = Field(default=8, ge=1, description="Frames of one segment in flight at once.")
    batch_tiles: int = Field(default=16, ge=1, description="Most tiles in one batch of the network.")
    batch_wait_s: float = Field(
        default=0.02, ge=0, description="Longest wait for a batch to fill once a frame is there."
    )
    lease_s: float = Field(default=10.0, gt=0, description="A frame unacknowledged this long goes to another worker.")
    max_deliveries: int = Field(default=3, ge=1, description="Deliveries of a frame before it is given up and resized.")
    live_window_frames: int = Field(default=3, ge=1, description="Frames of one camera in flight at once.")
    camera_networks: str = Field(
        default=PRIVATE_NETWORKS,
        description="Networks where cameras may be, separated by commas. "
        "Loopback, link-local and such count only where named themselves.",
    )
    camera_ports: str = Field(
        default=CAMERA_PORTS, description="Ports that cameras may be reached on, separated by commas; or `any`."
    )
    listen_ports: str = Field(
        default="18554-18563",
        description="Ports on which camera workers wait for gateways that push straight to them.",
    )
    media_server: str = Field(
        default="",
        description="RTSP URL of the media server (MediaMTX), e.g. `rtsp://mediamtx:8554`. Empty: there is none.",
    )
    push_key: SecretStr | None = Field(
        default=None, description="Key with which gateways may publish new streams. Unset: only streams there are."
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Secret that seals cameras' credentials, 32 characters or more. "
        "Unset: the file `secret.key` in the data folder, which is made.",
    )
    threads: int = Field(
        default=0, ge=0, description="Threads of the network per worker that computes one; 0: share of the cores."
    )
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda(:[0-9]+)?)$", description="Where the network runs.")
    preview_timeout_s: float = Field(
        default=120.0, gt=0, description="Longest wait of a dry run for its sample frames."
    )
    retention_s: float = Field(
        default=7 * 86400.0, gt=0, description="How long finished jobs and their files are kept."
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Least level logged.")

    @field_validator("camera_networks")
    @classmethod
    def _networks(cls, text: str) -> str:
        parse_networks(text)
        return text

    @field_validator("listen_ports")
    @classmethod
    def _port_range(cls, text: str) -> str:
        parse_port_range(text)
        return text

    @field_validator("camera_ports")
    @classmethod
    def _ports(cls, text: str) -> str:
        parse_ports(text)
        return text

    @field_validator("media_server")
    @classmethod
    def _server(cls, text: str) -> str:
        from pipeline.media_server import check_server  # here: it brings cryptography, which not all need

        return check_server(text) if text else text

    @field_validator("secret_key")
    @classmethod
    def _secret(cls, secret: SecretStr | None) -> SecretStr | None:
        from pipeline.secrets import SecretKeyError, check_secret

        if secret is not None and secret.get_secret_value():
            try:
                check_secret(secret.get_secret_value().strip())
            except SecretKeyError as error:
                raise ValueError(str(error)) from None
        return secret


class RedisNotSetError(ValueError):
    """A process that needs the service's Redis was started without REDIS_URL."""


def redis_url(settings: Settings) -> SecretStr:
    """The Redis of the service. Raises RedisNotSetError."""
    if settings.redis_url is None:
        raise RedisNotSetError("REDIS_URL is not set: set it to the service's Redis; `gleaner serve` starts its own")
    return settings.redis_url
