"""The push by RTSP: what a receiver gets, servers that behave badly, and that callers never wait."""

import socket
import ssl
import struct
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from media.live_encoder import Encoded
from media.rtp import RtpPacker
from media.rtsp_push import RtspPush
from media.rtsp_session import parse_target
from tests.media.live_frames import START, coded, steady
from tests.media.ports import free_port
from tests.media.push_receiver import Receiver
from tests.media.push_server import Manner, push_server
from tests.waiting import wait_for


def soon(failures: int, slow: bool) -> float:
    return 0.02


def never(failures: int, slow: bool) -> float:
    return 60.0


def feed(push: RtspPush, frames: list[Encoded]) -> None:
    for frame in frames:
        push.add(frame, START + frame.pts / 90_000)


def test_ffmpeg_receives_every_frame_with_its_time() -> None:
    receiver = Receiver(free_port())
    times = [round(i * 3600 + i % 3 * 500) for i in range(60)]
    frames = coded(times, size=(640, 368))  # key frames of several packets
    with RtspPush(receiver.url, never) as push:
        feed(push, frames[:1])
        wait_for(lambda: push.report.state == "online")
        feed(push, frames[1:])
        wait_for(lambda: push.report.sent == 60)
        assert push.report.state == "online"
        assert push.report.connections == 1
    receiver.join()
    assert push.report.state == "stopped"
    first = receiver.frames[0][0]
    assert [shown for _, shown, _ in receiver.frames] == list(range(60))
    assert [round((at - first) * 90_000) for at, _, _ in receiver.frames] == times


def test_it_comes_back_when_the_receiver_does() -> None:
    port = free_port()
    with RtspPush(f"rtsp://127.0.0.1:{port}/live", soon) as push:
        feed(push, coded(steady(25, 1)))
        wait_for(lambda: push.report.code == "push-refused")
        assert push.report.state in ("backing-off", "connecting")
        receiver = Receiver(port)
        sent = push.report.sent
        for index in range(1, 20):  # a live stream goes on meanwhile
            feed(push, coded(steady(25, 2, start=index * 180_000), first=index * 50))
            if push.report.state == "online":
                break
            threading.Event().wait(0.05)
        wait_for(lambda: push.report.sent >= sent + 50)
        assert push.report.code is None
    receiver.join()
    shown = [index for _, index, _ in receiver.frames]
    assert shown == list(range(shown[0], shown[0] + len(shown)))


def test_another_size_is_announced_anew() -> None:
    with push_server() as server:
        with RtspPush(f"rtsp://127.0.0.1:{server.port}/live", never) as push:
            feed(push, coded(steady(10, 2)))
            wait_for(lambda: push.report.sent == 20)
            feed(push, coded(steady(10, 2, start=180_000), size=(160, 96)))
            wait_for(lambda: push.report.sent == 40)
        assert push.report.dropped == 0
        wait_for(lambda: server.methods.count("TEARDOWN") == 2)
        announced = [body for method, _, _, body in server.requests if method == "ANNOUNCE"]
        assert len(announced) == 2
        assert announced[0] != announced[1]


def test_sender_reports_carry_the_time_of_capture() -> None:
    with push_server() as server:
        with RtspPush(f"rtsp://127.0.0.1:{server.port}/live", never) as push:
            frames = coded(steady(10, 1))
            feed(push, frames)
            wait_for(lambda: push.report.sent == 10)
            wait_for(lambda: server.rtcp)
        *_, seconds, fraction, timestamp, packets, octets = struct.unpack(">BBH6I", server.rtcp[0][:28])
        wall = seconds - 2_208_988_800 + fraction / (1 << 32)
        base = struct.unpack(">I", server.rtp[0][4:8])[0]
        assert wall == pytest.approx(START + ((timestamp - base) % (1 << 32)) / 90_000, abs=1e-6)
        assert 1 <= packets <= len(server.rtp)
        assert octets > 100


