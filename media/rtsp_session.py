"""The publishing end of RTSP over TCP: ANNOUNCE, SETUP, RECORD, and packets between. Knows no frames and no retries.

Written here, because FFmpeg's muxer, driven through PyAV, holds Python's lock while it connects, cannot be interrupted,
and follows redirects. RFC 2326; RFC 7616 and 7617 for authentication. Every wait is bounded and ends with `stop`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import secrets
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

TICK_S = 0.2  # between looks at `stop`
MAX_ANSWER = 64 << 10
PORTS = {"rtsp": 554, "rtsps": 322}
AGENT = "gleaner"
SEND_BUFFER = 256 << 10  # bytes: what the system holds back is lag. By itself it would grow to several megabytes

REMEDIES = {
    "push-refused": "The media server refuses the connection; check its address and port.",
    "push-unreachable": "The media server does not answer; check its address and the network to it.",
    "push-unauthorised": "The media server does not accept the user name and password; check both.",
    "push-forbidden": "The media server forbids publishing there; allow it, or choose another path.",
    "push-not-found": "The media server knows no such path; check the path.",
    "push-redirected": "The media server sent us to another address, which is not followed; give that address itself.",
    "push-silent": "The media server took nothing for too long; check its load and the network to it.",
    "push-ended": "The media server ended the connection.",
    "push-broken": "The media server answered in a way that cannot be followed; check that it takes RTSP by TCP.",
}
SLOW = frozenset(("push-unauthorised", "push-forbidden", "push-not-found", "push-redirected"))
_BY_STATUS = {401: "push-unauthorised", 403: "push-forbidden", 404: "push-not-found"}
_PARAMETER = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


class PushError(Exception):
    """`code` is a key of REMEDIES. The message never holds a URL. slow: trying again soon will not help."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{REMEDIES[code]} ({detail})" if detail else REMEDIES[code])
        self.code = code
        self.slow = code in SLOW


@dataclass(frozen=True, slots=True)
class PushTarget:
    """A URL taken apart. Nothing of it is shown: the path may be a secret too."""

    tls: bool
    host: str = field(repr=False)
    port: int = field(repr=False)
    uri: str = field(repr=False)  # without credentials
    user: str | None = field(repr=False)
    password: str = field(repr=False)


def parse_target(url: str) -> PushTarget:
    """Raises ValueError, without the URL in it, for anything but rtsp:// and rtsps:// with a host."""
    try:
        parts = urlsplit(url)
        host, port, user, password = parts.hostname, parts.port, parts.username, parts.password
    except ValueError:
        raise ValueError("the push URL cannot be read") from None
    if parts.scheme not in PORTS or not host or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError("a push URL is rtsp://host/path or rtsps://host/path")
    shown = f"[{host}]" if ":" in host else host
    query = f"?{parts.query}" if parts.query else ""
    uri = f"{parts.scheme}://{shown}:{port or PORTS[parts.scheme]}{parts.path or '/'}{query}"
    return PushTarget(
        parts.scheme == "rtsps",
        host,
        port or PORTS[parts.scheme],
        uri,
        unquote(user) if user else None,
        unquote(password or ""),
    )


