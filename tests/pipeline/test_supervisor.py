"""The supervisor with real processes: crashes, backoff, order of stopping, signals, its own death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.connection import connect
from pipeline.embedded import EmbeddedRedis
from pipeline.supervisor import ProcessSpec, Supervised, Supervisor, restart_delay_s

Wait = Callable[..., None]


def shell(name: str, script: str, grace_s: float = 10.0, env: dict[str, str] | None = None) -> ProcessSpec:
    return ProcessSpec(name, ("/bin/sh", "-c", script), env, grace_s)


def idle(name: str) -> ProcessSpec:
    return ProcessSpec(name, ("/bin/sleep", "1000"))


@contextmanager
def running(*stages: list[ProcessSpec | Supervised]) -> Iterator[Supervisor]:
    supervisor = Supervisor(stages)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield supervisor
    finally:
        supervisor.request_stop()
        thread.join(30)
        assert not thread.is_alive()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def all_up(supervisor: Supervisor) -> bool:
    return all(supervisor.pids().values())


def test_a_killed_process_is_back_at_once_and_others_are_left_alone(wait_for: Wait) -> None:
    with running([idle("a"), idle("b")]) as supervisor:
        wait_for(lambda: all_up(supervisor))
        before = supervisor.pids()
        assert before["a"] is not None
        began = time.monotonic()
        os.kill(before["a"], signal.SIGKILL)
        wait_for(lambda: supervisor.pids()["a"] not in (None, before["a"]))
        assert time.monotonic() - began < 1.0  # 0.1 s, and the load of the machine
        assert supervisor.pids()["b"] == before["b"]
        assert supervisor.restarts() == {"a": 1, "b": 0}
        now = supervisor.pids()
    assert all(gone(pid) for pid in now.values() if pid)


def test_a_process_that_keeps_dying_is_started_ever_less_often(wait_for: Wait) -> None:
    began = time.monotonic()
    with running([shell("hopeless", "exit 3")]) as supervisor:
        wait_for(lambda: supervisor.restarts()["hopeless"] == 3)
        assert time.monotonic() - began >= 0.1 + 0.2 + 0.4


def test_delays_double_up_to_half_a_minute() -> None:
    assert [restart_delay_s(failures) for failures in (1, 2, 3, 9, 10, 10_000)] == [0.1, 0.2, 0.4, 25.6, 30.0, 30.0]


def test_stages_stop_in_reverse_order_and_members_of_one_together(tmp_path: Path, wait_for: Wait) -> None:
    log = tmp_path / "log"

    def noting(name: str, last_words_s: str) -> ProcessSpec:
        script = f"trap 'sleep {last_words_s}; echo {name} >> {log}; exit 0' TERM; touch {tmp_path}/{name}; "
        return shell(name, script + "while :; do sleep 0.01; done")

    with running([noting("redis", "0")], [noting("slow", "0.3"), noting("quick", "0")], [noting("api", "0")]):
        wait_for(lambda: len(list(tmp_path.iterdir())) == 4)
    assert log.read_text().split() == ["api", "quick", "slow", "redis"]


def test_a_process_deaf_to_sigterm_is_killed_after_its_grace(tmp_path: Path, wait_for: Wait) -> None:
    script = f"trap '' TERM; touch {tmp_path}/up; while :; do sleep 0.01; done"
    with running([shell("deaf", script, grace_s=0.2)]) as supervisor:
        wait_for(lambda: (tmp_path / "up").exists())
        pid = supervisor.pids()["deaf"]
        began = time.monotonic()
    assert time.monotonic() - began >= 0.2
    assert pid is not None
    assert gone(pid)


def test_a_second_request_does_not_wait_for_the_grace(tmp_path: Path, wait_for: Wait) -> None:
    script = f"trap 'touch {tmp_path}/asked' TERM; touch {tmp_path}/up; while :; do sleep 0.01; done"
    began = time.monotonic()
    with running([shell("deaf", script, grace_s=60)]) as supervisor:
        wait_for(lambda: (tmp_path / "up").exists())
        supervisor.request_stop()
        wait_for(lambda: (tmp_path / "asked").exists())
    assert time.monotonic() - began < 30


def test_a_first_start_that_fails_stops_what_runs_and_is_raised() -> None:
    supervisor = Supervisor([[idle("a")], [ProcessSpec("missing", ("/nonexistent/program",))]])
    with pytest.raises(FileNotFoundError, match="/nonexistent/program"):
        supervisor.run()
    pid = supervisor.pids()["a"]
    assert pid is not None
    assert gone(pid)


def test_a_stop_asked_for_before_the_start_starts_nothing() -> None:
    supervisor = Supervisor([[idle("a")]])
    supervisor.request_stop()
    supervisor.run()
    assert supervisor.pids() == {"a": None}


def test_a_process_sees_the_environment_it_is_given(tmp_path: Path, wait_for: Wait) -> None:
    spec = shell("env", f"echo $GREETING > {tmp_path}/out.part; mv {tmp_path}/out.part {tmp_path}/out; exec sleep 1000")
    spec = ProcessSpec(spec.name, spec.argv, {"GREETING": "hello", "PATH": os.environ["PATH"]})
    with running([spec]):
        wait_for(lambda: (tmp_path / "out").exists())
    assert (tmp_path / "out").read_text() == "hello\n"


def test_a_redis_of_our_own_is_supervised_too(tmp_path: Path, wait_for: Wait) -> None:
    redis = EmbeddedRedis(tmp_path)
    with running([redis], [idle("worker")]) as supervisor:
        wait_for(lambda: all_up(supervisor))
        with connect(redis.url) as client:
            client.set("gleaner:kept", "yes")
            pid = supervisor.pids()["redis"]
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            assert client.get("gleaner:kept") == b"yes"  # waits until it is back
        assert supervisor.restarts() == {"redis": 1, "worker": 0}
    assert not redis.alive()


SERVE = textwrap.dedent("""
    import sys
    from pathlib import Path
    from pipeline.supervisor import ProcessSpec, Supervisor
    supervisor = Supervisor([[ProcessSpec(name, ("/bin/sleep", "1000"))] for name in ("a", "b")])
    with supervisor.stopping_on_signals():
        supervisor.run()
    assert all(not Path(f"/proc/{pid}").exists() for pid in supervisor.pids().values())
""")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def sleeping(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text() == "sleep\n"


@pytest.fixture
def service(wait_for: Wait) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": "."}
    ) as process:
        wait_for(lambda: len(children(process.pid)) == 2 and all(map(sleeping, children(process.pid))))
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_service_in_order(service: subprocess.Popen[bytes], number: signal.Signals) -> None:
    pids = children(service.pid)
    service.send_signal(number)
    assert service.wait(20) == 0
    assert all(gone(pid) for pid in pids)


def test_processes_end_with_a_killed_supervisor(service: subprocess.Popen[bytes], wait_for: Wait) -> None:
    pids = children(service.pid)
    service.kill()
    wait_for(lambda: all(gone(pid) for pid in pids))


def test_a_supervisor_with_nothing_to_do_sleeps(service: subprocess.Popen[bytes], wait_for: Wait) -> None:
    def wakeups() -> int:
        status = Path(f"/proc/{service.pid}/status").read_text()
        return int(status.partition("voluntary_ctxt_switches:")[2].split()[0])

    before, until = wakeups(), time.monotonic() + 0.5
    wait_for(lambda: time.monotonic() > until)
    assert wakeups() - before <= 2