def test_packets_are_as_rfc_3550_and_6184_say() -> None:
    frame = coded([90_000], size=(1280, 720))[0]
    packets = RtpPacker().pack(frame)
    assert max(map(len, packets)) <= 1412
    sequence = [struct.unpack(">H", packet[2:4])[0] for packet in packets]
    assert [(number - sequence[0]) % 65_536 for number in sequence] == list(range(len(packets)))
    assert [packet[1] >> 7 for packet in packets] == [0] * (len(packets) - 1) + [1]
    kinds = [packet[12] & 31 for packet in packets]
    assert kinds[:2] == [7, 8]
    fragments = [packet for packet in packets if packet[12] & 31 == 28]
    assert fragments
    units: list[bytes] = []
    for packet in fragments:
        if packet[13] & 0x80:
            units.append(bytes((packet[12] & 0xE0 | packet[13] & 31,)))
        units[-1] += packet[14:]
        assert packet[13] & 0x20 == 0
    assert all(unit in frame.data for unit in units)


@pytest.mark.parametrize(
    ("manner", "code", "slow"),
    [
        (Manner(status={"ANNOUNCE": 401}), "push-unauthorised", True),
        (Manner(challenge='Basic realm="x"'), "push-unauthorised", True),
        (Manner(status={"ANNOUNCE": 403}), "push-forbidden", True),
        (Manner(status={"SETUP": 404}), "push-not-found", True),
        (Manner(status={"ANNOUNCE": 302}, location="rtsp://127.0.0.1:9/x"), "push-redirected", True),
        (Manner(status={"RECORD": 500}), "push-broken", False),
        (Manner(raw=b"HTTP/1.1 400 Bad Request\r\n\r\n"), "push-broken", False),
        (Manner(raw=b"x" * 300_000), "push-broken", False),
        (Manner(mute=True), "push-silent", False),
        (Manner(hang_up_after=3), "push-ended", False),
    ],
)
def test_a_server_that_does_not_want_it_is_a_clear_state(manner: Manner, code: str, slow: bool) -> None:
    told: list[tuple[int, bool]] = []

    def backoff(failures: int, slow: bool) -> float:
        told.append((failures, slow))
        return 60.0

    with push_server(manner) as server:
        url = f"rtsp://mallory:t0psecret@127.0.0.1:{server.port}/path-of-it?key=k3y"
        with RtspPush(url, backoff, connect_s=0.5 if manner.mute else 20.0) as push:
            feed(push, coded(steady(25, 1)))
            wait_for(lambda: push.report.state == "backing-off")
            report = push.report
            assert report.code == code
            assert told == [(1, slow)]
            for shown in (repr(report), repr(push), repr(parse_target(url)), threading.enumerate().__repr__()):
                assert not any(word in shown for word in ("mallory", "t0psecret", "path-of-it", "k3y", "127.0.0.1"))
            began = time.monotonic()
        assert time.monotonic() - began < 10
        assert server.accepted == 1


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="a"',
        'Digest realm="a", nonce="abc"',
        'Digest realm="a", nonce="abc", qop="auth", opaque="o", algorithm=MD5',
        'Digest realm="a", nonce="abc", qop="auth,auth-int", algorithm=SHA-256\nBasic realm="a"',
    ],
)
def test_credentials_are_given_when_asked_for(challenge: str) -> None:
    with (
        push_server(Manner(challenge=challenge)) as server,
        RtspPush(f"rtsp://sam:a%3Ab%20c@127.0.0.1:{server.port}/live", never) as push,
    ):
        feed(push, coded(steady(25, 1)))
        wait_for(lambda: push.report.sent == 25)
        assert server.methods[:4] == ["ANNOUNCE", "ANNOUNCE", "SETUP", "RECORD"]
        assert "Authorization" not in server.requests[0][2]
        assert not any("sam" in uri for _, uri, _, _ in server.requests)


def test_a_server_that_stops_reading_costs_frames_and_not_the_caller() -> None:
    ballast = b"\0\0\1\x06" + b"\x55" * 50_000
    frames = [Encoded(frame.data + ballast, frame.pts, frame.key, frame.format) for frame in coded(steady(25, 4))]
    with (
        push_server(Manner(deaf_after=5)) as server,
        RtspPush(f"rtsp://127.0.0.1:{server.port}/live", soon, queue_frames=20, silence_s=1.0) as push,
    ):
        feed(push, frames[:1])
        wait_for(lambda: push.report.state == "online")
        slowest = 0.0
        turn = 0
        while push.report.code != "push-silent":
            for frame in frames[:15]:
                moved = Encoded(frame.data, frame.pts + turn * 360_000, frame.key, frame.format)
                began = time.monotonic()
                push.add(moved, START)
                slowest = max(slowest, time.monotonic() - began)
            turn += 1
            threading.Event().wait(0.02)
        assert push.report.dropped > 0
        assert slowest < 0.8
        server.manner = Manner()
        feed(push, coded(steady(10, 1)))
        wait_for(lambda: server.accepted >= 2 and push.report.state == "online")


