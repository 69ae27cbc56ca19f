"""Problem documents (RFC 9457): every error the API answers with, in one table. Knows no route.

`docs/api.md` lists the codes; a test compares it with PROBLEMS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "/problems/"  # a relative reference: an identifier, not necessarily a page
REDIS_RETRY_S = 5
BUSY_RETRY_S = 10


_SECRET = (("url",), ("push_url",), ("password",), ("token",), ("query",))  # fields whose value is never repeated
_WORDS = {  # where pydantic's own are not for users
    "extra_forbidden": "there is no such option",
    "json_invalid": "it is no JSON",
    "model_attributes_type": "it must be a JSON object, and the body's Content-Type application/json",
}
_MOMENT = "write it like 2026-11-22T19:00:00Z"
_REMEDIES = {
    "timezone_aware": "write its time zone behind it, Z or like +02:00",
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What all problems of one code have in common."""

    status: int
    title: str
    retry_after_s: int | None = None


PROBLEMS: dict[str, Kind] = {
    # The request
    "invalid-request": Kind(422, "The request is not valid"),
    "bad-request": Kind(400, "The request cannot be understood"),
    "not-found": Kind(404, "There is no such thing here"),
    "method-not-allowed": Kind(405, "This method is not allowed here"),
    "cross-site": Kind(403, "Web pages of other sites may not use this API"),
    "body-too-large": Kind(413, "The request body is too large"),
    "invalid-cursor": Kind(400, "The cursor is not one of ours"),
    "range-not-satisfiable": Kind(416, "The range lies outside the file"),
    # The upload
    "malformed-multipart": Kind(400, "The multipart body is malformed"),
    "missing-file": Kind(422, "The upload has no file"),
    "unsupported-media-type": Kind(415, "The content type is not accepted"),
    "too-large": Kind(413, "The clip is too large"),
    "upload-timeout": Kind(408, "The upload stalled"),
    "disk-full": Kind(507, "The data disk is full"),
    # Idempotency-Key
    "invalid-idempotency-key": Kind(400, "The Idempotency-Key is not valid"),
    "idempotency-mismatch": Kind(422, "This Idempotency-Key was used for another request"),
    "idempotency-in-flight": Kind(409, "A request with this Idempotency-Key is in progress", 5),
    # The options
    "unknown-model": Kind(422, "There is no such model"),
    "unknown-scale": Kind(422, "The model does not have this scale"),
    "no-vivid-training": Kind(422, "The model cannot be asked for detail"),
    "scale-and-height": Kind(422, "A scale and a target height cannot both be met"),
    "height-out-of-reach": Kind(422, "The model cannot reach this height"),
    "output-too-large": Kind(422, "The output picture would be too large"),
    "unsupported-output": Kind(422, "The output cannot be written as asked"),
    # The clip
    "empty-file": Kind(422, "The file is empty"),
    "not-a-file": Kind(422, "The source is not a file"),
    "unsupported-format": Kind(415, "The file is not in a supported video format"),
    "unsupported-codec": Kind(415, "The clip's codec is not supported"),
    "unreadable": Kind(422, "The clip cannot be read"),
    "no-video": Kind(422, "The clip has no video stream"),
    "too-many-pixels": Kind(422, "The clip's picture is too large"),
    "too-long": Kind(422, "The clip is too long"),
    "too-many-streams": Kind(422, "The clip has too many streams"),
    "probe-timeout": Kind(422, "Looking into the clip took too long"),
    "probe-failed": Kind(422, "The clip could not be looked into"),
    # The exploration
    "no-bank": Kind(422, "There is no bank to explore with"),
    "not-a-bank": Kind(422, "The model is no bank"),
    "frame-out-of-range": Kind(422, "The clip has no such frame"),
    "box-out-of-range": Kind(422, "The box cannot be explored"),
    # The stream
    "camera-url-malformed": Kind(422, "The camera's URL cannot be read"),
    "camera-url-scheme": Kind(422, "The camera's URL is not of RTSP"),
    "camera-host-malformed": Kind(422, "The camera's host cannot be read"),
    "camera-host-unknown": Kind(422, "The camera's host has no address"),
    "camera-port-denied": Kind(422, "Cameras may not be on this port"),
    "camera-network-denied": Kind(422, "Cameras may not be in this network"),
    "name-taken": Kind(409, "Another stream has this name"),
    "no-media-server": Kind(422, "The service has no media server"),
    "stream-changed": Kind(409, "The stream was changed meanwhile"),
    "stream-not-online": Kind(404, "The stream shows nothing now", 5),
    "playlist-stalled": Kind(503, "The live view does not go on", 2),
    "no-snapshot": Kind(503, "No snapshot came in time", 2),
    "no-footage": Kind(422, "Nothing of this time is kept"),
    "no-report": Kind(404, "Nothing of this time is logged"),
    "cut-timeout": Kind(422, "Cutting the stretch took too long"),
    "cut-failed": Kind(422, "The stretch could not be cut"),
    "push-unauthorised": Kind(401, "Publishing and reading need a key"),
    "push-forbidden": Kind(403, "This may not be published or read"),
    "too-many-attempts": Kind(429, "Too many wrong keys were given"),
    # The job
    "not-ready": Kind(409, "The result is not ready", 5),
    "no-result": Kind(409, "The job ended without a result"),
    "gone": Kind(410, "It was there and has been deleted"),
    "preview-failed": Kind(422, "The preview could not be made"),
    "no-worker": Kind(503, "No worker answered in time", 30),
    # The service
    "too-busy": Kind(503, "Too many connections", BUSY_RETRY_S),
    "redis-unavailable": Kind(503, "The job store does not answer", REDIS_RETRY_S),
    "internal-error": Kind(500, "Something went wrong in the service"),
}


