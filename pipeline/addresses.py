"""Where cameras may be: the addresses and ports a stream may connect to, asked when it is made and at each connection.

A name is looked up once for each connection, and the connection is made to the address that was allowed: a name that
means another place a moment later changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from pipeline.camera_url import AddressError, CameraUrl, IPAddress, parse_camera_url

__all__ = ["AddressError", "AddressRules", "CameraUrl", "IPAddress", "parse_camera_url", "resolve"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str, int], Iterable[str]]

PRIVATE_NETWORKS: Final = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
CAMERA_PORTS: Final = "322,554,5554,7447,8322,8554,10554"

# Addresses that only count as allowed where a network within the same class is named: 0.0.0.0/0 does not reach them.
# The first that fits is the class. Metadata services hand cloud credentials to whoever asks.
_SPECIAL: Final[tuple[tuple[str, tuple[Network, ...]], ...]] = tuple(
    (name, tuple(ipaddress.ip_network(network) for network in networks.split()))
    for name, networks in (
        ("a cloud's metadata service", "169.254.169.254/32 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32"),
        ("a cloud's metadata service", "fd00:ec2::254/128 fd20:ce::254/128"),
        ("an unspecified address", "0.0.0.0/8 ::/128"),
        ("a loopback address", "127.0.0.0/8 ::1/128"),
        ("a link-local address", "169.254.0.0/16 fe80::/10"),
        ("a multicast address", "224.0.0.0/4 ff00::/8"),
        ("a reserved address", "240.0.0.0/4"),
        ("an IPv4 address wrapped in IPv6", "::/96 64:ff9b::/96 64:ff9b:1::/48 2002::/16 2001::/32"),
    )
)


@dataclass(frozen=True, slots=True)
class AddressRules:
    networks: tuple[Network, ...]
    ports: frozenset[int] | None  # None: any

    @classmethod
    def of(cls, networks: str, ports: str) -> AddressRules:
        """From the settings' form: "10.0.0.0/8,fc00::/7" and "554,8554" or "any". Raises ValueError."""
        return cls(parse_networks(networks), parse_ports(ports))

    def check_port(self, port: int) -> None:
        """Raises AddressError("camera-port-denied")."""
        if self.ports is not None and port not in self.ports:
            message = f"port {port} is none that cameras may be reached on; allow it in GLEANER_CAMERA_PORTS"
            raise AddressError("camera-port-denied", message)

    def check(self, address: IPAddress) -> IPAddress:
        """The address as it is to be connected to. Raises AddressError("camera-network-denied")."""
        plain = _unwrapped(address)
        bare = _without_zone(plain)
        kind, within = _class_of(bare)
        for network in self.networks:
            if network.version == bare.version and bare in network and (not within or _lies_in(network, within)):
                return plain
        only = ", which no wider network includes" if within else ""
        raise AddressError(
            "camera-network-denied",
            f"the camera's host is {kind}{only}, and is in no network where cameras may be; "
            f"if it is right, add its network to GLEANER_CAMERA_NETWORKS",
        )


def resolve(url: CameraUrl, rules: AddressRules, lookup: Lookup | None = None) -> IPAddress:
    """The address to connect to now, see CameraUrl.pinned. To be called anew for each connection; it may block.

    Every address that the host's name has must be allowed, or a name with two addresses would be a way around.
    Raises AddressError: "camera-port-denied", "camera-network-denied", "camera-host-unknown".
    """
    rules.check_port(url.port)
    if url.address is not None:
        return rules.check(url.address)
    found = [ipaddress.ip_address(text) for text in (lookup or look_up)(url.host, url.port)]
    if not found:
        raise _unknown_host()
    allowed = [rules.check(address) for address in found]
    return allowed[0]


def look_up(host: str, port: int) -> list[str]:
    """Addresses of a name, those first that this machine reaches best. Raises AddressError("camera-host-unknown")."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _unknown_host() from None
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks separated by commas. Raises ValueError."""
    networks = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            networks.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise ValueError(f"{part:.80} is no network ({error}); write 192.168.1.0/24 or fd00::/8") from None
    return tuple(networks)


def parse_ports(text: str) -> frozenset[int] | None:
    """Ports separated by commas, or "any" (None). Raises ValueError."""
    if text.strip().lower() == "any":
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not (part.isascii() and part.isdigit() and 1 <= int(part) <= 65535):
            raise ValueError(f"{part:.20} is no port; write numbers from 1 to 65535 separated by commas, or any")
    return frozenset(map(int, parts))


def parse_port_range(text: str) -> range:
    """Ports from the first to the last, "18554-18563". Raises ValueError."""
    first, dash, last = text.strip().partition("-")
    if not (dash and all(part.isascii() and part.isdigit() for part in (first, last))):
        raise ValueError(f"{text:.40} is no range of ports; write 18554-18563")
    if not 1 <= int(first) <= int(last) <= 65535:
        raise ValueError(f"{text:.40} is no range of ports: it goes up, from 1 at least to 65535 at most")
    return range(int(first), int(last) + 1)


def _unwrapped(address: IPAddress) -> IPAddress:
    """An IPv4 address that came mapped into IPv6 (::ffff:10.0.0.1), as itself."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _without_zone(address: IPAddress) -> IPAddress:
    return ipaddress.IPv6Address(int(address)) if isinstance(address, ipaddress.IPv6Address) else address


def _class_of(address: IPAddress) -> tuple[str, tuple[Network, ...]]:
    """What kind of address it is, in words, and the networks of its class; none for an ordinary one."""
    for name, networks in _SPECIAL:
        if any(address.version == network.version and address in network for network in networks):
            return name, networks
    return ("a private address" if address.is_private else "a public address"), ()


def _lies_in(network: Network, wider: Iterable[Network]) -> bool:
    return any(network.version == each.version and network.subnet_of(each) for each in wider)  # type: ignore[arg-type]


def _unknown_host() -> AddressError:
    return AddressError("camera-host-unknown", "the camera's host name has no address; see that it is written right")
