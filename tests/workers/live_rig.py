"""A live session on a real camera server, with a plane in this process and real outputs. Not a test file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from media.camera import Camera
from media.camera_clock import CameraClock
from media.live_types import CameraSource
from media.live_writer import PLAYLIST, LiveWriter
from models.enhancer import Enhancer
from tests.workers.live_sim import facts_of
from workers.backoff import Backoff
from workers.journal import Journal
from workers.ladder import Ladder
from workers.live import LiveSession
from workers.live_frames import LiveFrames, LivePlane, Shown
from workers.live_local import LocalLivePlane
from workers.live_outputs import LiveOutputs
from workers.live_tally import LiveTally
from workers.rungs import complete, plan_live


def no_model(name: str, scale: int) -> Enhancer:
    raise AssertionError("no model is to be loaded here")


class Told:
    """Hooks that keep what they were told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.frames: list[tuple[float, str, str, int]] = []  # when, how, rung, pts
        self.lags: list[float] = []
        self.details: list[str] = []
        self.sizes: list[tuple[int, ...]] = []

    def beat(self) -> None:
        pass

    def event(self, kind: str, data: dict[str, Any]) -> None:
        self.events.append((kind, data))

    def shown(self, shown: Shown) -> None:
        self.frames.append((time.monotonic(), shown.how, shown.rung, shown.frame.pts))
        self.sizes.append(shown.image.shape)
        if shown.detail:
            self.details.append(shown.detail)

    def available(self, rung: str, lag_s: float) -> None:
        self.lags.append(lag_s)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for found, data in self.events if found == kind]

    def pauses(self) -> list[float]:
        times = [at for at, *_ in self.frames]
        return [b - a for a, b in pairwise(times)]


class Watched:
    """A session in a thread. A context manager: leaving it stops the session, which must end soon."""

    def __init__(
        self,
        source: CameraSource,
        enhancer: Callable[[str, int], Enhancer],
        folder: Path,
        *,
        ladder: tuple[str, ...] = ("doubling",),
        budget_s: float = 2.0,
        window: int = 3,
        plane: LivePlane | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.told, self.folder = Told(), folder
        self._stop = threading.Event()
        self._clock = CameraClock()
        self._local = LocalLivePlane(enhancer, batch_tiles=1000)
        self._plane = plane or self._local
        self.outputs = LiveOutputs(LiveWriter(folder, segment_s=1.0, part_s=0.25), threads=1)
        rungs = complete(ladder)
        self.ladder = Ladder(rungs, budget_s - 0.25)
        self.frames = LiveFrames(
            self._plane, self.ladder, lambda w, h: plan_live(w, h, rungs, facts_of, 2, None), window
        )
        self.session = LiveSession(
            lambda: Camera(source, self._clock),
            self.frames,
            self._plane,
            self.outputs,
            Backoff(seed=1),
            self.told,
            LiveTally(),
            journal=journal,
        )
        self.states: list[str] = []
        self.standings: list[tuple[str, float | None]] = []  # each time round: state, and when it is tried again
        self.problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    @property
    def tally(self) -> LiveTally:
        return self.session.tally

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.problem is not None:
            raise self.problem

    def _run(self) -> None:
        try:
            with self._local:
                self.session.run(self._keep_going)
                self.outputs.close()
        except BaseException as error:
            self.problem = error

    def _keep_going(self) -> bool:
        standing = self.session.standing()
        state = standing.state.value
        self.standings.append((state, standing.retry_at))
        if not self.states or self.states[-1] != state:
            self.states.append(state)
        return not self._stop.is_set()


def play(folder: Path) -> list[tuple[int, int, int]]:
    """(pts, width, height) of what a player would show of the folder."""
    ended = folder / "ended.m3u8"  # else FFmpeg waits for what is to come
    ended.write_text((folder / PLAYLIST).read_text() + "#EXT-X-ENDLIST\n")
    with av.open(str(ended), options={"allowed_extensions": "ALL", "live_start_index": "0"}) as container:
        return [(frame.pts, frame.width, frame.height) for frame in container.decode(video=0)]
