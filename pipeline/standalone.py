"""The whole service on one machine: a Redis of its own where none is given, the API, and the workers, supervised.

Starts commands and knows what they are called, not what they do.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from pipeline.embedded import EmbeddedRedis
from pipeline.settings import Settings
from pipeline.supervisor import ProcessSpec, Supervised, Supervisor

API_GRACE_S = 15.0
CLIP_GRACE_S = 20.0  # more than the worker gives the job it runs to hand itself back
CAMERA_GRACE_S = 20.0  # the same
ENHANCE_GRACE_S = 60.0  # one round of batches

log = structlog.get_logger(__name__)


class AddressError(Exception):
    """The API cannot listen where it is told to. The message is for people."""


def check_address(host: str, port: int) -> None:
    """Fails at once where the API's address cannot be had; supervised, it would be started again for ever.

    Raises AddressError.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)  # two sockets may be bound to one address, but not listen on it
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressError(f"port {port} of {host} is taken; stop what uses it, or set GLEANER_PORT") from None
        raise AddressError(
            f"cannot listen on {host}, port {port} ({error.strerror or error}); set GLEANER_HOST and GLEANER_PORT"
        ) from None


@dataclass(frozen=True, slots=True)
class _Started:
    """A Redis that runs already when the supervisor comes to start it: the workers' environment needed its URL."""

    redis: EmbeddedRedis

    @property
    def name(self) -> str:
        return self.redis.name

    @property
    def pid(self) -> int | None:
        return self.redis.pid

    def start(self) -> None:
        """Nothing: it runs."""

    def alive(self) -> bool:
        return self.redis.alive()

    def restart(self) -> None:
        self.redis.restart()

    def stop(self) -> None:
        self.redis.stop()


def run_standalone(settings: Settings, command: Sequence[str]) -> None:
    """Run until SIGTERM or SIGINT, then drain and stop all.

    command: how `gleaner` is called, e.g. ("python", "-m", "gleaner"). Raises EmbeddedRedisError, AddressError.
    """
    check_address(settings.host, settings.port)
    frames = frame_store_dir(settings)
    env = {**os.environ, "GLEANER_FRAME_STORE_DIR": str(frames)}
    redis = None if settings.redis_url else EmbeddedRedis(settings.data_dir / "redis")
    stages: list[list[ProcessSpec | Supervised]] = []
    with contextlib.ExitStack() as stack:
        if redis is not None:
            stack.callback(redis.stop)
            env["REDIS_URL"] = redis.start()
            stages.append([_Started(redis)])
        stages.append([*process_specs(settings, command, env)])
        supervisor = Supervisor(stages)
        with supervisor.stopping_on_signals():
            log.info("service starting", url=f"http://{settings.host}:{settings.port}", data=str(settings.data_dir))
            supervisor.run()
    with contextlib.suppress(OSError):  # not there, or another service's pixels are in it
        frames.rmdir()
    log.info("service stopped")


def process_specs(settings: Settings, command: Sequence[str], env: dict[str, str]) -> list[ProcessSpec]:
    """The processes of the service, Redis aside."""

    def spec(name: str, arguments: Sequence[str], grace_s: float) -> ProcessSpec:
        return ProcessSpec(name=name, argv=(*command, *arguments), env=env, grace_s=grace_s)

    return [
        spec("api", ["api"], API_GRACE_S),
        *(spec(f"clip-{n}", ["worker", "clip"], CLIP_GRACE_S) for n in range(settings.clip_workers)),
        *(spec(f"enhance-{n}", ["worker", "enhance"], ENHANCE_GRACE_S) for n in range(settings.enhance_workers)),
        *(spec(f"camera-{n}", ["worker", "camera"], CAMERA_GRACE_S) for n in range(settings.camera_workers)),
    ]


def frame_store_dir(settings: Settings) -> Path:
    """The frame store's folder: as set, else one for this data folder, since services must not share it."""
    if "frame_store_dir" in settings.model_fields_set:
        return settings.frame_store_dir
    token = hashlib.sha256(str(settings.data_dir.resolve()).encode()).hexdigest()[:8]
    return settings.frame_store_dir.with_name(f"{settings.frame_store_dir.name}-{token}")
