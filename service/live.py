"""The live view of a stream: its HLS playlist, with blocking reload, and the files it names."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from pipeline.files import check_id
from pipeline.stream import Stream, StreamState, StreamStatus
from pipeline.stream_errors import UnknownStream
from service.backend import Backend, Given, answer_time
from service.playlists import Playlist, Position, base, sent
from service.problems import ProblemError
from service.results import send_file
from service.schemas import ProblemBody
from service.stream_lookup import KnownStream, no_stream
from service.stream_views import PLAYLIST, STREAMS, not_online

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
WAIT_TARGETS, WAIT_S = 3, 10.0  # a blocking reload lasts at most so many segments' length, and so many seconds
PART_WAIT_S = 4.0  # longest wait for a part that a player asks for before it is there (EXT-X-PRELOAD-HINT)
AHEAD = 2  # segments that a player may ask for in advance; more is a mistake (rfc8216bis 6.2.5.2)
KEPT_S = 3600  # a name means one content for ever, but a file is gone after some seconds
_FILE = re.compile(r"init-[0-9]{1,9}\.mp4|seg-[0-9]{1,9}\.m4s|part-([0-9]{1,9})-([0-9]{1,4})\.m4s")
_LAST_SEEN = frozenset({StreamState.WAITING, StreamState.STOPPED, StreamState.FAILED})  # nothing will come soon

router = APIRouter(prefix=STREAMS, tags=["streams"])

_NOT_THERE: dict[int | str, dict[str, Any]] = {404: {"model": ProblemBody}}
Msn = Annotated[
    int | None, Query(alias="_HLS_msn", ge=0, le=1 << 53, description="Answer once this segment is in the playlist.")
]
Part = Annotated[int | None, Query(alias="_HLS_part", ge=0, le=9999, description="Or this part of it.")]


@router.head(f"/{{stream_id}}/live/{PLAYLIST}", include_in_schema=False)
@router.get(
    f"/{{stream_id}}/live/{PLAYLIST}",
    response_class=Response,
    summary="The live view's playlist",
    responses={
        200: {"content": {PLAYLIST_TYPE: {}}},
        **{code: {"model": ProblemBody} for code in (400, 404, 503)},
    },
)
async def live_playlist(stream: KnownStream, backend: Given, msn: Msn = None, part: Part = None) -> Response:
    """HLS, low latency where the player can. Ends with 404 while the stream is not online, and says why."""
    if part is not None and msn is None:
        raise ProblemError("bad-request", "_HLS_part needs _HLS_msn beside it")
    if not stream.options.hls:
        raise ProblemError(
            "stream-not-online", f"stream {stream.name} has no live view: hls is false; PATCH it to true"
        )
    status = await _status(backend, stream)
    path = backend.stream_files.live(stream.id, status.epoch) / PLAYLIST
    found = None if status.state in _LAST_SEEN else await backend.playlists.read(path)
    if found is None:
        raise not_online(stream, status, "live view")
    if msn is not None:
        found = await _reloaded(backend, stream, status, found, msn - base(status.epoch), part)
    text = sent(found.text, status.epoch)
    return Response(text, media_type=PLAYLIST_TYPE, headers={"Cache-Control": "no-store"})


async def _reloaded(
    backend: Backend, stream: Stream, status: StreamStatus, found: Playlist, msn: int, part: int | None
) -> Playlist:
    """The playlist once it holds the segment or part. msn: as the files are numbered; less than 0: of an owner before.

    Raises ProblemError 'bad-request', 'too-busy' or 'playlist-stalled'.
    """
    at = found.position
    if at.holds(msn, part):
        return found
    if msn > at.last + AHEAD:
        detail = f"_HLS_msn is {msn + base(status.epoch)}; the playlist is at {at.last + base(status.epoch)}"
        raise ProblemError("bad-request", f"{detail}: ask for the next one, or without _HLS_msn")
    if backend.playlists.full:
        raise ProblemError("too-busy", "too many players wait for live views; ask for the playlist without _HLS_msn")
    path = backend.stream_files.live(stream.id, status.epoch) / PLAYLIST
    limit_s = min(WAIT_TARGETS * at.target_s, WAIT_S)
    later = await backend.playlists.wait(path, lambda position: position.holds(msn, part), limit_s)
    if later is None:
        now = await _status(backend, stream)
        detail = f"nothing new came within {limit_s:g} s; the stream is {now.state.value}"
        raise ProblemError("playlist-stalled", detail)
    return later


@router.head("/{stream_id}/live/{epoch}/{file}", include_in_schema=False)
@router.get(
    "/{stream_id}/live/{epoch}/{file}",
    response_class=FileResponse,
    summary="A piece of the live view",
    responses={200: {"content": {"video/mp4": {}}}, 416: {"model": ProblemBody}, **_NOT_THERE},
)
async def live_file(
    request: Request,
    backend: Given,
    stream_id: str,
    epoch: Annotated[int, Path(ge=1, le=1 << 53)],
    file: Annotated[str, Path(max_length=40, description="As the playlist names it.")],
) -> Response:
    """An initialisation section, a segment, or a part of one. A part that is due is waited for."""
    match = _FILE.fullmatch(file)
    if match is None:
        raise ProblemError("not-found", "there is no such file of a live view; the playlist has the names")
    try:
        folder = backend.stream_files.live(check_id(stream_id), epoch)
    except ValueError:
        raise no_stream() from None
    headers = {"ETag": f'"{epoch}-{file}"', "Cache-Control": f"private, max-age={KEPT_S}, immutable"}
    if match[1] is not None and not (folder / file).exists():
        await _part_due(backend, folder / PLAYLIST, int(match[1]), int(match[2]))
    try:
        return await send_file(request, folder / file, "video/mp4", headers)
    except ProblemError as error:
        if error.code != "gone":
            raise
        raise ProblemError("not-found", "this piece of the live view is no longer, or not yet, there") from None


async def _part_due(backend: Backend, path: Any, msn: int, part: int) -> None:
    """Waits for a part where it is the next to come; else returns at once."""
    found = await backend.playlists.read(path)
    if found is None or backend.playlists.full or not _is_next(found.position, msn, part):
        return
    await backend.playlists.wait(path, lambda position: position.holds(msn, part), PART_WAIT_S)


def _is_next(at: Position, msn: int, part: int) -> bool:
    return (msn, part) in ((at.last + 1, at.parts), (at.last + 2, 0))


async def _status(backend: Backend, stream: Stream) -> StreamStatus:
    try:
        async with answer_time():
            return await backend.stream_reader.status(stream.id)
    except UnknownStream:
        raise no_stream() from None
