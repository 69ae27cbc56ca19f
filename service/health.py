"""Routes for whoever watches the service: alive, ready. They say what is missing, never where it is."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from service.backend import Backend, Given
from service.schemas import HealthBody
from service.views import missing_workers

RETRY_AFTER_S = 5

router = APIRouter(tags=["service"])


@router.head("/", include_in_schema=False)
@router.get("/", summary="Where to go")
async def index() -> dict[str, str]:
    """Entry points of the API."""
    api = {"clips": "/v1/clips", "streams": "/v1/streams", "models": "/v1/models"}
    return {**api, "openapi": "/openapi.json", "health": "/readyz"}


@router.head("/livez", include_in_schema=False)
@router.get("/livez", summary="Alive?")
async def livez() -> HealthBody:
    """Always ok while the process answers."""
    return HealthBody(status="ok")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=HealthBody, summary="Ready?", responses={503: {"model": HealthBody}})
async def readyz(backend: Given) -> JSONResponse:
    """Whether a clip sent now would be worked on: job store, disk space, and a worker of each kind."""
    missing = await _missing(backend)
    body = HealthBody(status="not ready" if missing else "ready", missing=missing).model_dump()
    return JSONResponse(body, 503, {"Retry-After": str(RETRY_AFTER_S)}) if missing else JSONResponse(body)


async def _missing(backend: Backend) -> list[str]:
    missing = []
    try:
        if await to_thread.run_sync(backend.files.free_bytes) < backend.settings.disk_reserve_bytes:
            missing.append("disk space")
    except OSError:
        missing.append("data directory")
    try:
        return missing + await backend.ask(missing_workers, backend)
    except RedisError:
        return [*missing, "redis"]
