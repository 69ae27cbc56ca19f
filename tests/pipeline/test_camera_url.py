"""Cameras' URLs: read in one way only, shown without credentials, and never repeated in an error."""

from __future__ import annotations

import ipaddress
from urllib.parse import quote, unquote, urlsplit

import pytest

from pipeline.camera_url import AddressError, parse_camera_url
from pipeline.stream import Stream, StreamOptions

SECRETS = ["s3cret", "p@ss:w/rd?#[x]%41", "пароль", 'quo"te', "@", "a b\\c", "100%", "s3cret@10.9.9.9:554"]


@pytest.mark.parametrize("password", SECRETS)
def test_any_password_comes_through_percent_encoded(password: str) -> None:
    url = parse_camera_url(f"rtsp://op%40site:{quote(password, safe='')}@10.0.0.5/ch1?stream=0")
    assert (url.user, url.password, url.host, url.port) == ("op@site", password, "10.0.0.5", 554)
    assert parse_camera_url(url.whole()) == url
    pinned = urlsplit(url.pinned(ipaddress.ip_address("10.1.2.3")))
    assert (pinned.hostname, unquote(pinned.password or "")) == ("10.1.2.3", password)
    for text in (str(url), repr(url), url.shown):
        assert password not in text
        assert quote(password, safe="") not in text
        assert "op" not in text.replace("rtsp", "")
    Stream(id="a", options=StreamOptions(name="a", model="m"), url_shown=url.shown, created_at=0, changed_at=0)


def test_an_at_sign_in_a_password_needs_no_encoding() -> None:
    url = parse_camera_url("rtsp://user:p@ss:word@cam/1")
    assert (url.user, url.password, url.host) == ("user", "p@ss:word", "cam")