class ProblemError(Exception):
    """Raised anywhere in the service, answered as a problem document.

    `detail` goes to the client as it is: no paths, no secrets. `errors` name the fields that are wrong.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.kind = PROBLEMS[code]
        self.code, self.detail = code, detail
        self.errors = errors or []
        self.headers = dict(headers or {})


def invalid(found: Iterable[tuple[str, Mapping[str, Any]]]) -> ProblemError:
    """'invalid-request' of pydantic's errors, each with its field's name and, where it is a plain one, the value."""
    errors = [{"field": "?" if secret_like(field) else field[:64], "detail": _detail(e)} for field, e in found]
    listed = "; ".join(f"{e['field']}: {e['detail']}" for e in errors)
    return ProblemError("invalid-request", f"not valid: {listed}", errors=errors)


def _detail(error: Mapping[str, Any]) -> str:
    if (words := _WORDS.get(str(error["type"]))) is not None:
        return words
    said = str(error["msg"]).removeprefix("Value error, ")
    value = error.get("input")
    if isinstance(value, str) and (secret_like(value) or error.get("loc", ())[-1:] in _SECRET):
        return said
    remedy = _REMEDIES.get(str(error["type"]))
    said += f", not {value!r:.40}" if isinstance(value, str | int | float) else ""
    return f"{said}; {remedy}" if remedy else said


def secret_like(text: str) -> bool:
    """Whether it may be, or hold, a URL with a password, wherever it was put by mistake: it is never repeated."""
    return "://" in text or "@" in text


def response(problem: ProblemError, *, instance: str, trace_id: str) -> JSONResponse:
    """The answer to the client; `instance` is the request's path."""
    kind = problem.kind
    document: dict[str, Any] = {
        "type": TYPE_BASE + problem.code,
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "instance": instance,
        "code": problem.code,
        "trace_id": trace_id,
    }
    if problem.errors:
        document["errors"] = problem.errors
    headers = dict(problem.headers)
    if kind.retry_after_s is not None:
        headers.setdefault("Retry-After", str(kind.retry_after_s))
    return JSONResponse(document, kind.status, headers, media_type=MEDIA_TYPE)
