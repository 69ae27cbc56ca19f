"""Answers about a job that has been queued, and that is asked for again and again. Knows no route and no job."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from service.ranges import matches

RETRY_AFTER_S = 2  # when to look at a job again that has not ended


def accepted(body: BaseModel, location: str, headers: Mapping[str, str]) -> Response:
    """202 with the new job's body and address."""
    sent = {"Location": location, "Retry-After": str(RETRY_AFTER_S), **headers}
    return JSONResponse(body.model_dump(mode="json"), 202, sent)


def polled(body: BaseModel, if_none_match: str | None, *, terminal: bool) -> Response:
    """The body with an ETag of its content, or 304 where the client has it already."""
    content = body.model_dump_json().encode()
    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"', "Cache-Control": "no-cache"}
    if not terminal:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")
