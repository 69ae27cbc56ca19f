"""`gleaner watch`: a camera enhanced live in this process, to a folder or to a media server. No service, no Redis."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.common import FuseOption, HeightOption, ModelOption, ScaleOption, UnusableError, clean_errors
from pipeline.settings import Settings

TELL_S = 1.0


def watch(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            envvar="GLEANER_WATCH_URL",  # for a password that is not to be seen in the list of processes
            show_envvar=True,
            help="The camera: rtsp://[user:password@]host[:port]/path.",
        ),
    ],
    model: ModelOption = None,
    ladder: Annotated[
        str | None, typer.Option("--ladder", help="Models from best to cheapest, with commas; Lanczos is always last.")
    ] = None,
    scale: ScaleOption = None,
    target_height: HeightOption = None,
    push: Annotated[str | None, typer.Option("--push", metavar="URL", help="Push by RTSP to a media server.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="HLS goes there: live.m3u8 and its segments.")
    ] = None,
    budget: Annotated[
        float, typer.Option("--budget", min=0.5, max=60.0, help="Longest from a frame's arrival to its part, seconds.")
    ] = 3.0,
    transport: Annotated[str, typer.Option("--transport", help="tcp or udp.")] = "tcp",
    fuse: FuseOption = False,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0.0, help="End after so long.")] = None,
) -> None:
    """Enhance a camera live, until Ctrl-C."""
    from media.rtsp_session import parse_target
    from models.catalog import Catalog
    from pipeline.camera_url import AddressError, parse_camera_url
    from pipeline.usual_ladder import usual_ladder
    from workers.backoff import Backoff
    from workers.live_local import WatchOptions
    from workers.live_local import watch as watch_camera
    from workers.live_outputs import Output
    from workers.live_push import LivePush

    with clean_errors(AddressError):
        settings = Settings()
        camera = parse_camera_url(url)
        if out is None and push is None:
            raise UnusableError("nowhere to put the stream: give -o DIR, or --push URL")
        if scale is not None and target_height is not None:
            raise UnusableError("--scale and --target-height cannot both be met; give one")
        if transport not in ("tcp", "udp"):
            raise UnusableError(f"--transport is {transport!r:.20}; it is tcp or udp")
        outputs = []
        if push is not None:
            target = push
            try:
                parse_target(target)
            except ValueError:  # its text may hold the password
                raise UnusableError("--push is no RTSP address; write it like rtsp://host:8554/name") from None
            outputs.append(Output("push", lambda: LivePush(lambda: target, Backoff().after)))
        first = model or settings.default_model
        rungs = tuple(name.strip() for name in ladder.split(",") if name.strip()) if ladder else ()
        rungs = rungs or usual_ladder(first, Catalog(settings.models_dir))
        if model is not None and rungs[0] != model:
            rungs = (model, *(name for name in rungs if name != model))
        options = WatchOptions(rungs, scale, target_height, budget, transport, fuse)
        with _Teller(seconds) as teller:
            tally = watch_camera(camera, options, settings, out, outputs, teller.event, teller.keep_going)
        said = ", ".join(f"{count} {how}" for how, count in sorted(tally.how.items()))
        typer.echo(f"{tally.frames} frames ({said or 'none'}), {tally.dropped} dropped, {tally.reconnects} reconnects")
        for rung, lags in tally.lags.items():
            _say_lags(f"{rung}: until the part", lags)
            if rung in tally.segment_lags:
                _say_lags(f"{rung}: until the segment", tally.segment_lags[rung])
        if not tally.frames:
            raise typer.Exit(1)


def _say_lags(what: str, lags: Any) -> None:
    shares = ", ".join(f"{share:.0%} within {lags.within_s(share):.2f} s" for share in (0.5, 0.95, 0.99))
    typer.echo(f"{what} {lags.number} frames, {shares}, longest {lags.longest_s:.2f} s")


class _Teller:
    """Says on stderr how the stream does, and ends it on Ctrl-C or when its time is up."""

    def __init__(self, seconds: float | None) -> None:
        self._ends_at = None if seconds is None else time.monotonic() + seconds
        self._told_at = 0.0
        self._state = ""
        self._ended = threading.Event()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> _Teller:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, lambda *_: self._ended.set())
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def event(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "rung":
            typer.echo(f"{data['from']} -> {data['to']}: {data['reason']}", err=True)
        elif kind == "size":
            typer.echo(f"the camera sends {data['codec']} {data['width']}x{data['height']}", err=True)
        elif kind == "gap":
            typer.echo(f"no frame for {data['seconds']:.1f} s", err=True)

    def keep_going(self, session: Any) -> bool:
        now = time.monotonic()
        if now - self._told_at >= TELL_S:
            self._told_at = now
            self._tell(session, now)
        return not self._ended.is_set() and (self._ends_at is None or now < self._ends_at)

    def _tell(self, session: Any, now: float) -> None:
        standing, tally = session.standing(), session.tally
        if standing.state == "online":
            lag = "" if tally.lag_s is None else f", lag {tally.lag_s:.2f} s"
            share = f", {tally.recomputed_share:.0%} recomputed" if tally.recomputed_share is not None else ""
            rates = f"{tally.fps_in(now):.1f} fps in, {tally.fps_out(now):.1f} out"
            typer.echo(f"{session.rung}: {rates}{lag}{share}, {tally.dropped} dropped, {tally.late} late", err=True)
        elif standing.state != self._state:
            why = f": {standing.problem.detail}" if standing.problem else ""
            typer.echo(f"{standing.state.value}{why}", err=True)
        self._state = standing.state
