"""Keeps the processes of one service running: starts, restarts and stops them. Knows nothing of what they do.

A process that dies is started again after 0.1 s, and after twice as long each further time, up to half a minute; one
that ran for half a minute begins at 0.1 s again. Processes end with the supervisor even if that is killed. Linux only.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

import structlog

from pipeline.parent_death import dies_with_parent

FIRST_DELAY_S = 0.1
LAST_DELAY_S = 30.0
STEADY_S = 30.0  # having run this long, a process is taken to be sound

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to keep running. env: its whole environment, None for the supervisor's own."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    grace_s: float = 10.0  # after SIGTERM, before SIGKILL


class Supervised(Protocol):
    """What the supervisor keeps running besides plain processes, such as EmbeddedRedis."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    def start(self) -> object:
        """Raises if it cannot be started."""
        ...

    def alive(self) -> bool: ...

    def restart(self) -> object:
        """Called once it is no longer alive. Raises if it cannot be started."""
        ...

    def stop(self) -> None:
        """Returns when it has ended. May be repeated."""
        ...


class Child:
    """A plain process as a supervised thing."""

    def __init__(self, spec: ProcessSpec) -> None:
        self._spec = spec
        self.name = spec.name
        self._process: subprocess.Popen[bytes] | None = None
        self._kill_at: float | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        self._kill_at = None
        self._process = subprocess.Popen(
            self._spec.argv,
            env=self._spec.env,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C at the terminal is for the supervisor, which stops in order
            preexec_fn=dies_with_parent(signal.SIGTERM),
        )

    restart = start

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ending(self) -> str:
        """How it ended, in words."""
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return "not ended"
        return f"exit status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def terminate(self) -> None:
        """Asks it to end; the time to do so starts to run."""
        if self._process is not None and self._kill_at is None:
            self._kill_at = time.monotonic() + self._spec.grace_s
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        self.terminate()
        if self._process is None or self._kill_at is None:
            return
        try:
            self._process.wait(timeout=max(0.0, self._kill_at - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("process killed", process=self.name, grace_s=self._spec.grace_s)
            self._process.kill()
            self._process.wait()


@dataclass(slots=True)
class _Watch:
    """A supervised thing and what has become of it."""

    thing: Supervised
    started_at: float = 0.0
    failures: int = 0  # in a row
    restarts: int = 0
    due_at: float | None = None  # when to start it again; None while it runs
    pidfd: int | None = None  # readable once the process has ended


class Supervisor:
    """Runs stages of processes, started in the order given and stopped in the reverse, a stage's members together.

    To be run by a thread that lasts as long as the process: children end with the thread that started them.
    """

    def __init__(self, stages: Sequence[Sequence[ProcessSpec | Supervised]]) -> None:
        self._stages = [
            [_Watch(Child(member) if isinstance(member, ProcessSpec) else member) for member in stage]
            for stage in stages
        ]
        self._stops = 0
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_r, selectors.EVENT_READ)

    def run(self) -> None:
        """Starts all, keeps them running until `request_stop`, then stops all. To be called once.

        Raises what the first start of a thing raises, after stopping those already started.
        """
        try:
            for watch in self._all():
                if self._stops:
                    return
                watch.thing.start()
                self._note_start(watch)
            while not self._stops:
                self._selector.select(self._until_next_start())
                self._look_after_all()
        finally:
            self._stop_all()
            self._close()

    def request_stop(self) -> None:
        """Makes `run` stop everything and return. A second request kills. For signal handlers and other threads."""
        self._stops += 1
        if self._stops > 1:
            for watch in self._all():
                if isinstance(watch.thing, Child):
                    watch.thing.kill()
        with suppress(OSError):  # closed: it has ended already
            os.write(self._wake_w, b"!")

    @contextmanager
    def stopping_on_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT become `request_stop` inside the block. In the main thread only."""

        def handle(number: int, _: FrameType | None) -> None:
            self.request_stop()

        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def restarts(self) -> dict[str, int]:
        """How often each has been started again, by name."""
        return {watch.thing.name: watch.restarts for watch in self._all()}

    def pids(self) -> dict[str, int | None]:
        """The process of each, by name; None while it does not run."""
        return {watch.thing.name: None if watch.due_at is not None else watch.thing.pid for watch in self._all()}

    def _all(self) -> Iterator[_Watch]:
        for stage in self._stages:
            yield from stage

    def _until_next_start(self) -> float | None:
        due = [watch.due_at for watch in self._all() if watch.due_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _look_after_all(self) -> None:
        for watch in self._all():
            if self._stops:
                return
            if watch.due_at is None:
                if not watch.thing.alive():
                    self._note_death(watch, watch.thing.ending() if isinstance(watch.thing, Child) else "ended")
            elif watch.due_at <= time.monotonic():
                self._start_again(watch)

    def _start_again(self, watch: _Watch) -> None:
        watch.restarts += 1
        try:
            watch.thing.restart()
        except Exception as error:  # whatever it is, the next attempt may succeed, and the others must go on
            watch.started_at = time.monotonic()
            self._note_death(watch, f"did not start: {error}")
        else:
            self._note_start(watch)

    def _note_start(self, watch: _Watch) -> None:
        watch.started_at, watch.due_at = time.monotonic(), None
        pid = watch.thing.pid
        if pid is not None:
            watch.pidfd = os.pidfd_open(pid)  # it is our child and not yet waited for, so the number is still its own
            self._selector.register(watch.pidfd, selectors.EVENT_READ)
        _log.info("process started", process=watch.thing.name, pid=pid, restarts=watch.restarts)

    def _note_death(self, watch: _Watch, reason: str) -> None:
        self._unwatch(watch)
        now = time.monotonic()
        watch.failures = 1 if now - watch.started_at >= STEADY_S else watch.failures + 1
        delay = restart_delay_s(watch.failures)
        watch.due_at = now + delay
        _log.warning("process died", process=watch.thing.name, reason=reason, restart_in_s=round(delay, 3))

    def _stop_all(self) -> None:
        for stage in reversed(self._stages):
            for watch in stage:
                self._unwatch(watch)
                if isinstance(watch.thing, Child):
                    watch.thing.terminate()
            for watch in stage:
                watch.thing.stop()
                if watch.started_at:
                    _log.info("process stopped", process=watch.thing.name)

    def _unwatch(self, watch: _Watch) -> None:
        if watch.pidfd is not None:
            self._selector.unregister(watch.pidfd)
            os.close(watch.pidfd)
            watch.pidfd = None

    def _close(self) -> None:
        self._selector.close()
        wake_w, self._wake_w = self._wake_w, -1
        os.close(wake_w)
        os.close(self._wake_r)


def restart_delay_s(failures: int) -> float:
    """Seconds to wait before the start that follows this many failures in a row (1 or more)."""
    return float(min(LAST_DELAY_S, FIRST_DELAY_S * 2 ** min(failures - 1, 16)))
