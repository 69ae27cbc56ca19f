"""The thread that connects to a camera and puts its frames into the slot. One for each connection; knows no queue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import structlog

from media.live_types import REMEDIES, CameraError, LiveFrame
from pipeline.camera_url import AddressError
from pipeline.secrets import SecretKeyError
from workers.slot import NewestFrame

log = structlog.get_logger(__name__)

STOP_S = 10.0  # a camera returns within a second of `stop`; one that does not by then never will


class CameraLike(Protocol):
    """As media.camera.Camera."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Iterator[LiveFrame]: ...

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a connection is over, for people: never with a URL, a path or a credential."""

    code: str
    detail: str
    slow: bool  # trying again soon will not help


class ReaderStuck(Exception):
    """The camera's thread does not end. Only another process can begin anew."""


class LiveReader:
    """connect: makes the camera, in the reader's thread, since looking up a name may take its time."""

    def __init__(self, connect: Callable[[], CameraLike], slot: NewestFrame) -> None:
        self._connect, self._slot = connect, slot
        self._camera: CameraLike | None = None
        self._lock = threading.Lock()
        self._stopping = False
        self.ended: Ended | None = None  # set when the thread is about to end
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the connection. Raises ReaderStuck."""
        with self._lock:
            self._stopping = True
            if self._camera is not None:
                self._camera.stop()
        self._thread.join(STOP_S)
        if self._thread.is_alive():
            raise ReaderStuck(f"the camera's thread did not end within {STOP_S:.0f} s")

    def _run(self) -> None:
        ended = Ended("camera-ended", REMEDIES["camera-ended"], slow=False)
        try:
            camera = self._connect()
            with self._lock:
                self._camera = camera
                if self._stopping:
                    return
            with camera:
                for frame in camera:
                    self._slot.put(frame)
        except CameraError as error:
            ended = Ended(error.code, str(error), error.slow)
        except AddressError as error:  # a name may have an address again in a moment; a rule changes by hand only
            ended = Ended(error.code, str(error), slow=error.code != "camera-host-unknown")
        except SecretKeyError as error:
            ended = Ended("camera-credentials-lost", str(error), slow=True)
        except Exception as error:  # whatever it is, the camera is tried again; messages may hold a URL
            log.error("camera failed", stage="camera", error=type(error).__name__)
            ended = Ended("camera-broken", REMEDIES["camera-broken"], slow=False)
        finally:
            self.ended = ended
