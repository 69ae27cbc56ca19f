"""A small real RTSP server, which can lie in every way cameras do. Loopback only, not a test file.

    with serve(Behaviour(codec="hevc")) as server:
        server.url        # rtsp://127.0.0.1:PORT/live, with user and password where the behaviour asks for them
        server.kill()     # connections are reset, the port is closed
        server.start()    # again, on the same port

RTSP 1.0 by RFC 2326 (OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN), RTP interleaved or over UDP, Basic and
Digest authentication. Pictures come from `tests.media.camera_material`; `tests.media.camera_rtp` sends them.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

from tests.media.camera_behaviour import Behaviour
from tests.media.camera_material import PAYLOAD_TYPES, sdp_lines
from tests.media.camera_rtp import AUDIO, AUDIO_RATE, VIDEO, Sending, Track

CLOCK = 90_000
REASONS = {200: "OK", 302: "Moved Temporarily", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


class CameraServer:
    """A camera on a loopback port, which stays the same over `start`, `stop`, `kill`. Thread-safe."""

    def __init__(self, behaviour: Behaviour, port: int = 0) -> None:
        self.behaviour = behaviour  # may be replaced; what connects later meets the new one
        self.port = port
        self.requests: list[str] = []  # "METHOD url" of all clients, in order
        self.connections = 0
        self.playing = 0
        self._listener: socket.socket | None = None
        self._clients: set[Client] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/live"

    @property
    def url(self) -> str:
        behaviour = self.behaviour
        if behaviour.auth is None:
            return self.address
        password = quote(behaviour.password, safe="")
        return f"rtsp://{behaviour.user}:{password}@127.0.0.1:{self.port}/live"

    @property
    def clients(self) -> int:
        """Connections that stand."""
        with self._lock:
            return len(self._clients)

    def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Connections are closed in an orderly way."""
        self._close(abrupt=False)

    def kill(self) -> None:
        """Connections are reset, as where a camera loses power and comes back."""
        self._close(abrupt=True)

    def freeze(self) -> None:
        """Connections stay open, and nothing comes any more."""
        with self._lock:
            for client in self._clients:
                client.frozen.set()

    def _close(self, abrupt: bool) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.close(abrupt)
        threads, self._threads = self._threads, []
        for thread in threads:
            thread.join(5)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            client = Client(self, self.behaviour, connection)
            with self._lock:
                self.connections += 1
                self._clients.add(client)
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: Client) -> None:
        try:
            client.run()
        except OSError:
            pass  # the other side is gone
        finally:
            client.close(abrupt=False)
            with self._lock:
                self._clients.discard(client)


