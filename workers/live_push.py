"""A push whose address is looked up, and checked, by a thread of its own before it begins. Encodes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from media.live_encoder import Encoded
from media.rtsp_push import PushReport, RtspPush
from pipeline.camera_url import AddressError
from pipeline.secrets import SecretKeyError

Wait = Callable[[int, bool], float]  # seconds to wait after the n-th failure in a row, and whether it is a slow trouble


class LivePush:
    """A sink of `workers/live_outputs.py`. target: gives the URL to push to, with an allowed IP; it may block.

    Ends by `close`; what `target` raises (AddressError, SecretKeyError) is reported, and tried again.
    """

    def __init__(self, target: Callable[[], str], wait: Wait) -> None:
        self._target, self._wait = target, wait
        self._push: RtspPush | None = None
        self._trouble: tuple[str, str] | None = None
        self._waited_for = 0  # frames that came before there was a push
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="push-address", daemon=True)
        self._thread.start()

    @property
    def wants_key(self) -> bool:
        return self._push is not None and self._push.wants_key

    @property
    def report(self) -> PushReport:
        if self._push is not None:
            return self._push.report
        code, message = self._trouble or (None, None)
        return PushReport("backing-off" if code else "connecting", code, message, 0, self._waited_for, 0)

    def add(self, encoded: Encoded, wall: float) -> None:
        if self._push is not None:
            self._push.add(encoded, wall)
        else:
            self._waited_for += 1

    def close(self) -> None:
        self._ended.set()
        self._thread.join(2.0)
        if self._push is not None:
            self._push.close()

    def _run(self) -> None:
        failures = 0
        while not self._ended.is_set():
            try:
                url = self._target()
                if not self._ended.is_set():
                    self._push = RtspPush(url, self._wait)
                return
            except AddressError as error:
                self._trouble = error.code, str(error)
            except SecretKeyError as error:
                self._trouble = "push-credentials-lost", str(error)
            except ValueError:
                self._trouble = "push-url", "the address to push to is no RTSP address"
            failures += 1
            self._ended.wait(self._wait(failures, False))
