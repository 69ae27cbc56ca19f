"""The route a media server asks whether somebody may publish or read (MediaMTX's HTTP authentication callback).

| who | publishes | reads |
|---|---|---|
| our own processes, with the internal token | enhanced/<name> | <name>, enhanced/<name> |
| a gateway, with the stream's push key | <name> | enhanced/<name> |
| a gateway, with the service's push key | any name; a stream appears under a new one | |

Whoever gives wrong keys too often waits until the service's push key, which people choose, is compared again. The other
keys are random and too long to be found by trying, so nobody can keep out who has one.
"""

from __future__ import annotations

import contextlib
import hmac
import math
from enum import StrEnum
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, Request, Response

from pipeline import media_server
from pipeline.secrets import Vault
from pipeline.stream import Stream, check_name
from pipeline.stream_errors import UnknownStream
from service.backend import Backend, Given
from service.problems import ProblemError
from service.schemas import ProblemBody
from service.stream_schemas import PushAuthRequest, StreamRequest
from service.streams import chooser, create, decided, key_hash

PATH = "/v1/push/auth"

router = APIRouter(tags=["streams"])
log = structlog.get_logger()


class Action(StrEnum):
    PUBLISH = "publish"
    READ = "read"


@router.post(
    PATH,
    status_code=204,
    summary="May this be published or read?",
    responses={
        204: {"description": "It may."},
        **{code: {"model": ProblemBody} for code in (401, 403, 413, 429)},
    },
)
async def push_auth(asked: PushAuthRequest, backend: Given, request: Request) -> Response:
    """For the media server only. The key comes as password, as token, or as `token` in the query; any user will do."""
    keys = _keys(asked)
    if not keys:
        raise _unauthorised("give the stream's push key as password, or as token in the query")
    try:
        await _judge(asked, keys, backend, request.client.host if request.client else "")
    except ProblemError as error:
        if error.code in ("push-unauthorised", "push-forbidden"):
            log.warning("publishing or reading refused", action=asked.action[:16], ip=asked.ip, code=error.code)
        raise
    return Response(status_code=204)


async def _judge(asked: PushAuthRequest, keys: list[bytes], backend: Backend, peer: str) -> None:
    """Returns where it may be. peer: address of who asks. Raises ProblemError."""
    name, enhanced = asked.path.removeprefix(media_server.ENHANCED), asked.path.startswith(media_server.ENHANCED)
    try:
        action, name = Action(asked.action), check_name(name)
    except ValueError:
        detail = "the path is no stream's name, or the action is neither publish nor read"
        raise ProblemError("push-forbidden", detail) from None
    ours = is_ours(keys, backend.vault)
    if ours and (action is Action.READ or enhanced):
        return
    stream = await backend.ask(_by_name, backend, name)
    if action is Action.READ or enhanced:
        if action is Action.READ and enhanced and has_key(keys, stream):
            return
        raise _unauthorised()
    if not has_key(keys, stream):
        _check_service_key(keys, backend, peer, asked.ip)
    if stream is None:
        await _appear(backend, name)
    else:
        _check_wanted(stream)


def _check_service_key(keys: list[bytes], backend: Backend, peer: str, publisher: str) -> None:
    """Raises ProblemError 'push-unauthorised', or 'too-many-attempts' after too many of those."""
    wait_s = math.ceil(backend.attempts.wait_s(peer, publisher))
    if wait_s > 0:
        detail = f"too many wrong keys came from this address; its keys are compared again in {wait_s} s"
        raise ProblemError("too-many-attempts", detail, headers={"Retry-After": str(wait_s)})
    if not is_service_key(keys, backend):
        backend.attempts.wrong(peer, publisher)
        raise _unauthorised()


async def _appear(backend: Backend, name: str) -> None:
    """A new stream under the path of whoever publishes with the service's push key, with all defaults."""
    accepted = await decided(backend, chooser(backend).new, StreamRequest(name=name, source="push"))
    try:
        stream = await backend.ask(create, backend, accepted, None)
    except ProblemError as error:
        if error.code != "name-taken":  # by another publisher's first request, at the same moment
            raise
        return
    await backend.ask(backend.cameras.enqueue, stream.id)


def _check_wanted(stream: Stream) -> None:
    if stream.options.source != "push" or not stream.options.enabled:
        why = "it is stopped" if not stream.options.enabled else f"its source is {stream.options.source}"
        raise ProblemError("push-forbidden", f"nothing can be published to stream {stream.name} now: {why}")


def _by_name(backend: Backend, name: str) -> Stream | None:
    try:
        return backend.streams.by_name(name)
    except UnknownStream:
        return None


def _keys(asked: PushAuthRequest) -> list[bytes]:
    """What was given as a key; empty where nothing was."""
    given = [asked.password.get_secret_value(), asked.token.get_secret_value()]
    with contextlib.suppress(ValueError):  # too many fields: nothing of it is a key
        given += parse_qs(asked.query.get_secret_value(), max_num_fields=32).get("token", [])[:1]
    return [key.encode(errors="replace") for key in given if key]


def is_ours(keys: list[bytes], vault: Vault) -> bool:
    return _any_is(keys, media_server.token(vault).encode())


def is_service_key(keys: list[bytes], backend: Backend) -> bool:
    key = backend.settings.push_key
    return key is not None and bool(key.get_secret_value()) and _any_is(keys, key.get_secret_value().encode())


def has_key(keys: list[bytes], stream: Stream | None) -> bool:
    """Whether one of the keys is the stream's own. Takes as long where there is no stream."""
    wanted = (stream and stream.push_key_hash) or "-" * 64
    return _any_is([key_hash(key.decode(errors="replace")).encode() for key in keys], wanted.encode())


def _any_is(keys: list[bytes], wanted: bytes) -> bool:
    """Compares in constant time, and all of them."""
    return sum(hmac.compare_digest(key, wanted) for key in keys) > 0


def _unauthorised(detail: str = "the key does not open this path; have a new one made (new_push_key)") -> ProblemError:
    return ProblemError("push-unauthorised", detail, headers={"WWW-Authenticate": 'Basic realm="gleaner"'})
