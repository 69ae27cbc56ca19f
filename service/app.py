"""The HTTP app, put together. Importing it does nothing; `create_app` makes one for given settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from pipeline.settings import Settings
from service import (
    catalog,
    clips,
    events,
    explorations,
    explore_pictures,
    footage,
    handlers,
    health,
    live,
    metrics,
    previews,
    push_auth,
    recordings,
    results,
    snapshots,
    stream_events,
    stream_reports,
    streams,
)
from service.backend import open_backend
from service.middleware import Guard
from service.problems import MEDIA_TYPE
from service.schemas import ProblemBody

API_VERSION = "1"
DESCRIPTION = (
    "Enhances surveillance video, clips and live cameras. "
    "Errors are problem documents (RFC 9457) with stable codes; see docs/api.md."
)


class Api(FastAPI):
    """FastAPI, whose document says that problems are sent as problem documents."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    if path.startswith("/v1/"):
                        _declare_problems(operation["responses"])
        return super().openapi()


def create_app(settings: Settings, redis_url: str) -> FastAPI:
    """An app that keeps its jobs in the Redis at `redis_url` and its files in `settings.data_dir`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_backend(settings, redis_url) as backend:
            app.state.backend = backend
            yield

    app = Api(
        title="Gleaner",
        version=API_VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    of_clips = (clips, events, results, previews, explorations, explore_pictures)
    of_streams = (streams, stream_events, snapshots, live, footage, recordings, stream_reports, push_auth)
    for part in (*of_clips, *of_streams, catalog):
        app.include_router(part.router, responses={code: {"model": ProblemBody} for code in (422, 500, 503)})
    for part in (health, metrics):
        app.include_router(part.router)
    handlers.install(app)
    app.add_middleware(Guard)
    return app


def _declare_problems(responses: dict[str, Any]) -> None:
    for status, answer in responses.items():
        if status >= "400" and answer.get("content"):
            answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}}}
