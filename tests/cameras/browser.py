"""A real browser that plays a live view with hls.js, and says what it sees. Not a test file.

Headless Chromium opens one page; page, player and API have one origin, as behind a reverse proxy. The page tells its
state to that origin by itself, four times a second.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psutil

from tests.cameras.hls_js import SCRIPT
from tests.cameras.house import until

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
FLAGS += ("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage")
FLAGS += ("--autoplay-policy=no-user-gesture-required",)
PAGE = """<!doctype html><meta charset="utf-8"><title>live</title><video id="video" muted autoplay playsinline></video>
<script src="/hls.js"></script><script>
const video = document.getElementById("video");
const said = {errors: [], fatal: [], eras: [], sizes: [], frames: 0, went_back: 0, waits: 0, parts: 0, media: -1};
const again = {maxNumRetry: 100, retryDelayMs: 1000, maxRetryDelayMs: 1000};
again.shouldRetry = (policy, count) => count < 100;  // by itself hls.js gives up for good at the first 404
const patient = {maxTimeToFirstByteMs: 20000, maxLoadTimeMs: 30000, timeoutRetry: again, errorRetry: again};
const hls = new Hls({lowLatencyMode: true, playlistLoadPolicy: {default: patient}});
hls.on(Hls.Events.ERROR, (_, data) => {
  const told = [data.type, data.details, data.reason || "", data.response ? data.response.code : 0].join(" ");
  (data.fatal ? said.fatal : said.errors).push(told);
});
hls.on(Hls.Events.FRAG_CHANGED, (_, data) => {
  if (!said.eras.includes(data.frag.cc)) said.eras.push(data.frag.cc);
});
hls.on(Hls.Events.FRAG_LOADED, (_, data) => { if (data.part) said.parts += 1; });
video.addEventListener("waiting", () => { said.waits += 1; });
const shown = (_, frame) => {
  said.frames += 1;
  if (frame.mediaTime < said.media) said.went_back += 1;
  said.media = frame.mediaTime;
  const size = frame.width + "x" + frame.height;
  if (said.sizes.at(-1) !== size) said.sizes.push(size);
  video.requestVideoFrameCallback(shown);
};
video.requestVideoFrameCallback(shown);
hls.loadSource(location.hash.slice(1));
hls.attachMedia(video);
setInterval(() => {
  const quality = video.getVideoPlaybackQuality();
  const body = {...said, time: video.currentTime, decoded: quality.totalVideoFrames,
    dropped: quality.droppedVideoFrames, corrupted: quality.corruptedVideoFrames, latency: hls.latency,
    target: hls.targetLatency, lag: hls.playingDate ? (Date.now() - hls.playingDate) / 1000 : null,
    paused: video.paused, error: video.error ? video.error.message : null};
  fetch("/said", {method: "POST", body: JSON.stringify(body)});
}, 250);
</script>
"""


def missing() -> str:
    """What the test lacks here, in words; empty where it has all."""
    if chromium() is None:
        return "not installed: chromium (Debian: chromium)"
    return "" if SCRIPT.is_file() else "no hls.js; fetch it with `python -m tests.cameras.hls_js`"


def chromium() -> str | None:
    return next((found for name in CHROMIUM if (found := shutil.which(name))), None)


class Stage:
    """The page with the player, and the service behind it: one origin. A context manager.

    `said` is what the page told last; `asked` counts answers to the player by kind and status.
    """

    def __init__(self, service_url: str) -> None:
        self.service = urlsplit(service_url)
        self.said: dict[str, Any] = {}
        self.history: list[tuple[float, dict[str, Any]]] = []  # (monotonic seconds, what was said)
        self.asked: Counter[str] = Counter()
        stage = self

        class Bound(_Handler):
            pass

        Bound.stage = stage
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def page(self, stream_id: str) -> str:
        return f"{self.url}/#/v1/streams/{stream_id}/live/live.m3u8"

    def told(self, body: dict[str, Any]) -> None:
        self.said = body
        self.history.append((time.monotonic(), body))

    def until(self, happened: Callable[[], bool], why: str, timeout_s: float = 90) -> None:
        """Raises AssertionError with what the page said instead."""
        try:
            until(happened, timeout_s, why)
        except AssertionError as error:
            age_s = time.monotonic() - self.history[-1][0] if self.history else math.inf
            raise AssertionError(f"{error}; {age_s:.1f} s ago the page said {self.said}; {self.asked}") from None

    def plays_on(self, seconds: float, frames: int) -> None:
        """Waits until so much more was played."""
        at, shown = self.said.get("time", 0), self.said.get("frames", 0)
        self.until(
            lambda: self.said.get("time", 0) >= at + seconds and self.said.get("frames", 0) >= shown + frames,
            f"not {seconds} s and {frames} frames more after {at} s and {shown} frames",
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stage: Stage

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the browser was ended
            super().handle()

    def do_POST(self) -> None:
        self.stage.told(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(204, {}, b"")

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(200, {"Content-Type": "text/html"}, PAGE.encode())
        elif self.path == "/hls.js":
            self._answer(200, {"Content-Type": "text/javascript"}, SCRIPT.read_bytes())
        elif self.path.startswith("/v1/"):
            self._pass_on()
        else:
            self._answer(404, {}, b"")

    def _pass_on(self) -> None:
        service = self.stage.service
        connection = http.client.HTTPConnection(str(service.hostname), service.port, timeout=60)
        try:
            wanted = {name: value for name, value in self.headers.items() if name.lower() in ("range", "accept")}
            connection.request("GET", self.path, headers=wanted)
            answer = connection.getresponse()
            headers = {name: value for name in ("Content-Type", "Cache-Control") if (value := answer.getheader(name))}
            body = answer.read()
        except OSError:
            self._answer(502, {}, b"")
            return
        finally:
            connection.close()
        kind = "reload" if "_HLS_msn" in self.path else self.path.rpartition("/")[2].partition("-")[0]
        self.stage.asked[f"{kind} {answer.status}"] += 1
        self._answer(answer.status, headers, body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the player lost interest
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


class Browser:
    """Headless Chromium with a fresh profile, on one page. A context manager; none of its processes is left."""

    def __init__(self, url: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="gl-", ignore_cleanup_errors=True)
        program = chromium()
        assert program is not None
        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={self._profile.name}", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        processes = psutil.Process(self._process.pid).children(recursive=True)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for process in processes:  # those that left the group
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)
        self._profile.cleanup()
