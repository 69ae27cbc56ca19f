"""The owner's desk: a thread that reports on a stream and hears what is wanted of it, so that the loop never waits.

Twice a second: the status out, events and counts out; in, whether the stream is still ours, wanted and unchanged, and
whether somebody waits for a snapshot. Redis being away is no reason to stop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import structlog
from redis.exceptions import RedisError

from pipeline.periodic import Periodic
from pipeline.stream import StreamStatus
from pipeline.stream_errors import StaleOwner, StreamStopped, UnknownStream
from workers.camera_room import CameraRoom

log = structlog.get_logger(__name__)

REPORT_S = 0.5
EVENTS_KEPT = 256  # that could not be sent yet
LEAVE_S = 5.0


class CameraDesk(Periodic):
    """A context manager. status: how the stream is doing now; called by the desk's thread. revision: of the record."""

    def __init__(
        self, room: CameraRoom, stream_id: str, epoch: int, revision: int, status: Callable[[], StreamStatus]
    ) -> None:
        super().__init__("desk", REPORT_S, self._report, last=self._report, leave_s=LEAVE_S)
        self._room, self._id, self._epoch, self._revision, self._status = room, stream_id, epoch, revision, status
        self._events: deque[tuple[str, dict[str, Any]]] = deque(maxlen=EVENTS_KEPT)
        self._away = False
        self.over: StaleOwner | StreamStopped | UnknownStream | None = None  # the stream is not ours to go on with
        self.changed = False  # its record is another by now
        self.wish = False  # somebody waits for a snapshot; to be reset by who makes it

    def event(self, kind: str, data: dict[str, Any]) -> None:
        self._events.append((kind, data))

    def _report(self) -> None:
        if self.over is not None:
            return
        try:
            stream = self._room.streams.set_status(self._id, self._epoch, self._status())
            self.changed = self.changed or stream.revision != self._revision
            while self._events:
                kind, data = self._events[0]
                self._room.streams.add_event(self._id, kind, data, epoch=self._epoch)
                self._events.popleft()
            self.wish = self._room.streams.take_snapshot_wish(self._id) or self.wish
            self._room.metrics.flush()
            self._away = False
        except (StaleOwner, StreamStopped, UnknownStream) as error:
            self.over = error
        except RedisError as error:
            if not self._away:
                log.warning("nothing reported", stream=self._id, stage="camera", error=type(error).__name__)
            self._away = True
