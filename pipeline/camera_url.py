"""A camera's URL, taken apart strictly: what can be read in two ways is refused. Asks no name server.

Messages never repeat any part of the URL: a password that was not percent-encoded may have landed in any of them.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote, urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS: Final = {"rtsp": 554, "rtsps": 322}  # by scheme, where the URL has none
MAX_LENGTH = 2048
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_ZONE = re.compile(r"[A-Za-z0-9._-]{1,15}")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")  # a last label like this makes the C library read the host as an address
_IN_PATH = re.compile(r"(?i)((?:user|usr|login|pass|pwd|psw|token|key|auth|secret|session|sid)\w*=)[^&/;?]*")
# Keys that are a part of the path by themselves: those our own workers listen on, and some recorders' share links.
_MIXED = r"(?=[^/]*[a-z])(?=[^/]*[A-Z])(?=[^/]*[0-9])"
_KEY_IN_PATH = re.compile(rf"(?<=/)(?:{_MIXED}[A-Za-z0-9]{{16,}}|[A-Za-z0-9_-]{{40,}})(?=/|$)")
_HIDDEN = "***"


class AddressError(ValueError):
    """A URL or the address behind it cannot be used. `code` is stable; the message is for people, without the URL."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """Made by parse_camera_url. Its repr and str are as it may be shown."""

    scheme: str  # "rtsp" or "rtsps"
    user: str | None = field(repr=False)  # decoded
    password: str | None = field(repr=False)
    host: str  # ASCII, lower case: a name without a dot at its end, or an address in its one spelling
    port: int
    path: str = field(repr=False)  # as in the URL: percent-encoded, begins with "/" or is empty
    query: str = field(repr=False)  # the same, without "?"

    @property
    def address(self) -> IPAddress | None:
        """The host, where it is an address and no name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def credentials(self) -> bool:
        """Whether there is a user or a password."""
        return self.user is not None

    @property
    def shown(self) -> str:
        """Without user, password, the values of the query, and what looks like a password or a key in the path."""
        path = _KEY_IN_PATH.sub(_HIDDEN, _IN_PATH.sub(rf"\1{_HIDDEN}", self.path))
        parts = [part.partition("=") for part in self.query.split("&")] if self.query else []
        query = "&".join(f"{name}={_HIDDEN}" if equals else _HIDDEN for name, equals, _ in parts)
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}{path}" + (f"?{query}" if query else "")

    def whole(self) -> str:
        """With its credentials: to be sealed, never logged."""
        return self._with_host(self.host)

    def pinned(self, address: IPAddress) -> str:
        """The URL to connect to, with its credentials and an address in place of the name: never logged."""
        return self._with_host(str(address))

    def _with_host(self, host: str) -> str:
        userinfo = "" if self.user is None else quote(self.user, safe="")
        if self.password is not None:
            userinfo += ":" + quote(self.password, safe="")
        at = "@" if userinfo else ""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{userinfo}{at}{_bracketed(host)}:{self.port}{self.path}{query}"

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"CameraUrl({self.shown})"


def parse_camera_url(text: str) -> CameraUrl:
    """The parts of an rtsp:// or rtsps:// URL.

    Raises AddressError: "camera-url-malformed", "camera-url-scheme", "camera-host-malformed".
    """
    text = text.strip(" ")
    if len(text) > MAX_LENGTH:
        raise _malformed(f"it has {len(text)} characters, and {MAX_LENGTH} is the most")
    if any(ord(c) <= 0x20 or 0x7F <= ord(c) <= 0x9F or c.isspace() or c in '\\"<>^`{|}' for c in text):
        raise _malformed(
            r"it has spaces, control characters, or one of \ \" < > ^ ` { | }; write these percent-encoded"
        )
    if "#" in text:
        raise _malformed("it has a '#'; write it as %23 where it belongs to the password or the path")
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that do not match, or characters that turn into others
        raise _bad_host("the host cannot be read; write an IPv6 address in brackets") from None
    if parts.scheme not in PORTS:
        message = "a camera's URL begins with rtsp:// or rtsps://"
        raise AddressError("camera-url-scheme", message)
    if "@" in parts.path or "@" in parts.query:
        message = (
            "it has an '@' after its host; write '/' and '?' in a password as %2F and %3F, an '@' in a path as %40"
        )
        raise _malformed(message)
    userinfo, _, place = parts.netloc.rpartition("@")
    user, password = _userinfo(userinfo) if "@" in parts.netloc else (None, None)
    host, port = _place(place, PORTS[parts.scheme])
    path, query = (quote(part, safe="/%:@!$&'()*+,;=~?-._") for part in (parts.path, parts.query))
    return CameraUrl(parts.scheme, user, password, host, port, path, query)


def _userinfo(text: str) -> tuple[str | None, str | None]:
    name, colon, rest = text.partition(":")
    try:
        user, password = unquote(name, errors="strict"), unquote(rest, errors="strict")
    except UnicodeDecodeError:
        raise _malformed("its user or password is percent-encoded, but not in UTF-8") from None
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in user + password):
        raise _malformed("its user or password has control characters")
    if ":" in user or '"' in user:
        raise _malformed("its user has a ':' or a '\"', which RTSP has no way to send")
    if not user and not password:
        return None, None
    return user, password if colon else None


def _place(text: str, default_port: int) -> tuple[str, int]:
    """Host in its one spelling, and port."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _malformed("its host cannot be read; an IPv6 address is written in brackets: rtsp://[fd00::5]:554/")
        return _ipv6(host), _port(rest[1:], default_port)
    host, _, port = text.partition(":")
    if ":" in port:
        raise _malformed("its host has several ':'; write an IPv6 address in brackets, a ':' in a password as %3A")
    return _name(host), _port(port, default_port)


def _port(text: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise _malformed("its port is no number from 1 to 65535; write '/', '?', '#' and '@' in a password %-encoded")
    return int(text)


def _ipv6(text: str) -> str:
    plain, percent, zone = text.partition("%")
    zone = zone.removeprefix("25") if percent else ""  # RFC 6874 writes the sign itself as %25
    try:
        address = ipaddress.IPv6Address(plain)
    except ValueError:
        raise _bad_host("what is in brackets is no IPv6 address") from None
    if percent and not (_ZONE.fullmatch(zone) and address.is_link_local):
        raise _bad_host("a zone (%) belongs to a link-local IPv6 address only, and is the name of an interface")
    return f"{address}%{zone}" if zone else str(address)


def _name(text: str) -> str:
    """A host name or IPv4 address: ASCII, lower case, no dot at its end."""
    try:
        host = (text if text.isascii() else text.encode("idna").decode("ascii")).lower().removesuffix(".")
    except UnicodeError:
        raise _bad_host("the host is no name that can be looked up") from None
    labels = host.split(".")
    if not host or len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise _bad_host("the host is neither a name nor an address")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            message = "the host is a number; write an IPv4 address as four decimal numbers without leading zeros"
            raise _bad_host(message) from None
    return host


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _malformed(why: str) -> AddressError:
    return AddressError("camera-url-malformed", f"the camera's URL cannot be used: {why}")


def _bad_host(why: str) -> AddressError:
    return AddressError("camera-host-malformed", f"the camera's URL cannot be used: {why}")
