"""`gleaner serve`, `api`, `worker`: the processes of the service."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from commands.common import clean_errors, service_settings
from pipeline.settings import redis_url


class WorkerKind(StrEnum):
    CLIP = "clip"
    ENHANCE = "enhance"
    CAMERA = "camera"


def serve() -> None:
    """Run the whole service on this machine: API, workers and, unless REDIS_URL is set, a Redis of its own."""
    from pipeline.standalone import run_standalone

    with clean_errors():
        settings = service_settings()
        run_standalone(settings, command=[sys.executable, "-m", "gleaner"])


def api() -> None:
    """Run the HTTP API only; needs REDIS_URL."""
    from pipeline.standalone import check_address
    from service.app import create_app
    from service.server import Server

    with clean_errors():
        settings = service_settings()
        redis = redis_url(settings).get_secret_value()
        check_address(settings.host, settings.port)
        server = Server(create_app(settings, redis), settings.host, settings.port)
        server.run()
        if not server.started:
            raise typer.Exit(1)


def worker(
    kind: Annotated[
        WorkerKind, typer.Argument(help="clip: decode and encode; enhance: run the network; camera: live.")
    ],
) -> None:
    """Run one worker process; needs REDIS_URL. SIGTERM drains it."""
    with clean_errors():
        if kind is WorkerKind.CLIP:
            from workers.clip_process import run_clip_worker

            run_clip_worker(service_settings())
        elif kind is WorkerKind.CAMERA:
            from workers.camera_process import run_camera_worker

            run_camera_worker(service_settings())
        else:
            from workers.enhance_process import run_enhance_worker

            run_enhance_worker(service_settings())


def openapi() -> None:
    """Print the API's OpenAPI document."""
    from service.openapi import export

    typer.echo(export())
