"""Which addresses a stream may connect to; names are looked up anew for each connection."""

from __future__ import annotations

import pytest

from pipeline.addresses import CAMERA_PORTS, PRIVATE_NETWORKS, AddressError, AddressRules, parse_camera_url, resolve

USUAL = AddressRules.of(PRIVATE_NETWORKS, CAMERA_PORTS)
ANYWHERE = AddressRules.of("0.0.0.0/0, ::/0", "any")


def refused(url: str, rules: AddressRules, *answers: str) -> AddressError:
    with pytest.raises(AddressError) as caught:
        resolve(parse_camera_url(url), rules, lambda host, port: answers)
    assert "s3cret" not in str(caught.value)
    return caught.value


def host(address: str) -> str:
    return f"rtsp://user:s3cret@{f'[{address}]' if ':' in address else address}/x"


@pytest.mark.parametrize("address", ["10.0.0.5", "172.31.255.1", "192.168.1.64", "fd12:3456::5"])
def test_cameras_in_private_networks_are_reached(address: str) -> None:
    assert str(resolve(parse_camera_url(host(address)), USUAL)) == address


def test_ipv4_mapped_into_ipv6_is_judged_and_connected_to_as_ipv4() -> None:
    url = parse_camera_url(host("::ffff:10.0.0.5"))
    assert url.pinned(resolve(url, USUAL)) == "rtsp://user:s3cret@10.0.0.5:554/x"
    assert "public" in str(refused(host("::ffff:8.8.8.8"), USUAL))
    assert "loopback" in str(refused(host("::ffff:127.0.0.1"), ANYWHERE))


SPECIAL = [
    ("127.0.0.1", "loopback"),
    ("127.8.9.10", "loopback"),
    ("::1", "loopback"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("::", "unspecified"),
    ("169.254.7.7", "link-local"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("169.254.169.254", "metadata"),
    ("::ffff:169.254.169.254", "metadata"),
    ("fd00:ec2::254", "metadata"),
    ("100.100.100.200", "metadata"),
    ("224.0.0.251", "multicast"),
    ("ff02::fb", "multicast"),
    ("255.255.255.255", "reserved"),
    ("64:ff9b::7f00:1", "wrapped"),
    ("2002:7f00:1::", "wrapped"),
    ("::127.0.0.1", "wrapped"),
]


@pytest.mark.parametrize(("address", "kind"), SPECIAL)
@pytest.mark.parametrize("rules", [USUAL, ANYWHERE])
def test_special_addresses_are_in_no_wider_network(address: str, kind: str, rules: AddressRules) -> None:
    for error in (refused(host(address), rules), refused("rtsp://cam/x", rules, address)):
        assert error.code == "camera-network-denied"
        assert kind in str(error)
        assert "GLEANER_CAMERA_NETWORKS" in str(error)


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("127.0.0.1/32", "127.0.0.1", "127.0.0.2"),
        ("127.0.0.0/8", "127.0.0.2", "::1"),
        ("169.254.0.0/16", "169.254.7.7", "169.254.169.254"),
        ("169.254.169.254/32", "169.254.169.254", "169.254.7.7"),
        ("fe80::/10", "fe80::1%eth0", "fd00::1"),
        ("2000::/3", "2a00::1", "2002:7f00:1::"),
        ("64:ff9b::/96", "64:ff9b::a00:5", "::1"),
    ],
)
def test_special_addresses_may_be_named_themselves(network: str, inside: str, outside: str) -> None:
    rules = AddressRules.of(network, "any")
    assert str(resolve(parse_camera_url(host(inside)), rules)) == inside
    assert refused(host(outside), rules).code == "camera-network-denied"


def test_a_public_address_is_refused_with_the_remedy() -> None:
    error = refused(host("8.8.8.8"), USUAL)
    assert "a public address" in str(error)
    assert "GLEANER_CAMERA_NETWORKS" in str(error)
    assert str(resolve(parse_camera_url(host("8.8.8.8")), ANYWHERE)) == "8.8.8.8"


def test_ports_are_on_a_list() -> None:
    error = refused("rtsp://user:s3cret@10.0.0.5:6379/x", USUAL)
    assert error.code == "camera-port-denied"
    assert "6379" in str(error)
    assert "GLEANER_CAMERA_PORTS" in str(error)
    assert (
        str(resolve(parse_camera_url("rtsp://10.0.0.5:6379/x"), AddressRules.of(PRIVATE_NETWORKS, "any"))) == "10.0.0.5"
    )


def test_every_address_of_a_name_must_be_allowed() -> None:
    assert "public" in str(refused("rtsp://cam/x", USUAL, "10.0.0.5", "8.8.8.8"))
    assert "loopback" in str(refused("rtsp://cam/x", USUAL, "10.0.0.5", "::1"))
    assert str(resolve(parse_camera_url("rtsp://cam/x"), USUAL, lambda *_: ["10.0.0.5", "fd00::5"])) == "10.0.0.5"


def test_a_name_that_means_another_place_later_is_refused_then() -> None:
    answers = {"cam": ["10.0.0.5"]}
    asked: list[str] = []

    def look_up(name: str, port: int) -> list[str]:
        asked.append(name)
        return answers[name]

    url = parse_camera_url("rtsp://user:s3cret@cam:8554/x")
    assert url.pinned(resolve(url, USUAL, look_up)) == "rtsp://user:s3cret@10.0.0.5:8554/x"
    answers["cam"] = ["169.254.169.254"]
    with pytest.raises(AddressError, match="metadata"):
        resolve(url, USUAL, look_up)
    assert asked == ["cam", "cam"]  # once for each connection


def test_real_names() -> None:
    assert "loopback" in str(refused_really("rtsp://localhost/x"))
    assert refused_really("rtsp://no-such-camera.invalid/x").code == "camera-host-unknown"
    loopback = AddressRules.of("127.0.0.0/8, ::1/128", "any")
    assert resolve(parse_camera_url("rtsp://localhost/x"), loopback).is_loopback


def refused_really(url: str) -> AddressError:
    with pytest.raises(AddressError) as caught:
        resolve(parse_camera_url(url), USUAL)
    return caught.value


def test_a_name_without_addresses_is_unknown() -> None:
    assert refused("rtsp://cam/x", USUAL).code == "camera-host-unknown"


@pytest.mark.parametrize("networks", ["10.0.0.1/8", "10.0.0.0/33", "cameras", "10.0.0.0/8;fc00::/7"])
def test_settings_that_are_no_networks_are_told_of(networks: str) -> None:
    with pytest.raises(ValueError, match="is no network"):
        AddressRules.of(networks, "any")


@pytest.mark.parametrize("ports", ["0", "65536", "554;555", "-1", "554-560", "²"])
def test_settings_that_are_no_ports_are_told_of(ports: str) -> None:
    with pytest.raises(ValueError, match="is no port"):
        AddressRules.of("", ports)


def test_no_networks_at_all_means_no_cameras() -> None:
    assert refused(host("10.0.0.5"), AddressRules.of("", "any")).code == "camera-network-denied"
