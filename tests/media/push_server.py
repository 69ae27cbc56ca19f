"""A media server that takes pushes by RTSP, as well or as badly as it is told to. Not a test file."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Manner:
    """How the server behaves. status: by method, instead of 200."""

    status: dict[str, int] = field(default_factory=dict)
    challenge: str = ""  # WWW-Authenticate of every request without the right answer
    location: str = ""
    mute: bool = False  # accepts, and says nothing
    deaf_after: int | None = None  # stops reading after so many RTP packets
    hang_up_after: int | None = None
    raw: bytes = b""  # instead of an answer
    chatty: bool = False  # packets of its own between answers


class PushServer:
    def __init__(self, manner: Manner, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.manner = manner
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.accepted = 0
        self._tls = tls
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    @property
    def methods(self) -> list[str]:
        return [request[0] for request in self.requests]

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError):
                plain, _ = self._listener.accept()
                self.accepted += 1
                plain.settimeout(0.05)
                with plain if self._tls is None else self._tls.wrap_socket(plain, server_side=True) as connection:
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        count = 0
        while not self._stop.is_set():
            manner = self.manner
            deaf = manner.deaf_after is not None and count >= manner.deaf_after
            if not (manner.mute or deaf):
                try:
                    data = connection.recv(1 << 14)
                except TimeoutError:
                    continue
                if not data:
                    return
                received += data
            else:
                self._stop.wait(0.05)
            while len(received) >= 4:
                if received[:1] == b"$":
                    size = int.from_bytes(received[2:4], "big") + 4
                    if len(received) < size:
                        break
                    (self.rtp if received[1] == 0 else self.rtcp).append(received[4:size])
                    count += received[1] == 0
                    received = received[size:]
                    if manner.hang_up_after is not None and count >= manner.hang_up_after:
                        return
                    continue
                head, separator, rest = received.partition(b"\r\n\r\n")
                if not separator:
                    break
                lines = head.decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in lines[1:])
                length = int(headers.get("Content-Length", 0))
                if len(rest) < length:
                    break
                received = rest[length:]
                method, uri, _ = lines[0].split(" ")
                self.requests.append((method, uri, headers, rest[:length].decode()))
                connection.sendall(manner.raw or self._answer(method, headers))

    def _answer(self, method: str, headers: dict[str, str]) -> bytes:
        manner = self.manner
        status = manner.status.get(method, 200)
        extra = ""
        if manner.challenge and not self._knows(method, headers.get("Authorization", "")):
            status = 401
            extra = "".join(f"WWW-Authenticate: {line}\r\n" for line in manner.challenge.split("\n"))
        if 300 <= status < 400:
            extra = f"Location: {manner.location}\r\n"
        if method == "SETUP" and status == 200:
            extra = "Session: 4711;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        noise = b"$\x01\x00\x08\r\n\r\nRTSP" if manner.chatty else b""
        return noise + f"RTSP/1.0 {status} So\r\nCSeq: {headers['CSeq']}\r\n{extra}\r\n".encode()

    def _knows(self, method: str, given: str) -> bool:
        """User "sam", password "a:b c"."""
        if given.startswith("Basic"):
            return given == "Basic c2FtOmE6YiBj"
        fields = {m[1]: m[2] or m[3] for m in re.finditer(r'(\w+)=(?:"([^"]*)"|(\w+))', given)}
        if not fields:
            return False

        def digest(text: str) -> str:
            name = "sha256" if "SHA-256" in self.manner.challenge else "md5"
            return hashlib.new(name, text.encode()).hexdigest()

        secret = digest(f"sam:{fields['realm']}:a:b c")
        middle = f"{fields['nc']}:{fields['cnonce']}:auth:" if "qop" in self.manner.challenge else ""
        return fields["response"] == digest(f"{secret}:abc:{middle}" + digest(f"{method}:{fields['uri']}"))


@contextmanager
def push_server(manner: Manner | None = None, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[PushServer]:
    server = PushServer(manner or Manner(), tls, port)
    try:
        yield server
    finally:
        server.close()
