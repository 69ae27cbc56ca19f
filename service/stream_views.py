"""Streams as clients see them: record, status and workers put into a body. Pure but for `stream_views`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pipeline.heartbeat import alive
from pipeline.stream import Stream, StreamState, StreamStatus
from service.backend import Backend
from service.problems import ProblemError
from service.stream_schemas import (
    CameraFactsBody,
    LiveBody,
    PushBody,
    StreamBody,
    StreamLinksBody,
    StreamOptionsBody,
)
from service.views import ENHANCE_WORKER, timestamp

STREAMS = "/v1/streams"
CAMERA_WORKER = "camera"
PUSH_USER = "gateway"  # any user will do; this one is shown
PLAYLIST = "live.m3u8"

_WORDS = {
    StreamState.WAITING: "no camera worker has taken it yet; start one with `gleaner worker camera`",
    StreamState.CONNECTING: "it is connecting to the camera",
    StreamState.ONLINE: "it has just come online and has no picture yet",
    StreamState.STALLED: "the camera is connected and sends nothing",
    StreamState.BACKING_OFF: "it waits before it tries the camera again",
    StreamState.FAILED: "the camera cannot be used as it is",
    StreamState.STOPPED: "it is stopped; start it with PATCH and enabled true",
}


def stream_views(backend: Backend, streams: Sequence[Stream]) -> list[StreamBody]:
    """Bodies of streams with how they are doing; blocking."""
    statuses = backend.streams.statuses(streams)
    running = any(stream.options.enabled for stream in streams)
    missing = missing_camera_workers(backend) if running else []
    now = time.time()
    return [stream_body(stream, statuses[stream.id], missing, now) for stream in streams]


def missing_camera_workers(backend: Backend) -> list[str]:
    """Kinds of worker a stream needs and of which none is alive; blocking."""
    return [f"{kind} worker" for kind in (CAMERA_WORKER, ENHANCE_WORKER) if not alive(backend.redis, kind)]


def stream_body(
    stream: Stream,
    status: StreamStatus,
    missing: Sequence[str],
    now: float,
    push_key: str | None = None,
    push_url: str | None = None,
) -> StreamBody:
    """push_key, push_url: to be shown this once."""
    address, options = f"{STREAMS}/{stream.id}", stream.options
    return StreamBody(
        id=stream.id,
        name=stream.name,
        state=status.state,
        since=timestamp(status.since),
        problem=status.problem,
        retry_at=_timestamp(status.retry_at),
        created_at=timestamp(stream.created_at),
        changed_at=timestamp(stream.changed_at),
        url=stream.url_shown,
        credentials=stream.credentials,
        options=StreamOptionsBody.model_validate(options.model_dump(exclude={"name"})),
        weights=dict(stream.weights),
        live=_live(status, now),
        push=_push(stream, push_key, push_url),
        waiting_for=list(missing) if options.enabled else [],
        links=StreamLinksBody(
            self=address,
            events=f"{address}/events",
            snapshot=f"{address}/snapshot.jpg",
            live=f"{address}/live/{PLAYLIST}" if options.hls else None,
            recordings=f"{address}/recordings",
            report=f"{address}/report",
            source=f"{address}/source",
        ),
    )


def _push(stream: Stream, key: str | None, url: str | None) -> PushBody | None:
    source = stream.options.source
    if source == "pull" and key is None:
        return None
    user = None if source.startswith("listen") else PUSH_USER
    return PushBody(path=stream.name if source == "push" else None, user=user, key=key, url=url)


def _live(status: StreamStatus, now: float) -> LiveBody:
    source = status.source
    return LiveBody(
        source=None if source is None else CameraFactsBody.model_validate(source.model_dump()),
        last_frame_at=_timestamp(status.last_frame_at),
        frame_age_s=_rounded(status.frame_age_s(now), 1),
        captured_at=_timestamp(status.captured_at),
        clock=status.clock,
        drift_ppm=_rounded(status.drift_ppm, 1),
        fps_in=round(status.fps_in, 2),
        fps_out=round(status.fps_out, 2),
        lag_s=_rounded(status.lag_s, 3),
        lag_p95_s=_rounded(status.lag_p95_s, 3),
        frames=status.frames,
        dropped=status.dropped,
        late=status.late,
        reconnects_1h=status.reconnects_1h,
        recomputed_share=_rounded(status.recomputed_share, 4),
        fused_share=_rounded(status.fused_share, 4),
        rung=status.rung,
        rung_reason=status.rung_reason,
        push=status.push,
        ring_bytes=status.ring_bytes,
        recording_bytes=status.recording_bytes,
    )


def not_online(stream: Stream, status: StreamStatus, what: str) -> ProblemError:
    """'stream-not-online': why `what` is not there, in words."""
    pushed = status.state is StreamState.CONNECTING and stream.options.source != "pull"
    why = "it waits for a gateway to publish" if pushed else _WORDS[status.state]
    if status.problem is not None:
        why = f"{why}: {status.problem.detail} ({status.problem.code})"
    return ProblemError("stream-not-online", f"stream {stream.name} has no {what}: {why}")


def _timestamp(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(seconds)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