class RtspSession:
    """One connection that records. Opened by `connect`; `send` and `poll` then carry packets. For one thread.

    silence_s: nothing got through for so long ends it. Every method raises PushError.
    """

    def __init__(
        self, target: PushTarget, stop: threading.Event, *, connect_s: float, silence_s: float, tls: ssl.SSLContext
    ) -> None:
        self._target, self._stop, self._silence_s = target, stop, silence_s
        self._connect_s, self._tls = connect_s, tls
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._sequence = 0
        self._session = ""
        self._authorise: Callable[[str, str], str] | None = None

    # Session

    def connect(self, description: str, track: str) -> None:
        """Until the server records what is sent."""
        deadline = time.monotonic() + self._connect_s
        self._open(deadline)
        uri = self._target.uri
        self._request("ANNOUNCE", uri, {"Content-Type": "application/sdp"}, description, deadline)
        transport = "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"
        answer = self._request("SETUP", f"{uri.rstrip('/')}/{track}", {"Transport": transport}, "", deadline)
        self._session = answer.get("session", "").partition(";")[0].strip()
        if not self._session:
            raise PushError("push-broken", "no session")
        self._request("RECORD", uri, {"Range": "npt=0.000-"}, "", deadline)

    def close(self) -> None:
        """Say goodbye without waiting for an answer."""
        if self._socket is None:
            return
        with contextlib.suppress(OSError, ValueError):
            if self._session:
                self._socket.send(self._head("TEARDOWN", self._target.uri, {}, ""))
        self._socket.close()
        self._socket = None

    def send(self, packets: list[tuple[int, bytes]]) -> None:
        """Send packets, each with its channel: 0 for RTP, 1 for RTCP."""
        data = b"".join(b"$" + bytes((channel,)) + len(p).to_bytes(2, "big") + p for channel, p in packets)
        self._write(data, None)

    def poll(self) -> None:
        """Take what the server says, and notice that it has gone."""
        while self._ready(read=True, wait_s=0.0):
            self._read_some()
        while (end := self._end_of_answer()) >= 0:
            del self._received[: end + 4]  # an answer nobody waits for
        if len(self._received) > 2 * MAX_ANSWER:
            raise PushError("push-broken", "no RTSP answer")

    # Requests

    def _request(self, method: str, uri: str, headers: dict[str, str], body: str, deadline: float) -> dict[str, str]:
        for attempt in range(2):
            self._write(self._head(method, uri, headers, body), deadline)
            status, answer = self._answer(deadline)
            if status == 401 and attempt == 0 and self._target.user is not None:
                self._authorise = authorisation(answer.get("www-authenticate", ""), self._target)
                if self._authorise is not None:
                    continue
            break
        if 300 <= status < 400:
            raise PushError("push-redirected")
        if status != 200:
            raise PushError(_BY_STATUS.get(status, "push-broken"), f"status {status} to {method}")
        return answer

    def _head(self, method: str, uri: str, headers: dict[str, str], body: str) -> bytes:
        self._sequence += 1
        lines = {"CSeq": str(self._sequence), "User-Agent": AGENT} | headers
        if self._session:
            lines["Session"] = self._session
        if self._authorise is not None:
            lines["Authorization"] = self._authorise(method, uri)
        if body:
            lines["Content-Length"] = str(len(body.encode()))
        text = f"{method} {uri} RTSP/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{text}\r\n{body}".encode()

    def _answer(self, deadline: float) -> tuple[int, dict[str, str]]:
        while True:
            end = self._end_of_answer()
            if end >= 0:
                head = self._received[:end].decode("utf-8", "replace").split("\r\n")
                answer: dict[str, str] = {}
                for line in head[1:]:
                    name, _, value = line.partition(":")
                    name = name.strip().lower()
                    answer[name] = f"{answer[name]}\n{value.strip()}" if name in answer else value.strip()
                length = int(answer["content-length"]) if answer.get("content-length", "").isdecimal() else 0
                if len(self._received) >= end + 4 + length:
                    del self._received[: end + 4 + length]
                    match = re.match(r"RTSP/1\.\d (\d{3})", head[0])
                    if match is None:
                        raise PushError("push-broken", "no RTSP answer")
                    if answer.get("cseq") == str(self._sequence):
                        return int(match[1]), answer
                    continue
            if len(self._received) > 2 * MAX_ANSWER:
                raise PushError("push-broken", "an answer without an end")
            self._wait(deadline, read=True)
            self._read_some()

    def _end_of_answer(self) -> int:
        """Where the head of the next answer ends, packets before it left out; -1 where it is not there yet."""
        while self._received[:1] == b"$":
            size = 4 + int.from_bytes(self._received[2:4], "big")
            if len(self._received) < max(size, 4):
                return -1
            del self._received[:size]
        return self._received.find(b"\r\n\r\n")

    # Bytes

    def _open(self, deadline: float) -> None:
        try:  # an IP costs no look-up; a name is looked up here, so the caller has to allow whatever it means
            found = socket.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_STREAM)
            family, _, _, _, address = found[0]
            plain = self._socket = socket.socket(family, socket.SOCK_STREAM)
            plain.setblocking(False)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            with contextlib.suppress(BlockingIOError):
                plain.connect(address)
            self._wait(deadline, read=False)
            if (failed := plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) != 0:
                raise OSError(failed, "")
            if self._target.tls:
                wrapped = self._tls.wrap_socket(plain, do_handshake_on_connect=False, server_hostname=self._target.host)
                self._socket = wrapped
                self._handshake(wrapped, deadline)
        except ConnectionRefusedError:
            raise PushError("push-refused") from None
        except ssl.SSLError:
            raise PushError("push-broken", "no TLS") from None
        except OSError:
            raise PushError("push-unreachable") from None

    def _handshake(self, wrapped: ssl.SSLSocket, deadline: float) -> None:
        while True:
            try:
                wrapped.do_handshake()
                return
            except ssl.SSLWantReadError:
                self._wait(deadline, read=True)
            except ssl.SSLWantWriteError:
                self._wait(deadline, read=False)

    def _write(self, data: bytes, deadline: float | None) -> None:
        assert self._socket is not None
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
                continue
            except (BlockingIOError, ssl.SSLWantWriteError):
                read = False
            except ssl.SSLWantReadError:
                read = True
            except OSError:
                raise PushError("push-ended") from None
            self._wait(time.monotonic() + self._silence_s if deadline is None else deadline, read=read)

    def _read_some(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(MAX_ANSWER)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            raise PushError("push-ended") from None
        if not data:
            raise PushError("push-ended")
        self._received += data

    def _wait(self, deadline: float, *, read: bool) -> None:
        while not self._ready(read=read, wait_s=TICK_S):
            if self._stop.is_set():
                raise PushError("push-ended", "stopped here")
            if time.monotonic() >= deadline:
                raise PushError("push-silent")

    def _ready(self, *, read: bool, wait_s: float) -> bool:
        assert self._socket is not None
        if read and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poll = select.poll()  # select() cannot watch descriptors beyond 1023
        poll.register(self._socket, select.POLLIN if read else select.POLLOUT)
        return bool(poll.poll(wait_s * 1000))


def authorisation(challenges: str, target: PushTarget) -> Callable[[str, str], str] | None:
    """How to answer one of the challenges, one a line: a function of method and URI. None for unknown schemes."""
    user, password = target.user or "", target.password
    offered: dict[str, dict[str, str]] = {}
    for line in challenges.split("\n"):
        scheme, _, rest = line.strip().partition(" ")
        offered.setdefault(scheme.lower(), {m[1].lower(): m[2] or m[3] or "" for m in _PARAMETER.finditer(rest)})
    if "digest" in offered and offered["digest"].get("algorithm", "MD5").upper() in ("MD5", "SHA-256"):
        return _digest(offered["digest"], user, password)
    if "basic" in offered:
        basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return lambda method, uri: basic
    return None


def _digest(asked: dict[str, str], user: str, password: str) -> Callable[[str, str], str]:
    algorithm = asked.get("algorithm", "MD5").upper()
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    with_qop = "auth" in re.split(r"[\s,]+", asked.get("qop", ""))
    count = 0

    def digest(text: str) -> str:
        if algorithm == "MD5":
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return hashlib.sha256(text.encode()).hexdigest()

    def header(method: str, uri: str) -> str:
        nonlocal count
        count += 1
        secret, request = digest(f"{user}:{realm}:{password}"), digest(f"{method}:{uri}")
        fields = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
        plain = ""
        if with_qop:
            cnonce = secrets.token_hex(8)
            fields["response"] = digest(f"{secret}:{nonce}:{count:08x}:{cnonce}:auth:{request}")
            fields["cnonce"] = cnonce
            plain = f", qop=auth, nc={count:08x}"
        else:
            fields["response"] = digest(f"{secret}:{nonce}:{request}")
        if "algorithm" in asked:
            plain += f", algorithm={algorithm}"
        if "opaque" in asked:
            fields["opaque"] = asked["opaque"]
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items()) + plain

    return header
