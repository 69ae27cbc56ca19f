"""A live stream's status, put together from session, outputs, ring and clock. Sends nothing."""

from __future__ import annotations

import time
from pathlib import Path

from media.camera_clock import CameraClock
from media.live_writer import LiveWriter
from media.recording_files import list_recordings
from media.ring import SourceRing
from pipeline.job import Problem
from pipeline.stream import SourceFacts, StreamStatus
from workers.ladder import Ladder
from workers.live import LiveSession
from workers.live_outputs import LiveOutputs
from workers.live_push import LivePush
from workers.log_writer import LogWriter

RECORDINGS_EVERY_S = 10.0


class CameraReport:
    """Called by another thread than the session's: reads single values only."""

    def __init__(
        self,
        owner: str,
        session: LiveSession,
        ladder: Ladder,
        outputs: LiveOutputs,
        clock: CameraClock,
        writer: LiveWriter | None,
        ring: SourceRing | None,
        recordings: Path | None,
        problem: Problem | None,
        log: LogWriter,
    ) -> None:
        self._owner, self._session, self._ladder, self._outputs = owner, session, ladder, outputs
        self._clock, self._writer, self._ring, self._recordings = clock, writer, ring, recordings
        self._problem, self._log = problem, log  # problem: of the ladder's models
        self._recording_bytes = 0
        self._counted_at = float("-inf")

    def __call__(self) -> StreamStatus:
        session, tally = self._session, self._session.tally
        standing, now, newest = session.standing(), time.monotonic(), session.newest
        number, parts = (None, None) if self._writer is None else self._writer.position
        return StreamStatus(
            state=standing.state,
            since=0.0,  # set by the store
            problem=standing.problem or self._trouble(),
            owner=self._owner,
            retry_at=standing.retry_at,
            source=self._source(),
            last_frame_at=None if newest is None else newest.arrived_at,
            captured_at=None if newest is None else newest.captured_at,
            clock="arrival" if newest is None or newest.captured_at is None else "rtcp",
            drift_ppm=self._clock.drift_ppm,
            fps_in=round(tally.fps_in(now), 2),
            fps_out=round(tally.fps_out(now), 2),
            lag_s=tally.lag_s,
            lag_p95_s=tally.lag_p95_s(),
            frames=tally.frames,
            dropped=tally.dropped,
            late=tally.late,
            reconnects_1h=tally.reconnects_1h(now),
            recomputed_share=tally.recomputed_share,
            fused_share=tally.fused_share,
            rung=self._ladder.rung,
            rung_reason=self._ladder.reason,
            push=self._push(),
            ring_bytes=0 if self._ring is None else self._ring.bytes,
            recording_bytes=self._recorded(now),
            msn=number if parts else None if not number else number - 1,
            part=parts - 1 if parts else None,
        )

    def _source(self) -> SourceFacts | None:
        facts = self._session.facts
        if facts is None:
            return None
        rate = None if facts.nominal_rate is None else float(facts.nominal_rate)
        return SourceFacts(codec=facts.codec, width=facts.width, height=facts.height, fps=rate)

    def _trouble(self) -> Problem | None:
        """What is wrong although the camera is there."""
        outputs = list(self._outputs.problems.values())
        if outputs:
            return outputs[0]
        if self._ring is not None and self._ring.problem is not None:
            return Problem(code="ring-failed", detail=self._ring.problem)
        if self._log.problem is not None:
            return Problem(code="log-failed", detail=self._log.problem)
        return self._problem

    def _push(self) -> str | None:
        states = []
        for push in self._pushes():
            report = push.report
            states.append(report.state if report.code is None else f"{report.state}: {report.code}")
        return "; ".join(states) or None

    def _pushes(self) -> list[LivePush]:
        sinks = (self._outputs.sink(name) for name in ("push", "push-url"))
        return [sink for sink in sinks if isinstance(sink, LivePush)]

    def _recorded(self, now: float) -> int:
        if self._recordings is not None and now - self._counted_at >= RECORDINGS_EVERY_S:
            self._counted_at = now
            self._recording_bytes = sum(recording.bytes for recording in list_recordings(self._recordings))
        return self._recording_bytes
