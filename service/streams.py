"""Routes of streams: add a camera, list, show, change, remove."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ParamSpec, TypeVar

import structlog
from anyio import fail_after, to_thread
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse

from pipeline.addresses import parse_port_range
from pipeline.jobs import CursorError, new_id
from pipeline.listening import SCHEMES, NoListenPort, claim_port, listen_url
from pipeline.secrets import SecretKeyError
from pipeline.stream import Stream
from pipeline.stream_errors import NameTaken, StreamChanged, UnknownStream
from service.backend import Backend, Given
from service.idempotency import claimed
from service.paging import Cursor, next_page
from service.polling import polled
from service.problems import ProblemError
from service.schemas import ProblemBody
from service.stream_lookup import KnownStream, find_stream, no_stream
from service.stream_options import Accepted, Chooser
from service.stream_schemas import StreamBody, StreamChange, StreamListBody, StreamRequest
from service.stream_views import STREAMS, missing_camera_workers, stream_body, stream_views

P = ParamSpec("P")
T = TypeVar("T")

LOOKUP_S = 8.0  # longest wait for a name server
TRIES = 5  # of a change, where others change the stream at the same time
KEY_BYTES = 24  # of a push key, random

router = APIRouter(prefix=STREAMS, tags=["streams"])
log = structlog.get_logger()


@router.post(
    "",
    status_code=201,
    response_model=StreamBody,
    summary="Add a camera",
    responses={
        201: {"description": "Added; the stream is at Location."},
        **{code: {"model": ProblemBody} for code in (400, 409, 413)},
    },
)
async def add_stream(
    wanted: StreamRequest,
    backend: Given,
    idempotency_key: Annotated[
        str | None, Header(description="The same key with the same body gets the same stream for 24 hours.")
    ] = None,
) -> Response:
    """The address is checked at once, the camera itself is not waited for: follow `state`."""
    payload = _payload(backend, wanted)
    async with claimed(backend.aredis, idempotency_key) as claim:
        earlier = claim.replayed_job(payload) if claim else None
        if earlier is not None:
            stream = await find_stream(backend, earlier)
            return await _answer(backend, stream, None, headers={"Idempotency-Replayed": "true"}, status=201)
        accepted = await decided(backend, chooser(backend).new, wanted)
        key = new_key() if accepted.options.source == "push" else None
        stream = await backend.ask(create, backend, accepted, key)
        if claim is not None:
            await claim.complete(payload, stream.id)
        await backend.ask(_queue, backend, stream)
    return await _answer(backend, stream, key, shown=True, status=201)


@router.head("", include_in_schema=False)
@router.get("", summary="List streams", responses={400: {"model": ProblemBody}})
async def list_streams(
    backend: Given,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
) -> StreamListBody:
    """Newest first. Follow `next` until it is null."""
    try:
        streams, next_cursor = await backend.ask(backend.streams.list, limit, cursor)
    except CursorError as error:
        raise ProblemError("invalid-cursor", str(error)) from None
    bodies = await backend.ask(stream_views, backend, streams)
    link = next_page(response, STREAMS, next_cursor, limit=limit)
    return StreamListBody(streams=bodies, next_cursor=next_cursor, next=link)


@router.head("/{stream_id}", include_in_schema=False)
@router.get(
    "/{stream_id}",
    response_model=StreamBody,
    summary="Show a stream",
    responses={304: {"description": "Not changed."}, 404: {"model": ProblemBody}},
)
async def show_stream(
    stream: KnownStream, backend: Given, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """What is wanted of it and how it is doing. Give the ETag back in If-None-Match to poll cheaply."""
    (body,) = await backend.ask(stream_views, backend, [stream])
    return polled(body, if_none_match, terminal=False)


@router.patch(
    "/{stream_id}",
    response_model=StreamBody,
    summary="Change a stream",
    responses={code: {"model": ProblemBody} for code in (400, 404, 409, 413)},
)
async def change_stream(stream: KnownStream, wanted: StreamChange, backend: Given) -> Response:
    """Only what is given changes (RFC 7396); `enabled` stops and starts. The worker goes on with it within a second."""
    for _ in range(TRIES):
        urls = await backend.ask(_urls, backend, stream)
        accepted = await decided(backend, chooser(backend).changed, stream, wanted, urls)
        listens_now = accepted.options.source != stream.options.source
        needs_key = accepted.options.source == "push" and stream.push_key_hash is None
        listens = accepted.options.source in SCHEMES  # its key is the path it listens on
        key = new_key() if (wanted.new_push_key or needs_key) and not listens else None
        try:
            changed = await backend.ask(_update, backend, stream, accepted, key)
        except StreamChanged:
            stream = await find_stream(backend, stream.id)
            continue
        await backend.ask(_queue, backend, changed)
        return await _answer(backend, changed, key, shown=wanted.new_push_key or listens_now)
    raise ProblemError("stream-changed", f"stream {stream.name} is being changed by others; try again")


@router.delete("/{stream_id}", status_code=204, summary="Remove a stream", responses={404: {"model": ProblemBody}})
async def delete_stream(stream: KnownStream, backend: Given) -> Response:
    """Stops it and removes all that is kept of it: source, live view and recordings. Clips made of it stay."""
    await backend.ask(backend.streams.delete, stream.id)
    await backend.ask(backend.cameras.remove, stream.id)
    await to_thread.run_sync(backend.stream_files.remove, stream.id)
    log.info("stream removed", stream=stream.id)
    return Response(status_code=204)


def chooser(backend: Backend) -> Chooser:
    return Chooser(backend.settings, backend.catalog, backend.rules)


async def decided(backend: Backend, decide: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function decides that may ask a name server. Raises ProblemError."""
    try:
        with fail_after(LOOKUP_S):
            return await to_thread.run_sync(
                lambda: decide(*args, **kwargs), abandon_on_cancel=True, limiter=backend.lookups
            )
    except TimeoutError:
        detail = f"the name server did not tell the host's address within {LOOKUP_S:g} s; give the address itself"
        raise ProblemError("camera-host-unknown", detail) from None


