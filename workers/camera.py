"""The camera worker's RQ function: one stream, for as long as it is wanted, with this process as its only owner.

It ends when the stream is stopped, deleted or another's, and hands itself back when the worker leaves. Changed options
are taken up at once. The argument is an id only; everything else comes from the record and the environment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import structlog
from redis.exceptions import RedisError

from media.camera import Camera
from media.camera_clock import CameraClock
from media.live_types import CameraLimits
from media.live_writer import LiveWriter, next_era
from media.recording import Recorder
from media.ring import SourceRing
from pipeline import heartbeat
from pipeline.frames import SegmentGone
from pipeline.queue import consumer_name
from pipeline.rqjobs import HandBack, stop_flag
from pipeline.stream import Stream
from pipeline.stream_errors import StaleOwner, StreamStopped, UnknownStream
from pipeline.stream_log import log_bounds
from pipeline.tasks import SegmentKey
from workers.backoff import Backoff
from workers.budget import allowed_s, part_s
from workers.camera_address import CAP_S, camera_source, explain, push_targets
from workers.camera_desk import CameraDesk
from workers.camera_report import CameraReport
from workers.camera_room import CameraRoom, open_camera_room
from workers.ladder import Ladder
from workers.live import LiveSession
from workers.live_frames import LiveFrames, LivePlane, Shown
from workers.live_log import LiveLog
from workers.live_outputs import LiveOutputs, Output
from workers.live_planes import RedisLivePlane
from workers.live_push import LivePush
from workers.live_tally import LiveTally
from workers.log_writer import LogWriter
from workers.plane_redis import RedisPlane
from workers.rungs import LANCZOS, complete, plan_live
from workers.snapshot import write_jpeg
from workers.watchdog import Watchdog

log = structlog.get_logger(__name__)

RING_BYTES_S = 2_500_000  # a second at most of what is kept of the source: 20 Mbit/s
GIGABYTE = 1_000_000_000


def run(stream_id: str) -> None:
    """Own the stream until it is no longer wanted here. Raises HandBack, StaleOwner."""
    with open_camera_room() as room:
        leaving = stop_flag()
        owner = consumer_name().replace(":", "-")
        try:
            epoch = room.streams.begin_epoch(stream_id, owner)
            room.files.create(stream_id, epoch)
            log.info("stream taken", stream=stream_id, stage="camera", epoch=epoch)
            with Watchdog(stream_id) as watchdog, _plane(room, stream_id, epoch) as plane:
                tally = LiveTally()
                clock = CameraClock()
                numbers = count(1)
                while True:  # once for each set of options
                    stream = room.streams.check(stream_id, epoch)
                    CameraOwner(room, stream, epoch, owner, plane, numbers, tally, clock, watchdog).run(leaving)
                    if leaving():
                        raise HandBack
        except SegmentGone:  # raised only where the stream is not ours any more: says why
            room.streams.check(stream_id, epoch)
            raise
        except (StreamStopped, UnknownStream):
            log.info("stream let go", stream=stream_id, stage="camera", reason="it is not wanted any more")
        finally:
            with contextlib.suppress(RedisError):
                room.metrics.flush()


@contextlib.contextmanager
def _plane(room: CameraRoom, stream_id: str, epoch: int) -> Iterator[LivePlane]:
    key = SegmentKey(stream_id, 0, epoch)
    silence_s = 2 * room.settings.lease_s
    plane = RedisPlane(room.frames, room.store, key, "", 1, silence_s, live=True)

    def still_ours() -> bool:
        try:
            room.streams.check(stream_id, epoch)
        except (StaleOwner, StreamStopped, UnknownStream):
            return False
        return True

    def workers() -> int:
        return len(heartbeat.alive(room.frames_redis, "enhance"))

    room.streams.check(stream_id, epoch)  # before earlier epochs' pixels are dropped
    plane.__enter__()
    try:
        yield RedisLivePlane(plane, still_ours, workers, stream_id)
    finally:
        with contextlib.suppress(RedisError):  # the next owner frees what is left
            plane.__exit__()


class CameraOwner:
    """The stream with one set of options. Its hooks are those of `workers/live.py`."""

    def __init__(
        self,
        room: CameraRoom,
        stream: Stream,
        epoch: int,
        owner: str,
        plane: LivePlane,
        numbers: Iterator[int],
        tally: LiveTally,
        clock: CameraClock,
        watchdog: Watchdog,
    ) -> None:
        self._room, self._stream, self._watchdog = room, stream, watchdog
        options, settings = stream.options, room.settings
        sealed = room.streams.sealed(stream.id)
        models, problem = room.models(stream)
        rungs = complete(tuple(models))
        ladder = Ladder(rungs, allowed_s(options.budget_s, hls=options.hls))
        self._ring = None
        if options.ring > 0:
            keep_s = options.ring * 60
            self._ring = SourceRing(room.files.ring(stream.id), keep_s, round(keep_s * RING_BYTES_S))
        self._writer = None
        if options.hls:
            folder = room.files.live(stream.id, epoch)
            era = next_era(folder.parent)  # goes on over owners
            self._writer = LiveWriter(folder, part_s=part_s(options.budget_s), first_era=era)
        room.files.clear_live(stream.id, keep=epoch)
        backoff = Backoff(cap_s=CAP_S[options.source])
        self._outputs = LiveOutputs(self._writer, self._other_outputs(sealed))
        weights = {name: facts.sha256 for name, facts in models.items()} | {LANCZOS: None}
        self._log_writer = LogWriter(
            room.files.log(stream.id), log_heading(stream, epoch, weights), *log_bounds(options)
        )
        self._log = LiveLog(self._log_writer.put)
        limits = CameraLimits(max_pixels=settings.max_pixels)

        def connect() -> Camera:
            on_packet = None if self._ring is None else self._ring.add
            return Camera(camera_source(room, stream, sealed), clock, on_packet=on_packet, limits=limits)

        self._session = LiveSession(
            connect,
            LiveFrames(
                plane,
                ladder,
                lambda w, h: plan_live(w, h, rungs, models.__getitem__, options.scale, options.target_height),
                settings.live_window_frames,
                numbers,
                fuse=options.fuse,
            ),
            plane,
            self._outputs,
            backoff,
            self,
            tally,
            explain=explain(stream),
            journal=self._log,
        )
        recordings = room.files.recordings(stream.id) if options.record else None
        report = CameraReport(
            owner,
            self._session,
            ladder,
            self._outputs,
            clock,
            self._writer,
            self._ring,
            recordings,
            problem,
            self._log_writer,
        )
        self._desk = CameraDesk(room, stream.id, epoch, stream.revision, report)
        self._counted, self._reconnects = tally.dropped, tally.reconnects

    def run(self, leaving: Callable[[], bool]) -> None:
        """Until the options change or the worker is to leave. Raises StreamStopped, UnknownStream, StaleOwner."""
        desk = self._desk
        with contextlib.ExitStack() as closing:
            closing.enter_context(self._log_writer)
            closing.callback(self._log.close)
            if self._ring is not None:
                closing.callback(self._ring.close)
            closing.callback(self._outputs.close)
            closing.enter_context(desk)
            self._session.run(lambda: desk.over is None and not desk.changed and not leaving())
            self.beat()  # what was dropped at the end is counted too
        if desk.over is not None:
            raise desk.over

    def _other_outputs(self, sealed: Mapping[str, str]) -> list[Output]:
        stream, record = self._stream, self._stream.options.record
        outputs: list[Output] = []
        for name, target in push_targets(self._room, stream, sealed).items():

            def push(target: Callable[[], str] = target) -> LivePush:
                return LivePush(target, Backoff().after)

            outputs.append(Output(name, push))
        if record is not None:
            folder, keep_s, keep = (
                self._room.files.recordings(stream.id),
                record.hours * 3600,
                record.gigabytes * GIGABYTE,
            )
            outputs.append(Output("record", lambda: Recorder(folder, keep_s, round(keep))))
        return outputs

    # What the session tells

    def beat(self) -> None:
        self._watchdog.beat()
        tally, metrics = self._session.tally, self._room.metrics
        if tally.dropped > self._counted:
            metrics.inc("gleaner_stream_frames_total", tally.dropped - self._counted, result="dropped")
        self._counted = tally.dropped
        if tally.reconnects > self._reconnects:
            metrics.inc("gleaner_stream_reconnects_total", tally.reconnects - self._reconnects)
        self._reconnects = tally.reconnects

    def event(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "rung":
            self._room.metrics.inc("gleaner_stream_steps_total", direction="down" if data["down"] else "up")
        log.info("stream event", stream=self._stream.id, stage="camera", kind=kind, **_plain(data))
        self._desk.event(kind, data)

    def shown(self, shown: Shown) -> None:
        self._room.metrics.inc("gleaner_stream_frames_total", result=shown.how)
        if not self._desk.wish:
            return
        self._desk.wish = False
        files, stream_id = self._room.files, self._stream.id
        try:
            write_jpeg(shown.frame.image, files.snapshot(stream_id, "source"))
            write_jpeg(shown.image, files.snapshot(stream_id, "enhanced"))
        except OSError as error:
            log.warning("no snapshot", stream=stream_id, stage="camera", error=error.strerror or type(error).__name__)

    def available(self, rung: str, lag_s: float) -> None:
        self._room.metrics.observe("gleaner_stream_lag_seconds", lag_s)


def log_heading(stream: Stream, epoch: int, weights: Mapping[str, str | None]) -> dict[str, Any]:
    """What is wanted of the stream, without URLs. weights: SHA-256 of the rungs that are used."""
    options = stream.options.model_dump(mode="json", exclude={"push_url"})
    return {"stream": stream.id, "epoch": epoch, "revision": stream.revision, "options": options, "weights": weights}


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """For the log, whose lines have an "event" of their own."""
    plain = {name: value for name, value in data.items() if isinstance(value, str | int | float)}
    return {"found" if name == "event" else name: value for name, value in plain.items()}