@contextmanager
def serve(behaviour: Behaviour | None = None, port: int = 0) -> Iterator[CameraServer]:
    """A running camera, stopped at the end."""
    server = CameraServer(behaviour or Behaviour(), port)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class Client:
    """One connection: answers requests on its own thread, and sends media on another from PLAY on."""

    def __init__(self, server: CameraServer, behaviour: Behaviour, connection: socket.socket) -> None:
        self.server, self.behaviour, self.connection = server, behaviour, connection
        self.frozen = threading.Event()
        self._stopped = threading.Event()
        self._write = threading.Lock()
        self._tracks: dict[int, Track] = {}
        self._nonce = secrets.token_hex(8)
        self._sender: threading.Thread | None = None
        self._ended = False
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 2, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self, abrupt: bool) -> None:
        self._stopped.set()
        self.end(abrupt)
        sender = self._sender
        if sender is not None and sender is not threading.current_thread():
            sender.join(5)
        self.connection.close()
        for track in self._tracks.values():
            track.close()

    def end(self, abrupt: bool) -> None:
        """Ends the connection: in an orderly way, or with a reset once the reading thread has let go of it."""
        ended, self._ended = self._ended, True
        if ended:
            return
        with suppress(OSError):
            if abrupt:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RD if abrupt else socket.SHUT_RDWR)

    def send(self, data: bytes) -> None:
        with self._write:
            self.connection.sendall(data)

    def run(self) -> None:
        stream = self.connection.makefile("rb")
        with stream:
            while not self._stopped.is_set():
                first = stream.read(1)
                if not first:
                    return
                if first == b"$":  # the client's receiver reports
                    head = stream.read(3)
                    stream.read(int.from_bytes(head[1:], "big"))
                    continue
                line = (first + stream.readline()).decode("latin-1").strip()
                headers: dict[str, str] = {}
                while (header := stream.readline().decode("latin-1").strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                if length := int(headers.get("content-length", "0")):
                    stream.read(length)
                if line:
                    self._answer(line, headers)

    def _answer(self, line: str, headers: dict[str, str]) -> None:
        behaviour = self.behaviour
        method, url, *_ = line.split()
        self.server.requests.append(f"{method} {url}")
        if behaviour.silent == "accept" or (behaviour.silent == "describe" and method == "DESCRIBE"):
            return
        sequence = headers.get("cseq", "0")
        if method == "OPTIONS":
            self._reply(200, sequence, {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"})
        elif not self._allowed(method, headers):
            challenge = 'Basic realm="camera"'
            if behaviour.auth == "digest":
                challenge = f'Digest realm="camera", nonce="{self._nonce}"'
            self._reply(401, sequence, {"WWW-Authenticate": challenge})
        elif method == "DESCRIBE":
            self._describe(sequence)
        elif method == "SETUP":
            self._set_up(url, sequence, headers)
        elif method == "PLAY":
            streams = [
                f"url={self.server.address}/track{number};seq={track.sequence};rtptime={track.timestamp(0)}"
                for number, track in self._tracks.items()
            ]
            self._reply(200, sequence, {"Session": "1", "Range": "npt=0.000-", "RTP-Info": ",".join(streams)})
            sender = threading.Thread(target=self._play, daemon=True)
            sender.start()
            self._sender = sender
        elif method == "TEARDOWN":
            self._reply(200, sequence, {"Session": "1"})
            self._stopped.set()
        else:
            self._reply(200, sequence, {"Session": "1"})

    def _reply(self, status: int, sequence: str, headers: dict[str, str], body: str = "") -> None:
        lines = [f"RTSP/1.0 {status} {REASONS.get(status, 'Error')}", f"CSeq: {sequence}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        self.send(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _allowed(self, method: str, headers: dict[str, str]) -> bool:
        behaviour = self.behaviour
        given = headers.get("authorization", "")
        if behaviour.auth is None:
            return True
        if behaviour.auth == "basic":
            expected = base64.b64encode(f"{behaviour.user}:{behaviour.password}".encode()).decode()
            return given == f"Basic {expected}"
        fields = {
            name.strip(): value.strip(' "')
            for name, _, value in (part.partition("=") for part in given.removeprefix("Digest ").split(","))
        }
        secret = md5(f"{behaviour.user}:camera:{behaviour.password}")
        request = md5(f"{method}:{fields.get('uri', '')}")
        return fields.get("response") == md5(f"{secret}:{self._nonce}:{request}")

    def _describe(self, sequence: str) -> None:
        behaviour = self.behaviour
        if behaviour.status != 200 or behaviour.location is not None:
            target = self.server.address if behaviour.location == "self" else behaviour.location
            status = behaviour.status if behaviour.status != 200 else 302
            self._reply(status, sequence, {} if target is None else {"Location": target})
            return
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        if behaviour.video:
            rate = behaviour.rate if behaviour.stated_rate is None else behaviour.stated_rate
            parameters = behaviour.parameters and not behaviour.broken_for_s
            lines += sdp_lines(behaviour.loop, rate, parameters=parameters, control=f"track{VIDEO}")
        if behaviour.audio:
            lines += ["m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", f"a=control:track{AUDIO}"]
        body = "\r\n".join(lines) + "\r\n"
        self._reply(200, sequence, {"Content-Base": self.server.address + "/"}, body)

    def _set_up(self, url: str, sequence: str, headers: dict[str, str]) -> None:
        number = int(url[-1]) if url[-1].isdigit() else VIDEO
        wanted = headers.get("transport", "")
        kind, rate = (PAYLOAD_TYPES[self.behaviour.loop.codec], CLOCK) if number == VIDEO else (0, AUDIO_RATE)
        track = Track(self.send, kind, rate, ssrc=0x1000 + number)
        if "interleaved=" in wanted:
            first = int(wanted.partition("interleaved=")[2].partition("-")[0])
            track.channel = first
            transport = f"RTP/AVP/TCP;unicast;interleaved={first}-{first + 1}"
        elif "client_port=" in wanted:
            first = int(wanted.partition("client_port=")[2].partition("-")[0])
            track.open_udp(first)
            assert track.sockets is not None
            ports = [udp.getsockname()[1] for udp in track.sockets]
            transport = f"RTP/AVP;unicast;client_port={first}-{first + 1};server_port={ports[0]}-{ports[1]}"
        else:
            self._reply(461, sequence, {})
            return
        self._tracks[number] = track
        self._reply(200, sequence, {"Session": "1;timeout=60", "Transport": transport})

    def _play(self) -> None:
        self.server.playing += 1
        with suppress(OSError):  # the other side is gone
            Sending(self.behaviour, self._tracks, self._stopped, self.frozen).run()
        if not self._stopped.is_set() and self.behaviour.at_end != "quiet" and self.behaviour.silent is None:
            self.end(abrupt=self.behaviour.at_end == "reset")


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
