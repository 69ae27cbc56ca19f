"""The healthcheck of containers: well while this host's own worker beats, unwell otherwise, always one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from pipeline.healthcheck import main
from pipeline.heartbeat import Heartbeat
from pipeline.queue import consumer_name, host_of

ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """run(*arguments, **environment): exit code and line."""

    def call(*arguments: str, **env: str) -> tuple[int, str]:
        monkeypatch.delenv("REDIS_URL", raising=False)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        code = main(arguments)
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        return code, out.strip()

    return call


def test_as_containers_call_it(redis: Redis, redis_url: str) -> None:
    name = consumer_name()
    Heartbeat(redis, "clip", name).beat()
    command, env = [sys.executable, "-m", "pipeline.healthcheck", "clip"], os.environ | {"REDIS_URL": redis_url}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name} is alive\n", "")


def test_a_worker_is_well_while_it_beats_here(run: Run, redis: Redis, redis_url: str) -> None:
    mine = consumer_name()
    for kind, name in (("enhance", mine), ("clip", f"elsewhere-{mine}"), ("clip", f"{host_of(mine)}-too-12-abcdef01")):
        Heartbeat(redis, kind, name).beat()
    assert run("enhance", REDIS_URL=redis_url) == (0, f"{mine} is alive")
    assert run("clip", REDIS_URL=redis_url) == (1, "no clip worker of this host was heard of in the last 15 s")
    Heartbeat(redis, "enhance", mine).stop()
    assert run("enhance", REDIS_URL=redis_url)[0] == 1


def test_the_host_is_found_in_a_name() -> None:
    assert host_of(consumer_name()) == socket.gethostname()
    assert host_of("a-host-1-abcdef01") == "a-host"


def test_what_cannot_be_asked_is_unwell(run: Run, tmp_path: Path) -> None:
    assert run("clip") == (1, "REDIS_URL is not set: set it to the service's Redis; `gleaner serve` starts its own")
    code, line = run("clip", REDIS_URL=f"unix://{tmp_path}/none.sock")
    assert (code, line) == (1, "Redis at unix socket does not answer: ConnectionError")
    code, line = run("clip", REDIS_URL="http://:secret@nowhere")
    assert code == 1
    assert "secret" not in line
    code, line = run("api", GLEANER_PORT="none")
    assert code == 1
    assert line.startswith("GLEANER_PORT: ")


def test_other_questions_are_refused(run: Run) -> None:
    for arguments in ((), ("redis",), ("api", "clip")):
        assert run(*arguments) == (2, "usage: python -m pipeline.healthcheck api|clip|enhance|camera")
