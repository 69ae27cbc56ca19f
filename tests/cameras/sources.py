"""Camera servers as processes that are started, stopped, killed and frozen. Not a test file."""

from __future__ import annotations

import functools
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.media.ports import free_port

ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's python3-gi is there, and in no virtual environment
NEEDED = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
NEEDED += " gstreamer1.0-plugins-ugly gstreamer1.0-plugins-bad"
HOW_TO_INSTALL = f"gst-rtsp-server is not there: apt-get install --no-install-recommends {NEEDED}"
_HAS_GST = """
import gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
raise SystemExit(any(Gst.ElementFactory.find(name) is None for name in ("x264enc", "rtph264pay", "videotestsrc")))
"""


@functools.cache
def has_gst() -> bool:
    """Whether Debian's gst-rtsp-server can be run here."""
    try:
        asked = subprocess.run([SYSTEM_PYTHON, "-c", _HAS_GST], capture_output=True, timeout=60, check=False)
    except OSError:
        return False
    return asked.returncode == 0


class CameraProcess:
    """One server, with a camera at each path. A context manager; its port stays the same over its lives."""

    def __init__(
        self, paths: Sequence[str] = ("live",), size: str = "160x120", rate: int = 6, *options: str, gst: bool = True
    ) -> None:
        self.paths, self.port, self.gst = tuple(paths), free_port(), gst
        program = [SYSTEM_PYTHON, "tests/cameras/gst_server.py"]
        if not gst:
            program = [sys.executable, "-m", "tests.cameras.own_server"]
        facts = ["--paths", ",".join(paths), "--size", size, "--rate", str(rate)]
        self._command = [*program, "--port", str(self.port), *facts, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def url(self, path: str = "") -> str:
        return f"rtsp://127.0.0.1:{self.port}/{path or self.paths[0]}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns once it listens."""
        self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if said != b"ready\n":
            raise RuntimeError(f"the camera server did not start: exit status {self._process.wait()}")

    def stop(self) -> None:
        """It says goodbye to its clients and ends."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Its connections stay, the system takes new ones, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(how)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def _signal(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)
