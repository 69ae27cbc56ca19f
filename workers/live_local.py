"""`gleaner watch`: a live stream in this process, with no Redis, by the same parts as in the service."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from media.camera import Camera
from media.camera_clock import CameraClock
from media.live_types import CameraSource
from media.live_writer import LiveWriter
from models.catalog import Catalog
from models.enhancer import Enhancer
from models.registry import load
from pipeline.camera_url import CameraUrl
from pipeline.settings import Settings
from workers.backoff import Backoff
from workers.budget import allowed_s, part_s
from workers.ladder import Ladder
from workers.live import LiveSession
from workers.live_frames import LiveFrames, Shown
from workers.live_outputs import LiveOutputs, Output
from workers.live_tally import LiveTally
from workers.plane import Enhanced
from workers.plane_local import LocalPlane
from workers.rungs import Rung, complete, plan_live


@dataclass(frozen=True, slots=True)
class WatchOptions:
    ladder: tuple[str, ...]  # from best to cheapest; Lanczos is added
    scale: int | None
    target_height: int | None
    budget_s: float
    transport: str = "tcp"
    fuse: bool = False  # what stands still is made of the mean of many frames


class LocalLivePlane:
    """The plane of a live stream within this process: a LocalPlane for each rung, made when it is first used."""

    def __init__(self, enhancer: Callable[[str, int], Enhancer], batch_tiles: int) -> None:
        self._enhancer, self._batch_tiles = enhancer, batch_tiles
        self._planes: dict[str, LocalPlane] = {}
        self._of: dict[int, str] = {}  # frames in flight
        self._latest: LocalPlane | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def submit(self, frame: int, tiles: NDArray[Any], rung: Rung) -> str:
        self._latest = self.plane(rung.name, rung.scale)
        self._of[frame] = rung.name
        self._latest.submit(frame, tiles)
        return ""

    def plane(self, name: str, scale: int) -> LocalPlane:
        """The rung's, with its model loaded."""
        found = self._planes.get(name)
        if found is None:
            plane = LocalPlane(self._enhancer(name, scale), self._batch_tiles)
            found = self._planes[name] = self._stack.enter_context(plane)
        return found

    def collect(self, timeout_s: float) -> Enhanced | None:
        """Raises what a lost device raises."""
        for plane in self._planes.values():
            done = plane.collect(timeout_s if plane is self._latest else 0.0)
            if done is not None:
                self._of.pop(done.frame, None)
                return done
        return None

    def abandon(self, frame: int) -> None:
        name = self._of.pop(frame, None)
        if name is not None:
            self._planes[name].abandon(frame)

    def workers(self) -> int:
        return 1


class WatchHooks:
    """What is told of the stream, for whoever shows it."""

    def __init__(self, on_event: Callable[[str, dict[str, Any]], None]) -> None:
        self._on_event = on_event

    def beat(self) -> None:
        pass

    def event(self, kind: str, data: dict[str, Any]) -> None:
        self._on_event(kind, data)

    def shown(self, shown: Shown) -> None:
        pass

    def available(self, rung: str, lag_s: float) -> None:
        pass


def watch(
    url: CameraUrl,
    options: WatchOptions,
    settings: Settings,
    folder: Path | None,
    outputs: Sequence[Output],
    on_event: Callable[[str, dict[str, Any]], None],
    keep_going: Callable[[LiveSession], bool],
) -> LiveTally:
    """Watch a camera until told to stop: HLS into `folder`, and the other outputs. Returns the sums.

    Raises UnknownModel.
    """
    catalog = Catalog(settings.models_dir)
    ladder = complete(options.ladder)
    models = {name: catalog.enhancer(name) for name in ladder[:-1]}
    hls = folder is not None
    clock = CameraClock()
    source = CameraSource(url.whole(), options.transport)

    def enhancer(name: str, scale: int) -> Enhancer:
        return load(name, scale, settings.device, threads=settings.threads or None, catalog=catalog)

    with LocalLivePlane(enhancer, settings.batch_tiles) as plane:
        for name, facts in models.items():  # before the first frame waits for it
            if len(facts.scales) == 1:
                plane.plane(name, facts.scales[0])
        writer = None if folder is None else LiveWriter(folder, part_s=part_s(options.budget_s))
        out = LiveOutputs(writer, outputs, threads=settings.threads)
        session = LiveSession(
            lambda: Camera(source, clock),
            LiveFrames(
                plane,
                Ladder(ladder, allowed_s(options.budget_s, hls=hls)),
                lambda w, h: plan_live(w, h, ladder, catalog.enhancer, options.scale, options.target_height),
                settings.live_window_frames,
                fuse=options.fuse,
            ),
            plane,
            out,
            Backoff(),
            WatchHooks(on_event),
            LiveTally(),
        )
        try:
            session.run(lambda: keep_going(session))
        finally:
            out.close()
    return session.tally
