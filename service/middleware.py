"""What holds for every request: trace id, security headers, a small body limit, no cross-site writes. Knows no job."""

from __future__ import annotations

import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import ProblemError, response

BODY_LIMIT_BYTES = 64 * 1024  # routes that take no upload
UPLOAD_ROUTE = ("POST", "/v1/clips")  # counts its body itself, see uploads.py

_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})  # asked for every few seconds by machines

log = structlog.get_logger()


class Guard:
    """Outermost middleware of the app. Pure ASGI: bodies and streams pass through unbuffered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        trace_id = scope["gleaner.trace_id"] = secrets.token_hex(16)
        began, status = time.monotonic(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                headers["Trace-Id"] = trace_id
            await send(message)

        try:
            problem = _refusal(scope)
            if problem is None:
                await self.app(scope, _counted(scope, receive), send_guarded)
            else:
                refuse = response(problem, instance=scope["path"], trace_id=trace_id)
                await refuse(scope, receive, send_guarded)
        except Exception as error:
            log.error("request failed", path=scope["path"], trace_id=trace_id, exc_info=error)
            if status:  # the answer has begun: cut it off, so that the client cannot take it for whole
                raise
            detail = f"the service failed in an unexpected way; its log has more under trace id {trace_id}"
            failure = response(ProblemError("internal-error", detail), instance=scope["path"], trace_id=trace_id)
            await failure(scope, receive, send_guarded)
        finally:
            if scope["path"] not in _QUIET:
                took_ms = round((time.monotonic() - began) * 1000, 1)
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    took_ms=took_ms,
                    trace_id=trace_id,
                )


def _refusal(scope: Scope) -> ProblemError | None:
    """What is wrong with a request before any of it is read."""
    headers = Headers(scope=scope)
    # A page of another site can make a browser send a form here without asking (no CORS preflight for multipart).
    if scope["method"] not in _SAFE_METHODS and headers.get("sec-fetch-site") == "cross-site":
        return ProblemError("cross-site", "this request was started by a web page of another site", close=True)
    length = headers.get("content-length", "0")
    if not _takes_upload(scope) and (not length.isdecimal() or int(length) > BODY_LIMIT_BYTES):
        return _too_large()
    return None


def _counted(scope: Scope, receive: Receive) -> Receive:
    """`receive` that stops a body without Content-Length at the limit."""
    if _takes_upload(scope):
        return receive
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        if message["type"] == "http.request":
            total += len(message.get("body", b""))
            if total > BODY_LIMIT_BYTES:
                raise _too_large()
        return message

    return counted


def _too_large() -> ProblemError:
    return ProblemError("body-too-large", f"this route takes at most {BODY_LIMIT_BYTES} bytes", close=True)


def _takes_upload(scope: Scope) -> bool:
    return (scope["method"], scope["path"]) == UPLOAD_ROUTE
