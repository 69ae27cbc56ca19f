"""The door for gateways that push straight to a worker: only who knows the key gets through to FFmpeg's listener.

FFmpeg's own listeners take whoever comes first, under any path, and one connection only (measured with 8.1). So they
listen on loopback, and this file on the port outside: it reads the first request, compares its path, and then passes
bytes on. RTSP: ANNOUNCE (RFC 2326), the key is the path. RTMP: the command "connect" (Adobe's RTMP 1.0, 7.2.1.1), the
key is the application: `rtmp://HOST:PORT/KEY`, with any stream name behind it.
"""

from __future__ import annotations

import hmac
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from media.live_types import CameraError, CameraSource

HELLO_S = 5.0  # for a gateway to say what it wants
HELLO_BYTES = 16_384
CANDIDATES = 8  # connections that are asked at once
POLL_S = 0.2
BLOCK = 65_536
HANDSHAKE = 1536  # bytes of C1, C2, S1, S2
RTMP_VERSION = b"\x03"
COMMAND, SET_CHUNK_SIZE = 20, 1  # RTMP message types


class Refused(Exception):
    """It is no gateway of ours."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who knows the key, and what he has said so far: to be said again to FFmpeg."""

    connection: socket.socket
    said: bytes
    answered: tuple[bytes, ...] = ()  # said before that, and answered here already


class Publisher:
    """A gateway that was let in. FFmpeg is to listen at `source`; what the gateway sends is passed on to there."""

    def __init__(self, candidate: Candidate, source: CameraSource) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        kind = source.listen or "rtsp"
        self.source = replace(source, url=f"{kind}://127.0.0.1:{self._port}/live", connect_timeout_s=HELLO_S)
        self._candidate, self._rtmp = candidate, kind == "rtmp"
        self._inner: socket.socket | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._relay, name="gateway", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        for connection in (self._candidate.connection, self._inner):
            if connection is not None:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(HELLO_S)
        self._candidate.connection.close()

    def _relay(self) -> None:
        outer = self._candidate.connection
        with suppress(OSError, Refused):
            inner = self._inner = self._connect()
            with inner:
                if self._rtmp:
                    greet(inner)
                for request in self._candidate.answered:  # FFmpeg counts requests (CSeq), so it is to see all of them
                    inner.sendall(request)
                    answer = b""
                    while b"\r\n\r\n" not in answer:
                        answer += received(inner, answer)
                inner.sendall(self._candidate.said)
                back = threading.Thread(target=pump, args=(inner, outer), name="gateway", daemon=True)
                back.start()
                pump(outer, inner)
                back.join(HELLO_S)

    def _connect(self) -> socket.socket:
        """To FFmpeg, which is about to listen."""
        deadline = time.monotonic() + HELLO_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self._port), HELLO_S)
            except OSError:
                if time.monotonic() > deadline or self._closed.wait(POLL_S / 10):
                    raise


def pump(source: socket.socket, target: socket.socket) -> None:
    """Passes bytes on until one side ends."""
    with suppress(OSError):
        source.settimeout(None)
        while data := source.recv(BLOCK):
            target.sendall(data)
    for connection in (source, target):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def await_publisher(source: CameraSource, stopped: Callable[[], bool]) -> Publisher | None:
    """The first gateway that knows the key in the source's URL; None where `stopped` says so meanwhile.

    Raises CameraError: "camera-silent" after `connect_timeout_s`, "camera-broken" where the port is not to be had.
    """
    parts = urlsplit(source.url)
    key = parts.path.strip("/")
    if source.listen not in ("rtsp", "rtmp") or not key or not parts.hostname or not parts.port:
        raise CameraError("camera-broken", "a stream that is pushed needs a port and a key")
    try:
        listener = socket.create_server((parts.hostname, parts.port), backlog=CANDIDATES)
    except OSError:
        raise CameraError("camera-broken", f"port {parts.port} of this machine is taken") from None
    accepted: queue.SimpleQueue[Candidate] = queue.SimpleQueue()
    room = threading.BoundedSemaphore(CANDIDATES)
    deadline = time.monotonic() + source.connect_timeout_s
    with listener:
        listener.settimeout(POLL_S)
        while not stopped():
            with suppress(queue.Empty):
                return Publisher(accepted.get_nowait(), source)
            if time.monotonic() > deadline:
                raise CameraError("camera-silent", "no gateway has pushed")
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            if not room.acquire(blocking=False):
                connection.close()
                continue
            ask = ask_rtmp if source.listen == "rtmp" else ask_rtsp
            threading.Thread(target=judge, args=(connection, ask, key, accepted, room), daemon=True).start()
    return None


