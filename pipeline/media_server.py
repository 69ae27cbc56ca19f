"""Where streams lie on the media server, and the token with which our own processes get there. Asks nobody.

The media server asks the API who may publish and read (service/push_auth.py), which knows the same token.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pipeline.secrets import Vault
from pipeline.stream import check_name

USER = "gleaner"  # of our own processes; the token is the password
ENHANCED = "enhanced/"  # enhanced streams are published under this and their name


def token(vault: Vault) -> str:
    """The password of our own processes: the same in each of them, kept nowhere."""
    return vault.derive("media server")


def check_server(server: str) -> str:
    """The server's URL itself. Raises ValueError where it is none of RTSP, or has a user."""
    parts = urlsplit(server)
    if parts.scheme not in ("rtsp", "rtsps") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("it is no RTSP address without a user; write it like rtsp://mediamtx:8554")
    return server


def source_url(server: str, vault: Vault, name: str) -> str:
    """Where the camera worker pulls what a gateway pushes. It holds the token: never logged.

    server: GLEANER_MEDIA_SERVER, e.g. "rtsp://mediamtx:8554".
    """
    return _url(server, vault, check_name(name))


def enhanced_url(server: str, vault: Vault, name: str) -> str:
    """Where the camera worker pushes the enhanced stream. It holds the token: never logged."""
    return _url(server, vault, ENHANCED + check_name(name))


def _url(server: str, vault: Vault, path: str) -> str:
    parts = urlsplit(check_server(server))
    return f"{parts.scheme}://{USER}:{token(vault)}@{parts.netloc}/{path}"
