"""What can be wrong with a request for a stream, or with who asks. Messages are for people and hold no URL."""

from __future__ import annotations

from pipeline.jobs import StaleAttempt


class UnknownStream(Exception):
    """There is no stream of this id or name, or no longer."""

    def __init__(self, called: str) -> None:
        super().__init__(f"no stream {called:.80}; it may have been deleted")
        self.called = called


class StreamExists(Exception):
    """A stream was to be created under an id that another one has."""


class NameTaken(Exception):
    """Another stream has the name."""

    def __init__(self, name: str, stream_id: str) -> None:
        super().__init__(f"there is a stream named {name} already; choose another name, or change that one")
        self.name, self.stream_id = name, stream_id


class StreamChanged(Exception):
    """The stream was changed since its caller read it."""


class StreamStopped(Exception):
    """The stream is not wanted now: its owner is to close what it has open and to return."""


class StaleOwner(StaleAttempt):
    """A later owner has begun; the caller must stop at once and touch nothing of the stream any more."""