def judge(
    connection: socket.socket,
    ask: Callable[[socket.socket, str], Candidate],
    key: str,
    accepted: queue.SimpleQueue[Candidate],
    room: threading.BoundedSemaphore,
) -> None:
    """Puts the connection in the queue, or closes it."""
    try:
        connection.settimeout(HELLO_S)
        accepted.put(ask(connection, key))
    except (OSError, Refused):
        connection.close()
    finally:
        room.release()


def same(path: str, key: str) -> bool:
    return hmac.compare_digest(unquote(path).strip("/").encode(), unquote(key).encode())


def ask_rtsp(connection: socket.socket, key: str) -> Candidate:
    """The ANNOUNCE of a gateway that knows the key. OPTIONS before it are answered here. Raises Refused."""
    said = b""
    answered: list[bytes] = []
    while True:
        while b"\r\n\r\n" not in said:
            said += received(connection, said)
        head, _, rest = said.partition(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").split("\r\n")
        method, _, target = line.partition(" ")
        sequence = next((h.partition(":")[2].strip() for h in headers if h.lower().startswith("cseq:")), "0")
        if method == "ANNOUNCE" and same(urlsplit(target.partition(" ")[0]).path, key):
            return Candidate(connection, said, tuple(answered))
        status = "200 OK" if method == "OPTIONS" else "403 Forbidden"
        methods = "OPTIONS, ANNOUNCE, SETUP, RECORD, TEARDOWN"
        connection.sendall(f"RTSP/1.0 {status}\r\nCSeq: {sequence}\r\nPublic: {methods}\r\n\r\n".encode("latin-1"))
        if method != "OPTIONS":
            raise Refused
        answered.append(head + b"\r\n\r\n")
        said = rest


def received(connection: socket.socket, said: bytes) -> bytes:
    data = connection.recv(4096)
    if not data or len(said) + len(data) > HELLO_BYTES:
        raise Refused
    return data


def ask_rtmp(connection: socket.socket, key: str) -> Candidate:
    """All that a gateway who knows the key has said since the handshake, which is made here. Raises Refused."""
    hello = exactly(connection, 1 + HANDSHAKE)
    if hello[:1] != RTMP_VERSION:
        raise Refused
    connection.sendall(RTMP_VERSION + bytes(8) + os.urandom(HANDSHAKE - 8) + hello[1:])
    exactly(connection, HANDSHAKE)
    said = b""
    while (command := first_command(said)) is None:
        said += received(connection, said)
    at = command.find(b"\x00\x03app\x02")  # an AMF object's key, and that a string follows
    length = int.from_bytes(command[at + 6 : at + 8], "big")
    app = command[at + 8 : at + 8 + length].decode("utf-8", "replace")
    if at < 0 or b"connect" not in command[:16] or not same(app.partition("?")[0].partition("/")[0], key):
        raise Refused
    return Candidate(connection, said)


def greet(connection: socket.socket) -> None:
    """The handshake with FFmpeg's listener, in the gateway's place."""
    connection.sendall(RTMP_VERSION + bytes(8) + os.urandom(HANDSHAKE - 8))
    answer = exactly(connection, 1 + 2 * HANDSHAKE)
    connection.sendall(answer[1 : 1 + HANDSHAKE])


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise Refused
        data += part
    return data


def first_command(stream: bytes) -> bytes | None:
    """The first command message of a chunk stream; None where it is not whole yet. Raises Refused."""
    at, chunk_size = 0, 128
    while at + 12 <= len(stream):
        if stream[at] >> 6 or stream[at] & 63 < 2:  # a message of a new connection begins with a whole header
            raise Refused
        length, kind = int.from_bytes(stream[at + 4 : at + 7], "big"), stream[at + 7]
        if stream[at + 1 : at + 4] == b"\xff\xff\xff" or length > HELLO_BYTES:
            raise Refused
        at += 12
        message = b""
        while len(message) < length:
            if message:
                at += 1  # the header of a chunk that continues
            part = stream[at : at + min(chunk_size, length - len(message))]
            message += part
            at += len(part)
            if at >= len(stream) and len(message) < length:
                return None
        if kind == COMMAND:
            return message
        if kind == SET_CHUNK_SIZE:
            chunk_size = max(1, int.from_bytes(message[:4], "big"))
    return None
