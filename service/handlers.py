"""Turns exceptions into problem documents; what is not listed here is middleware.py's. Knows no route."""

from __future__ import annotations

import errno
from typing import Any, cast

import redis.exceptions
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from media.types import MediaError
from service.problems import PROBLEMS, ProblemError, invalid, response

log = structlog.get_logger()

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")  # that this API uses anywhere
NO_ANSWER_STATUS = 499  # as nginx logs it: the client went away, nobody reads this
_OF_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large", 415: "unsupported-media-type"}
_REDIS_AWAY = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
)


def install(app: FastAPI) -> None:
    """Makes `app` answer problem documents only."""
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(MediaError, _media)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _disconnect)
    app.add_exception_handler(OSError, _os)
    for away in _REDIS_AWAY:
        app.add_exception_handler(away, _redis)


def of_media(error: MediaError) -> ProblemError:
    """The problem of a clip; a code that is not in the table is still a client's problem."""
    return ProblemError(error.code if error.code in PROBLEMS else "unreadable", str(error))


def trace_id(request: Request) -> str:
    return str(request.scope.get("gleaner.trace_id", ""))


def answer(request: Request, problem: ProblemError) -> Response:
    return response(problem, instance=request.url.path, trace_id=trace_id(request))


async def _problem(request: Request, error: Exception) -> Response:
    return answer(request, cast(ProblemError, error))


async def _media(request: Request, error: Exception) -> Response:
    return answer(request, of_media(cast(MediaError, error)))


async def _validation(request: Request, error: Exception) -> Response:
    found = cast(RequestValidationError, error).errors()
    return answer(request, invalid([(_field(e), e) for e in found]))


def _field(error: dict[str, Any]) -> str:
    """Name of what is wrong; the body itself where it could not be taken apart."""
    inner = () if error["type"] == "json_invalid" else error["loc"][1:]
    return ".".join(map(str, inner)) or "body"


async def _http(request: Request, error: Exception) -> Response:
    http = cast(HTTPException, error)
    code = _OF_STATUS.get(http.status_code, "bad-request" if http.status_code < 500 else "internal-error")
    details = {
        "not-found": f"nothing lives at {request.url.path}",
        "method-not-allowed": f"{request.method} is not allowed at {request.url.path}",
    }
    headers = dict(http.headers or {})
    if code == "method-not-allowed":
        headers["Allow"] = ", ".join(_methods(request))
    return answer(request, ProblemError(code, details.get(code, str(http.detail)), headers=headers))


def _methods(request: Request) -> list[str]:
    """What is allowed at the request's path: Starlette names the methods of the first route that has the path only."""
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]


async def _disconnect(request: Request, error: Exception) -> Response:
    log.info("client went away", path=request.url.path, trace_id=trace_id(request))
    return Response(status_code=NO_ANSWER_STATUS)


async def _os(request: Request, error: Exception) -> Response:
    if cast(OSError, error).errno in (errno.ENOSPC, errno.EDQUOT):
        return answer(request, disk_full())
    raise error


async def _redis(request: Request, error: Exception) -> Response:
    # The exception's text may hold an address; the client learns only that the store is away.
    log.error("redis unavailable", error=type(error).__name__, trace_id=trace_id(request))
    return answer(request, redis_away())


def disk_full() -> ProblemError:
    detail = "the data disk has no room for this clip; delete old clips, or try again later"
    return ProblemError("disk-full", detail)


def redis_away() -> ProblemError:
    return ProblemError("redis-unavailable", "the job store does not answer; try again in some seconds")
