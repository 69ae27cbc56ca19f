"""Snapshots of a stream: its newest frame as it came, enhanced, or both side by side."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from anyio import move_on_after, sleep, to_thread
from fastapi import APIRouter, Query, Response

from media.camera_files import ChildLimits, pair_pictures
from media.types import MediaError
from pipeline.stream import Stream, StreamState
from service.backend import Backend, Given
from service.problems import ProblemError
from service.schemas import ProblemBody
from service.stream_lookup import KnownStream
from service.stream_views import STREAMS, not_online

WAIT_S = 8.0  # for the camera worker to write what was asked for
YOUNG_S = 1.0  # a picture no older than this is as good as a new one
LOOK_S = 0.05
PAIR_TIMEOUT_S = 20.0
JPEG = "image/jpeg"

router = APIRouter(prefix=STREAMS, tags=["streams"])


class Which(StrEnum):
    SOURCE = "source"
    ENHANCED = "enhanced"
    BOTH = "both"


@router.head("/{stream_id}/snapshot.jpg", include_in_schema=False)
@router.get(
    "/{stream_id}/snapshot.jpg",
    response_class=Response,
    summary="The newest frame",
    responses={200: {"content": {JPEG: {}}}, **{code: {"model": ProblemBody} for code in (404, 503)}},
)
async def stream_snapshot(
    stream: KnownStream,
    backend: Given,
    which: Annotated[Which, Query(description="both: the source, enlarged, on the left.")] = Which.ENHANCED,
) -> Response:
    """A JPEG of a frame that came no more than a second before the request, or after it."""
    status = await backend.ask(backend.streams.status, stream.id)
    if status.state is not StreamState.ONLINE:
        raise not_online(stream, status, "picture")
    names = ("source", "enhanced") if which is Which.BOTH else (which.value,)
    paths = [backend.stream_files.snapshot(stream.id, name) for name in names]
    await _wait(backend, stream, paths)
    try:
        content = await (_pair(backend, *paths) if which is Which.BOTH else to_thread.run_sync(paths[0].read_bytes))
    except (MediaError, FileNotFoundError):
        raise _none(stream) from None
    return Response(content, media_type=JPEG, headers={"Cache-Control": "no-store"})


async def _wait(backend: Backend, stream: Stream, paths: list[Path]) -> None:
    """Returns once the pictures are young. Raises ProblemError 'no-snapshot'."""
    since = time.time() - YOUNG_S
    if await to_thread.run_sync(_young, paths, since):
        return
    await backend.ask(backend.streams.want_snapshot, stream.id)
    with move_on_after(WAIT_S):
        while not await to_thread.run_sync(_young, paths, since):
            await sleep(LOOK_S)
        return
    raise _none(stream)


async def _pair(backend: Backend, source: Path, enhanced: Path) -> bytes:
    limits = ChildLimits(backend.settings.probe_memory_bytes, PAIR_TIMEOUT_S)
    return await to_thread.run_sync(pair_pictures, source, enhanced, limits, limiter=backend.pictures)


def _young(paths: list[Path], since: float) -> bool:
    try:
        return all(path.stat().st_mtime >= since for path in paths)
    except FileNotFoundError:
        return False


def _none(stream: Stream) -> ProblemError:
    detail = f"no frame of stream {stream.name} came within {WAIT_S:g} s; its status says how it is doing"
    return ProblemError("no-snapshot", detail)
