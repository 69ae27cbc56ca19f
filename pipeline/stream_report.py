"""What an owner's last report means to those who look. Pure."""

from __future__ import annotations

from pipeline.job import Problem
from pipeline.stream import Stream, StreamState, StreamStatus

REPORT_TTL_S = 10  # an owner reports twice a second; after this long without, nobody is taken to be at work

_NOBODY = Problem(
    code="no-camera-worker",
    detail="no camera worker has taken the stream; each runs one: start more of them (GLEANER_CAMERA_WORKERS)",
)


def as_seen(stream: Stream, raw: bytes | None, reporting: bool, now: float) -> StreamStatus:
    """The status to show. raw: the last report; reporting: whether it is young; now: Unix seconds.

    Where nobody reports on a stream that is wanted, what was last known of it stays beside "waiting".
    """
    if not stream.options.enabled:
        return StreamStatus(state=StreamState.STOPPED, since=stream.changed_at, updated_at=stream.changed_at)
    last = None if raw is None else StreamStatus.model_validate_json(raw)
    if last is not None and reporting:
        if last.retry_at is None or now < last.retry_at:
            return last
        trying = {"state": StreamState.CONNECTING, "since": last.retry_at, "retry_at": None}  # as the next will say
        return last.model_copy(update=trying)
    since = stream.changed_at if last is None else min(now, last.updated_at + REPORT_TTL_S)
    problem = _NOBODY if now - since > REPORT_TTL_S else None  # no news while it is only being handed on
    waiting = {"state": StreamState.WAITING, "since": since, "problem": problem, "retry_at": None}
    known = last or StreamStatus(state=StreamState.WAITING, since=since, updated_at=since)
    return known.model_copy(update=waiting | {"fps_in": 0.0, "fps_out": 0.0})
