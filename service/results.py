"""Routes of what a clip became: the enhanced file and its report."""

from __future__ import annotations

import base64
import os
from pathlib import Path, PurePosixPath
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from pipeline.job import Job, JobState
from service import ranges
from service.backend import Given
from service.lookup import ClipJob
from service.names import content_disposition, result_name, split_suffix
from service.problems import ProblemError
from service.schemas import ProblemBody
from service.views import CLIPS

MEDIA_TYPES = {".mp4": "video/mp4", ".mkv": "video/x-matroska"}

router = APIRouter(prefix=CLIPS, tags=["clips"])

_NOT_THERE: dict[int | str, dict[str, Any]] = {code: {"model": ProblemBody} for code in (404, 409, 410, 416)}


@router.head("/{clip_id}/result", include_in_schema=False)
@router.get(
    "/{clip_id}/result",
    response_class=FileResponse,
    summary="Download the enhanced clip",
    responses={
        200: {"content": {"video/mp4": {}, "video/x-matroska": {}}},
        206: {"description": "The ranges that were asked for."},
        304: {"description": "Not changed."},
        **_NOT_THERE,
    },
)
async def clip_result(request: Request, job: ClipJob, backend: Given) -> Response:
    """Whole or in ranges. The ETag is the file's SHA-256."""
    result = outcome(job)
    suffix = PurePosixPath(result["file"]).suffix
    digest = bytes.fromhex(result["sha256"])
    headers = {
        "ETag": f'"sha256-{digest.hex()}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        "Content-Disposition": content_disposition(result_name(job.source_name, suffix)),
    }
    return await send_file(request, backend.files.result(job.id, suffix), MEDIA_TYPES.get(suffix, ""), headers)


@router.head("/{clip_id}/report", include_in_schema=False)
@router.get(
    "/{clip_id}/report",
    response_class=FileResponse,
    summary="Download the report",
    responses={200: {"content": {"application/json": {}}}, **_NOT_THERE},
)
async def clip_report(request: Request, job: ClipJob, backend: Given) -> Response:
    """What was done to the clip and to each of its frames, as JSON."""
    result = outcome(job)
    name = f"{split_suffix(job.source_name)[0]}-report.json"
    headers = {"ETag": f'"report-{result["sha256"]}"', "Content-Disposition": content_disposition(name)}
    return await send_file(request, backend.files.report(job.id), "application/json", headers)


def outcome(job: Job) -> dict[str, Any]:
    """The result of a job that is done. Raises ProblemError 'not-ready' or 'no-result'."""
    if job.state is JobState.DONE and job.result is not None:
        return job.result
    if job.terminal:
        raise ProblemError("no-result", f"the {job.kind.value} was {job.state.value}; it has no result")
    raise ProblemError("not-ready", f"the {job.kind.value} is {job.state.value}; wait for the state done")


async def send_file(request: Request, path: Path, media_type: str, headers: dict[str, str]) -> Response:
    """The file, the ranges of it that were asked for, or 304. `headers` has its ETag.

    Raises ProblemError 'gone' or 'range-not-satisfiable'.
    """
    try:
        stat: os.stat_result = await to_thread.run_sync(path.stat)
    except FileNotFoundError:
        raise ProblemError("gone", "the file has been deleted") from None
    headers = {"Cache-Control": "private, no-cache", "Accept-Ranges": "bytes", **headers}
    if ranges.matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if_range = request.headers.get("if-range")
    wanted = None
    if request.method == "GET" and (if_range is None or if_range == headers["ETag"]):
        wanted = ranges.parse(request.headers.get("range"), stat.st_size)
    if wanted == []:
        detail = f"the file has {stat.st_size} bytes"
        raise ProblemError("range-not-satisfiable", detail, headers={"Content-Range": f"bytes */{stat.st_size}"})
    _ask_for(request, wanted)
    return FileResponse(path, headers=headers, media_type=media_type or None, stat_result=stat)


def _ask_for(request: Request, wanted: ranges.Ranges | None) -> None:
    """Puts the decided ranges in the request's place: Starlette would refuse what RFC 9110 wants ignored."""
    drop = (b"range", b"if-range")
    kept = [(name, value) for name, value in request.scope["headers"] if name not in drop]
    if wanted is not None:
        kept.append((b"range", ranges.header(wanted).encode()))
    request.scope["headers"] = kept
