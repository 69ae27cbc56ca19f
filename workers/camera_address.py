"""Where a stream's camera is, and where its enhanced stream is pushed to: looked up and checked for each connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from media.live_types import CameraSource
from pipeline import media_server
from pipeline.addresses import parse_port_range, resolve
from pipeline.camera_url import AddressError, parse_camera_url
from pipeline.listening import SCHEMES, NoListenPort, claim_port, listen_url
from pipeline.stream import Stream
from workers import backoff
from workers.camera_room import CameraRoom
from workers.live_reader import Ended

# Between attempts where a gateway is waited for, which shall not have to wait for us: seconds at most.
CAP_S = {"pull": backoff.CAP_S, "push": 5.0, "listen-rtsp": 0.2, "listen-rtmp": 0.2}


def camera_source(room: CameraRoom, stream: Stream, sealed: Mapping[str, str]) -> CameraSource:
    """To be called for each connection; it may block. Raises AddressError, SecretKeyError."""
    kind = stream.options.source
    if kind == "pull":
        return CameraSource(_checked(room, sealed, "url"), stream.options.transport)
    if kind == "push":
        if not room.settings.media_server:
            raise AddressError("no-media-server", "there is no media server to push to; set GLEANER_MEDIA_SERVER")
        return CameraSource(media_server.source_url(room.settings.media_server, room.vault, stream.name))
    try:
        port = claim_port(room.redis, stream, parse_port_range(room.settings.listen_ports))
    except NoListenPort as error:
        raise AddressError("no-listen-port", str(error)) from None
    return CameraSource(listen_url(stream, port, room.vault), listen=SCHEMES[kind])


def push_targets(room: CameraRoom, stream: Stream, sealed: Mapping[str, str]) -> dict[str, Callable[[], str]]:
    """By output, what gives its URL anew for each attempt; that may block and raise AddressError, SecretKeyError."""
    targets: dict[str, Callable[[], str]] = {}
    server = room.settings.media_server
    if stream.options.push_to_media_server and server:
        targets["push"] = lambda: media_server.enhanced_url(server, room.vault, stream.name)
    if stream.options.push_url is not None:
        targets["push-url"] = lambda: _checked(room, sealed, "push_url")
    return targets


def explain(stream: Stream) -> Callable[[Ended], Ended]:
    """Words for a source that is waited for instead of called."""
    if stream.options.source == "pull":
        return lambda ended: ended

    def pushed(ended: Ended) -> Ended:
        if ended.code in ("camera-not-found", "camera-unreachable", "camera-silent"):
            detail = "Nobody publishes to this stream; see that the gateway is on and has its address and key."
            return Ended("nobody-publishes", detail, slow=False)
        return replace(ended, slow=False)

    return pushed


def _checked(room: CameraRoom, sealed: Mapping[str, str], name: str) -> str:
    """The URL with an address that is allowed now."""
    if name not in sealed:
        raise AddressError("camera-url-missing", "the stream has no URL; give it one")
    url = parse_camera_url(room.vault.open(sealed[name]))
    return url.pinned(resolve(url, room.rules))
