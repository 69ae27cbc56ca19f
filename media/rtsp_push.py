"""Pushes a live stream to a media server by RTSP, from a thread of its own. Encodes nothing; never lets callers wait.

A server that is slow loses frames up to the next key frame; one that is gone is tried again.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from media.live_encoder import Encoded
from media.rtp import TRACK, RtpPacker, describe
from media.rtsp_session import PushError, PushTarget, RtspSession, parse_target

REPORT_S = 5.0  # between sender reports; they also keep a session of a slow camera alive
STEADY_S = 10.0  # online for so long: the next failure is the first again


@dataclass(frozen=True, slots=True)
class PushReport:
    """How a push is doing. Holds no URL."""

    state: str  # "connecting", "online", "backing-off" or "stopped"
    code: str | None  # of the last failure, until it is online again
    message: str | None
    sent: int  # frames
    dropped: int  # frames that came and were not sent
    connections: int  # that came to recording


class RtspPush:
    """Takes frames by `add`, from one thread; sends them from another, begun at once and ended by `close`.

    url: rtsp:// or rtsps://, with an IP that the caller has allowed, and credentials; a certificate is not checked
    unless `tls` says so (media servers sign their own). backoff: seconds to wait after the n-th failure in a row
    (1, 2, ...), and whether trying again soon is of no use. Raises ValueError for another kind of URL.
    """

    def __init__(
        self,
        url: str,
        backoff: Callable[[int, bool], float],
        *,
        queue_frames: int = 100,
        queue_bytes: int = 16 << 20,
        connect_s: float = 10.0,
        silence_s: float = 10.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._target: PushTarget = parse_target(url)
        self._backoff = backoff
        self._queue_frames, self._queue_bytes = queue_frames, queue_bytes
        self._connect_s, self._silence_s = connect_s, silence_s
        self._tls = tls or _unchecked()
        self._changed = threading.Condition()
        self._queue: deque[tuple[Encoded, float]] = deque()
        self._queued_bytes = 0
        self._needs_key = True  # of what is put into the queue
        self._stop = threading.Event()
        self._state = "connecting"
        self._was_online = False
        self._error: PushError | None = None
        self._sent = self._dropped = self._connections = 0
        self._thread = threading.Thread(target=self._run, name="rtsp-push", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def wants_key(self) -> bool:
        """Whether a frame that is no key frame would be dropped although the server is there to take it."""
        with self._changed:
            return self._needs_key and self._state == "online" and not self._queue

    @property
    def report(self) -> PushReport:
        with self._changed:
            code = self._error.code if self._error is not None else None
            message = str(self._error) if self._error is not None else None
            return PushReport(self._state, code, message, self._sent, self._dropped, self._connections)

    def add(self, encoded: Encoded, wall: float) -> None:
        """Queue a frame; wall: Unix seconds when it was captured, or else arrived. Returns at once, always."""
        with self._changed:
            full = len(self._queue) >= self._queue_frames or self._queued_bytes >= self._queue_bytes
            if full:
                self._drop_queue()
            if self._needs_key and not encoded.key:
                self._dropped += 1
                return
            self._needs_key = False
            self._queue.append((encoded, wall))
            self._queued_bytes += len(encoded.data)
            self._changed.notify()

    def close(self, wait_s: float = 2.0) -> None:
        """End the thread. It is left to itself where it does not end in time, which looking a name up can cause."""
        self._stop.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(wait_s)

    # The thread

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._became("connecting")
            began = time.monotonic()
            try:
                self._connection()
                failures = 0
                continue  # the format has changed
            except PushError as error:
                failed = error
            failures = 1 if self._was_online and time.monotonic() - began >= STEADY_S else failures + 1
            if self._stop.is_set():
                break
            with self._changed:
                self._state, self._error = "backing-off", failed
                self._drop_queue()
            self._stop.wait(self._backoff(failures, failed.slow))
        self._became("stopped")

    def _connection(self) -> None:
        """One connection, from its first key frame until the format changes. Raises PushError."""
        self._was_online = False
        first = self._await_key()
        if first is None:
            return
        session = RtspSession(
            self._target, self._stop, connect_s=self._connect_s, silence_s=self._silence_s, tls=self._tls
        )
        try:
            session.connect(describe(first.format), TRACK)
            with self._changed:
                self._state, self._error = "online", None
                self._connections += 1
                self._was_online = True
                self._keep_newest_stretch()
            self._send_frames(session, first)
        finally:
            session.close()

    def _await_key(self) -> Encoded | None:
        """The frame that is sent first: the queue always begins with a key frame here. None when it is to stop."""
        with self._changed:
            while not self._queue:
                if self._stop.is_set():
                    return None
                self._changed.wait()
            return self._queue[0][0]

    def _send_frames(self, session: RtspSession, first: Encoded) -> None:
        packer = RtpPacker()
        next_report = 0.0
        last: tuple[int, float] | None = None
        while not self._stop.is_set():
            session.poll()
            now = time.monotonic()
            if last is not None and now >= next_report:
                # The capture time of a frame: whoever receives this knows when its pictures were taken.
                session.send([(1, packer.sender_report(*last))])
                next_report = now + REPORT_S
            with self._changed:
                if not self._queue:
                    self._changed.wait(0.5)
                if not self._queue:
                    continue
                encoded, wall = self._queue[0]
                if encoded.format != first.format:
                    return
                self._queue.popleft()
                self._queued_bytes -= len(encoded.data)
            session.send([(0, packet) for packet in packer.pack(encoded)])
            last = (encoded.pts, wall)
            with self._changed:
                self._sent += 1

    def _became(self, state: str) -> None:
        with self._changed:
            self._state = state

    def _keep_newest_stretch(self) -> None:
        """Drop what waited while connecting, up to the newest key frame. To be called with the lock held."""
        keys = [index for index, (encoded, _) in enumerate(self._queue) if encoded.key]
        for _ in range(keys[-1] if keys else 0):
            self._queued_bytes -= len(self._queue.popleft()[0].data)
            self._dropped += 1

    def _drop_queue(self) -> None:
        """To be called with the lock held."""
        self._dropped += len(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        self._needs_key = True


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