def test_what_follows_a_drop_begins_at_a_key_frame() -> None:
    frames = coded(steady(10, 8))
    stop = threading.Event()

    def hold(failures: int, slow: bool) -> float:
        stop.wait(20)
        return 0.0

    port = free_port()
    with RtspPush(f"rtsp://127.0.0.1:{port}/live", hold, queue_frames=5) as push:
        feed(push, frames[:1])
        wait_for(lambda: push.report.code == "push-refused")
        feed(push, frames[1:])  # far more than the queue holds
        with push_server(port=port) as server:
            stop.set()
            feed(push, coded(steady(10, 0.4, start=720_000)))
            wait_for(lambda: push.report.sent >= 1)
            nal_types = [packet[12] & 31 for packet in server.rtp]
    assert nal_types[0] == 7
    assert push.report.dropped >= 80


def test_an_address_that_answers_nothing_ends_soon_when_closed() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        held = [socket.create_connection(("127.0.0.1", port))]  # the queue is full: further connects hang
        with RtspPush(f"rtsp://127.0.0.1:{port}/live", soon, connect_s=30) as push:
            feed(push, coded(steady(25, 1)))
            wait_for(lambda: push.report.state == "connecting")
            began = time.monotonic()
            push.close()
            assert time.monotonic() - began < 10
        assert push.report.state == "stopped"
        for one in held:
            one.close()


def test_failing_for_long_costs_no_descriptors() -> None:
    failed: list[int] = []

    def at_once(failures: int, slow: bool) -> float:
        failed.append(failures)
        return 0.0

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    frame = coded([0])[0]
    with push_server(Manner(status={"SETUP": 404})) as server:
        with RtspPush(f"rtsp://127.0.0.1:{server.port}/live", at_once) as push:
            before = 0
            while len(failed) < 60:
                push.add(frame, START)
                if len(failed) >= 5 and not before:
                    before = descriptors()
                threading.Event().wait(0.001)
            assert abs(descriptors() - before) <= 3
        assert failed[:4] == [1, 2, 3, 4]


def test_a_chatty_server_is_understood() -> None:
    with (
        push_server(Manner(chatty=True)) as server,
        RtspPush(f"rtsp://127.0.0.1:{server.port}/live", never) as push,
    ):
        feed(push, coded(steady(25, 1)))
        wait_for(lambda: push.report.sent == 25)


def certificate(folder: Path) -> ssl.SSLContext:
    """Of a server whose certificate nobody vouches for."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=2))
    signed = builder.sign(key, SHA256())
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(key.private_bytes(*plain) + signed.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


def test_rtsps_and_certificates(tmp_path: Path) -> None:
    with push_server(tls=certificate(tmp_path)) as server:
        url = f"rtsps://127.0.0.1:{server.port}/live"
        with RtspPush(url, never) as push:
            feed(push, coded(steady(25, 1)))
            wait_for(lambda: push.report.sent == 25)
        with RtspPush(url, never, tls=ssl.create_default_context()) as push:
            feed(push, coded(steady(25, 1)))
            wait_for(lambda: push.report.code == "push-broken")


@pytest.mark.parametrize(
    "url", ["http://a/b", "rtsp:///x", "file:///etc/passwd", "rtsp://a:99999/x", "rtsp://a/x\r\nEvil: 1", "", "rtsp"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="push URL") as caught:
        RtspPush(url, never)
    assert not url or f"'{url}'" not in str(caught.value)
    assert "99999" not in str(caught.value)


def test_targets_are_taken_apart() -> None:
    target = parse_target("rtsp://us%40er:p%3Aw@[::1]/a/b?c=d")
    assert (target.host, target.port, target.user, target.password) == ("::1", 554, "us@er", "p:w")
    assert target.uri == "rtsp://[::1]:554/a/b?c=d"
    assert parse_target("rtsps://10.0.0.1/x").port == 322