@pytest.mark.parametrize(
    ("text", "user", "password"),
    [
        ("rtsp://10.0.0.5/", None, None),
        ("rtsp://@10.0.0.5/", None, None),
        ("rtsp://user@10.0.0.5/", "user", None),
        ("rtsp://user:@10.0.0.5/", "user", ""),
        ("rtsp://:word@10.0.0.5/", "", "word"),
    ],
)
def test_user_and_password_may_be_missing(text: str, user: str | None, password: str | None) -> None:
    url = parse_camera_url(text)
    assert (url.user, url.password, url.credentials) == (user, password, user is not None)
    assert parse_camera_url(url.whole()) == url


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("rtsp://CAM-1.Example.ORG./live", "cam-1.example.org", 554),
        ("RTSPS://cam/live", "cam", 322),
        ("rtsp://cam:8554", "cam", 8554),
        ("rtsp://10.0.0.5.:8554/x", "10.0.0.5", 8554),
        ("rtsp://[FD00:0:0::5]:8554/x", "fd00::5", 8554),
        ("rtsp://[::ffff:10.0.0.5]/x", "::ffff:a00:5", 554),
        ("rtsp://[fe80::1%25eth0]/x", "fe80::1%eth0", 554),
        ("rtsp://kamera.bücher.example/x", "kamera.xn--bcher-kva.example", 554),
        ("rtsp://１０.0.0.5/x", "10.0.0.5", 554),
        ("rtsp://10。0。0。5/x", "10.0.0.5", 554),
        ("  rtsp://my_cam/x ", "my_cam", 554),
        ("rtsp://1and1.example/x", "1and1.example", 554),
    ],
)
def test_a_host_has_one_spelling(text: str, host: str, port: int) -> None:
    url = parse_camera_url(text)
    assert (url.host, url.port) == (host, port)
    assert parse_camera_url(url.whole()) == url


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "010.0.0.5",
        "10.0.5",
        "0",
        "10.0.0.0x5",
        "10.0.0.256",
        "1.2.3.4.5",
        "0x",
        "１２７.1",
        "cam.0x10",
    ],
)
def test_numbers_that_the_c_library_reads_as_addresses_are_refused(host: str) -> None:
    with pytest.raises(AddressError, match="four decimal numbers") as caught:
        parse_camera_url(f"rtsp://user:s3cret@{host}/x")
    assert caught.value.code == "camera-host-malformed"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("http://user:s3cret@10.0.0.5/", "camera-url-scheme"),
        ("file:///etc/s3cret", "camera-url-scheme"),
        ("10.0.0.5/s3cret", "camera-url-scheme"),
        ("", "camera-url-scheme"),
        ("rtsp:user:s3cret@10.0.0.5", "camera-url-malformed"),
        ("rtsp://user:s3cret@/x", "camera-host-malformed"),
        ("rtsp://user:s3/cret@10.0.0.5/x", "camera-url-malformed"),
        ("rtsp://user:12/s3cret@10.0.0.5/x", "camera-url-malformed"),  # as host "user", port 12
        ("rtsp://user:12?s3cret@10.0.0.5/x", "camera-url-malformed"),
        ("rtsp://user:s3cret#1@10.0.0.5/x", "camera-url-malformed"),
        ("rtsp://user:s3cret\\@10.0.0.5/x", "camera-url-malformed"),
        ("rtsp://user:s3cret@10.0.0.5:0/x", "camera-url-malformed"),
        ("rtsp://user:s3cret@10.0.0.5:65536/x", "camera-url-malformed"),
        ("rtsp://user:s3cret@10.0.0.5:5 54/x", "camera-url-malformed"),
        ("rtsp://user:s3cret@10.0.0.5/x\r\nTEARDOWN", "camera-url-malformed"),
        ("rtsp://user:s3cret@10.0.0.5/\tx", "camera-url-malformed"),
        ("rtsp://us%0d%0aer:s3cret@10.0.0.5/x", "camera-url-malformed"),
        ("rtsp://us%3Aer:s3cret@10.0.0.5/x", "camera-url-malformed"),
        ("rtsp://user:s3cret%ff@10.0.0.5/x", "camera-url-malformed"),
        ("rtsp://user:s3cret@fd00::5/x", "camera-url-malformed"),
        ("rtsp://user:s3cret@[fd00::5/x", "camera-host-malformed"),
        ("rtsp://user:s3cret@[fd00::5]x/x", "camera-url-malformed"),
        ("rtsp://user:s3cret@[10.0.0.5]/x", "camera-host-malformed"),
        ("rtsp://user:s3cret@[fd00::5%25eth0]/x", "camera-host-malformed"),
        ("rtsp://user:s3cret@[fe80::1%25a,b]/x", "camera-host-malformed"),
        ("rtsp://user:s3cret@cam..example/x", "camera-host-malformed"),
        ("rtsp://user:s3cret@-cam/x", "camera-host-malformed"),
        ("rtsp://user:s3cret@cam,timeout=0/x", "camera-host-malformed"),
        ("rtsp://user:s3cret@" + "a" * 64 + "/x", "camera-host-malformed"),
        ("rtsp://user:s3cret@ca%6d/x", "camera-host-malformed"),
        ("rtsp://user:s3cret@ｃａｍ／x/", "camera-host-malformed"),
        ("rtsp://user:s3cret@10.0.0.5/" + "x" * 2048, "camera-url-malformed"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_without_repeating_it(text: str, code: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_camera_url(text)
    assert caught.value.code == code
    assert caught.value.__cause__ is None
    for part in ("s3", "cret", "user:", "10.0.0.5"):
        assert part not in str(caught.value)


def test_passwords_in_path_and_query_are_not_shown() -> None:
    url = parse_camera_url("rtsp://10.0.0.5/user=admin_password=s3cret_channel=1/av?token=s3cret&s3cret&ch=1")
    assert url.shown == "rtsp://10.0.0.5:554/user=***/av?token=***&***&ch=***"
    assert "s3cret" in url.whole()
    assert parse_camera_url("rtsp://10.0.0.5/Streaming/Channels/101").shown.endswith(":554/Streaming/Channels/101")
    assert parse_camera_url("rtsp://10.0.0.5/cam/passwd=s3cret/x").shown.endswith("/cam/passwd=***/x")
    for plain in ("h264Preview_01_main", "axis-media/media.amp", "LiveMedia/ch1/Media1", "cam/realmonitor"):
        assert parse_camera_url(f"rtsp://10.0.0.5/{plain}").shown.endswith(f"/{plain}")
    for key in ("s4CSKkRh1IaCNwBY", "qKrBchIlOO6wveSwFr7Tyk5bMpNSNAzkdncRUuuHj44", "x" * 43):  # the path is the key
        assert parse_camera_url(f"rtsp://10.0.0.5/{key}").shown == "rtsp://10.0.0.5:554/***"
        assert parse_camera_url(f"rtsp://10.0.0.5/a/{key}/b").shown == "rtsp://10.0.0.5:554/a/***/b"
