"""What holds for every request: trace id, security headers, a small body limit, no cross-site writes. Knows no job."""

from __future__ import annotations

import secrets
import time

import structlog
from anyio import BrokenResourceError, ClosedResourceError, move_on_after
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import ProblemError, response

BODY_LIMIT_BYTES = 64 * 1024  # routes that take no upload
LINGER_S, LINGER_BYTES = 2.0, 32 * 1024 * 1024  # how much of an unwanted body is still taken in after the answer
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
        exchange = _Exchange(scope, receive, send, trace_id)
        began = time.monotonic()
        try:
            problem = _refusal(scope)
            if problem is not None:
                raise problem
            await self.app(scope, exchange.receive, exchange.send)
        except ProblemError as error:
            await response(error, instance=scope["path"], trace_id=trace_id)(scope, receive, exchange.send)
        except Exception as error:
            if exchange.status and _client_left(error):  # in the middle of an event stream: nothing is wrong
                return
            log.error("request failed", path=scope["path"], trace_id=trace_id, exc_info=error)
            if exchange.status:  # the answer has begun: cut it off, so that the client cannot take it for whole
                raise
            detail = f"the service failed in an unexpected way; its log has more under trace id {trace_id}"
            failure = response(ProblemError("internal-error", detail), instance=scope["path"], trace_id=trace_id)
            await failure(scope, receive, exchange.send)
        finally:
            if scope["path"] not in _QUIET:
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=exchange.status,
                    took_ms=round((time.monotonic() - began) * 1000, 1),
                    trace_id=trace_id,
                )


def _client_left(error: BaseException) -> bool:
    """Whether all that went wrong is that nobody takes what FastAPI's event stream sends any more."""
    if isinstance(error, BaseExceptionGroup):
        return all(_client_left(each) for each in error.exceptions)
    return isinstance(error, BrokenResourceError | ClosedResourceError)


class _Exchange:
    """One request and its answer, watched: how much of the body came, what was answered."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, trace_id: str) -> None:
        headers = Headers(scope=scope)
        self.status = 0
        self._receive, self._send, self._trace_id = receive, send, trace_id
        self._limit = None if _takes_upload(scope) else BODY_LIMIT_BYTES
        self._unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        self._total = 0

    async def receive(self) -> Message:
        """The next piece of the body. Raises ProblemError when it passes the limit."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._total += len(message.get("body", b""))
            self._unread = message.get("more_body", False)
            if self._limit is not None and self._total > self._limit:
                raise _too_large()
        elif message["type"] == "http.disconnect":
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            headers["Trace-Id"] = self._trace_id
            if self._unread:
                headers["Connection"] = "close"
        elif self._unread and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def _linger(self) -> None:
        """Takes in what is still coming of an unwanted body before the connection is closed.

        Closed at once, the kernel would answer it with a reset, which can overtake the answer on its way to the client.
        """
        taken = 0
        with move_on_after(LINGER_S):
            while self._unread and taken < LINGER_BYTES:
                message = await self._receive()
                taken += len(message.get("body", b""))
                self._unread = message["type"] == "http.request" and message.get("more_body", False)
        self._unread = False


def _refusal(scope: Scope) -> ProblemError | None:
    """What is wrong with a request before any of it is read."""
    headers = Headers(scope=scope)
    # A page of another site can make a browser send a form here without asking (no CORS preflight for multipart).
    if scope["method"] not in _SAFE_METHODS and headers.get("sec-fetch-site") == "cross-site":
        return ProblemError("cross-site", "this request was started by a web page of another site")
    length = headers.get("content-length", "0")
    if not _takes_upload(scope) and (not length.isdecimal() or int(length) > BODY_LIMIT_BYTES):
        return _too_large()
    return None


def _too_large() -> ProblemError:
    return ProblemError("body-too-large", f"this route takes at most {BODY_LIMIT_BYTES} bytes")


def _takes_upload(scope: Scope) -> bool:
    return (scope["method"], scope["path"]) == UPLOAD_ROUTE
