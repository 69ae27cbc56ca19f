"""Streams by the ids that clients give. Knows no route."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from pipeline.stream import Stream
from pipeline.stream_errors import UnknownStream
from service.backend import Backend, Given
from service.problems import ProblemError


async def find_stream(backend: Backend, stream_id: str) -> Stream:
    """Raises ProblemError 'not-found'."""
    try:
        return await backend.ask(backend.streams.get, stream_id)
    except (UnknownStream, ValueError):  # no stream, or no id
        raise no_stream() from None


async def known_stream(stream_id: str, backend: Given) -> Stream:
    """The stream. Raises ProblemError 'not-found'."""
    return await find_stream(backend, stream_id)


def no_stream() -> ProblemError:
    return ProblemError("not-found", "there is no stream of this id; it may have been deleted")


KnownStream = Annotated[Stream, Depends(known_stream)]