def new_key() -> str:
    return secrets.token_urlsafe(KEY_BYTES)


def key_hash(key: str) -> str:
    """SHA-256, hex. Keys are random and long, so nothing slower is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def create(backend: Backend, accepted: Accepted, push_key: str | None) -> Stream:
    """The new stream, stored; blocking. Raises ProblemError 'name-taken'."""
    now = time.time()
    stream = Stream(
        id=new_id(),
        options=accepted.options,
        url_shown=accepted.url_shown,
        credentials=accepted.credentials,
        weights=accepted.weights,
        created_at=now,
        changed_at=now,
        push_key_hash=None if push_key is None else key_hash(push_key),
    )
    urls = {name: backend.vault.seal(url) for name, url in accepted.urls.items() if url is not None}
    try:
        stream = backend.streams.create(stream, urls)
    except NameTaken as error:
        raise _taken(error) from None
    log.info("stream created", stream=stream.id, name=stream.name, source=stream.options.source)
    return stream


def _update(backend: Backend, stream: Stream, accepted: Accepted, push_key: str | None) -> Stream:
    changes: dict[str, Any] = {} if push_key is None else {"push_key_hash": key_hash(push_key)}
    urls = {name: None if url is None else backend.vault.seal(url) for name, url in accepted.urls.items()}
    try:
        changed = backend.streams.update(
            stream.id,
            accepted.options,
            sealed=urls,
            revision=stream.revision,
            url_shown=accepted.url_shown,
            credentials=accepted.credentials,
            weights=accepted.weights,
            **changes,
        )
    except NameTaken as error:
        raise _taken(error) from None
    except UnknownStream:
        raise no_stream() from None
    log.info("stream changed", stream=changed.id, revision=changed.revision, enabled=changed.options.enabled)
    return changed


def _urls(backend: Backend, stream: Stream) -> dict[str, str]:
    """The stream's URLs in the clear; none where they were sealed with another secret: then they must be given anew."""
    urls = {}
    for name, token in backend.streams.sealed(stream.id).items():
        try:
            urls[name] = backend.vault.open(token)
        except SecretKeyError as error:
            log.error("credentials cannot be opened", stream=stream.id, error=str(error))
    return urls


def _queue(backend: Backend, stream: Stream) -> None:
    if stream.options.enabled:
        backend.cameras.enqueue(stream.id)
    else:
        backend.cameras.remove(stream.id)


def _payload(backend: Backend, wanted: StreamRequest) -> str:
    """What makes two requests the same: keyed, or a password could be guessed from its hash."""
    urls = {
        name: "" if url is None else url.get_secret_value()
        for name, url in (("url", wanted.url), ("push_url", wanted.push_url))
    }
    rest = wanted.model_dump_json(exclude={"url", "push_url"})
    return backend.vault.derive(f"idempotency of a stream {urls} {rest}")


async def _answer(
    backend: Backend,
    stream: Stream,
    key: str | None,
    *,
    shown: bool = False,
    headers: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """key: a push key just made. shown: where to push to may be told, for a stream that listens."""

    def view() -> StreamBody:
        missing = missing_camera_workers(backend) if stream.options.enabled else []
        seen = backend.streams.statuses([stream])[stream.id]
        url = _listens_at(backend, stream) if shown and stream.options.source in SCHEMES else None
        return stream_body(stream, seen, missing, time.time(), key, url)

    body = await backend.ask(view)
    sent = {"Location": f"{STREAMS}/{stream.id}", "Cache-Control": "no-store", **(headers or {})}
    return JSONResponse(body.model_dump(mode="json"), status, sent)


def _listens_at(backend: Backend, stream: Stream) -> str | None:
    """None where no port is left: the stream's state will say so."""
    try:
        port = claim_port(backend.redis, stream, parse_port_range(backend.settings.listen_ports))
    except NoListenPort:
        return None
    return listen_url(stream, port, backend.vault, host="HOST")


def _taken(error: NameTaken) -> ProblemError:
    detail = (
        f"there is a stream named {error.name} already ({error.stream_id}); choose another name, or change that one"
    )
    return ProblemError("name-taken", detail, errors=[{"field": "name", "detail": "taken"}])
