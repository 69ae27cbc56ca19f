"""What must be refused, with which problem, leaving neither a job nor a file behind."""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile /etc/passwd\n"
SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"


def png(width: int, height: int) -> bytes:
    """A picture that is small on disk and huge when decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    row = bytes(1 + 3 * width)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def assert_refused(service: Any, answer: Any, status: int, *codes: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in codes
    assert str(service.settings.data_dir) not in answer.text
    assert service.uploads() == []
    assert service.files.job_ids() == set()
    assert service.jobs.list() == ([], None)


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "form"])
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "empty-file"),
        (b"this is not a video\n" * 100, 415, "unsupported-format"),
        (HLS, 415, "unsupported-format"),
        (CONCAT, 415, "unsupported-format"),
        (SDP, 415, "unsupported-format"),
        (png(4000, 4000), 415, "unsupported-format"),
    ],
    ids=["empty", "text", "hls", "concat", "sdp", "image-bomb"],
)
def test_what_is_no_clip_is_refused(
    service: Any, tmp_path: Path, content: bytes, status: int, code: str, raw: bool
) -> None:
    if raw:
        answer = service.http.post("/v1/clips?name=x.mp4", content=content, headers={"Content-Type": "video/mp4"})
    else:
        (tmp_path / "x.mp4").write_bytes(content)
        answer = service.submit(tmp_path / "x.mp4")
    assert_refused(service, answer, status, code)


def test_a_truncated_clip_is_refused(service: Any, clip: Path, tmp_path: Path) -> None:
    content = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])  # the index of an MP4 comes last
    assert_refused(service, service.submit(tmp_path / "cut.mp4"), 422, "unreadable")


def test_a_clip_without_video_is_refused(service: Any, sound_only: Path) -> None:
    assert_refused(service, service.submit(sound_only), 422, "no-video")


def test_a_clip_of_too_many_pixels_is_refused(serve: Callable[..., Any], clip: Path) -> None:
    service = serve(max_pixels=64 * 48 - 1)
    assert_refused(service, service.submit(clip), 422, "too-many-pixels")


def test_a_clip_too_long_is_refused(serve: Callable[..., Any], clip: Path) -> None:
    service = serve(max_duration_s=0.1)
    assert_refused(service, service.submit(clip), 422, "too-long")


def test_an_output_too_large_is_refused(serve: Callable[..., Any], clip: Path) -> None:
    service = serve(max_output_pixels=256 * 192 - 1)
    answer = service.submit(clip, model="espcn-x4")
    assert_refused(service, answer, 422, "output-too-large")
    assert str(256 * 192) in answer.json()["detail"]


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        ({"model": "gpt"}, "unknown-model", "model"),
        ({"model": "espcn-x4", "scale": "3"}, "unknown-scale", "scale"),
        ({"scale": "4", "target_height": "90"}, "scale-and-height", "target_height"),
        ({"model": "espcn-x2", "target_height": "4000"}, "height-out-of-reach", "target_height"),
        ({"model": "espcn-x4", "detail": "0.5"}, "no-vivid-training", "detail"),
        ({"model": "espcn-x4", "detail": "nan"}, "invalid-request", "detail"),
        ({"scale": "two"}, "invalid-request", "scale"),
        ({"codec": "vp9; rm -rf /"}, "invalid-request", "codec"),
        ({"crf": "1"}, "invalid-request", "crf"),
    ],
)
def test_options_that_cannot_be_met_are_refused(
    service: Any, clip: Path, options: dict[str, str], code: str, field: str
) -> None:
    answer = service.submit(clip, **options)
    assert_refused(service, answer, 422, code)
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    raw = service.http.post(
        "/v1/clips", params=options, content=clip.read_bytes(), headers={"Content-Type": "video/mp4"}
    )
    assert_refused(service, raw, 422, code)


def test_an_option_in_query_and_form_is_refused(service: Any, clip: Path) -> None:
    with clip.open("rb") as file:
        answer = service.http.post("/v1/clips?scale=2", files={"file": file}, data={"scale": "4"})
    assert_refused(service, answer, 422, "invalid-request")


def test_wrong_options_are_refused_before_the_body_is_sent(service: Any) -> None:
    head = b"POST /v1/clips?model=gpt HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: 1000000\r\n\r\n"
    with talk(service, head) as connection:
        assert b"unknown-model" in read_all(connection)


def test_a_client_that_sends_on_still_gets_its_answer(service: Any) -> None:
    size = 4_000_000
    head = f"POST /v1/clips?model=gpt HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: {size}\r\n\r\n"
    with talk(service, head.encode()) as connection:
        connection.sendall(bytes(size))  # fails with a reset where the server closes at once
        assert b"unknown-model" in read_all(connection)


def test_options_before_the_file_are_judged_before_it_is_sent(service: Any) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt\r\n'
    part += b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.mp4"\r\n\r\n'
    head = b"POST /v1/clips HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    with talk(service, head + b"Content-Length: 1000000\r\n\r\n" + part) as connection:
        assert b"unknown-model" in read_all(connection)


@pytest.mark.parametrize("name", ["../../etc/x.mp4", "/etc/passwd", "..\\..\\x.mp4", "a\r\nX-Evil: 1.mp4", "\x00.mp4"])
def test_a_file_name_is_never_a_path(service: Any, clip: Path, name: str, tmp_path: Path) -> None:
    answer = service.http.post(
        "/v1/clips", params={"name": name}, content=clip.read_bytes(), headers={"Content-Type": "video/mp4"}
    )
    assert answer.status_code == 202
    assert not {"/", "\\", "\r", "\n", "\x00"} & set(answer.json()["source"]["name"])
    made = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {"source"}


def test_a_traversal_name_in_a_form_is_never_a_path(service: Any, clip: Path, tmp_path: Path) -> None:
    answer = service.http.post("/v1/clips", files={"file": ("../../etc/x.mp4", clip.read_bytes())})
    assert answer.json()["source"]["name"] == "x.mp4"
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"source"}


def test_a_content_length_over_the_limit_is_refused_before_the_body(service: Any) -> None:
    size = service.settings.upload_limit_bytes + 1
    head = f"POST /v1/clips HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: {size}\r\n\r\n"
    form = head.replace("video/mp4", "multipart/form-data; boundary=b").replace(str(size), str(size + 1_000_000))
    for request in (head, form):
        with talk(service, request.encode()) as connection:
            answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"too-large" in answer
        assert f"larger than {size - 1} bytes".encode() in answer  # the clip's limit, not the body's


def test_a_chunked_body_over_the_limit_is_cut_off(serve: Callable[..., Any]) -> None:
    service = serve(upload_limit_bytes=3_000_000)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100_000_000:
            sent += 65536
            yield bytes(65536)

    answer = service.http.post("/v1/clips", content=endless(), headers={"Content-Type": "video/mp4"})
    assert_refused(service, answer, 413, "too-large")
    assert sent < 100_000_000


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "image/png"])
def test_other_content_types_are_refused(service: Any, clip: Path, content_type: str) -> None:
    answer = service.http.post("/v1/clips", content=clip.read_bytes(), headers={"Content-Type": content_type})
    assert_refused(service, answer, 415, "unsupported-media-type")


def test_a_compressed_body_is_refused(service: Any) -> None:
    headers = {"Content-Type": "video/mp4", "Content-Encoding": "gzip"}
    assert_refused(
        service, service.http.post("/v1/clips", content=b"x", headers=headers), 415, "unsupported-media-type"
    )


def test_malformed_multipart_is_refused(service: Any) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = service.http.post("/v1/clips", content=b"--b\r\nnonsense", headers=headers)
    assert_refused(service, answer, 400, "malformed-multipart")


def test_a_disk_at_its_reserve_takes_no_clip(serve: Callable[..., Any], clip: Path) -> None:
    service = serve(disk_reserve_bytes=1 << 60)
    assert_refused(service, service.submit(clip), 507, "disk-full")


def test_a_disk_that_turns_out_full_takes_no_clip(service: Any, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def create_full(path: Path) -> FileIO:
        path.touch()
        return FileIO("/dev/full", "wb")  # the kernel answers ENOSPC to every write

    monkeypatch.setattr("service.uploads._create", create_full)
    assert_refused(service, service.submit(clip), 507, "disk-full")


def test_an_upload_broken_off_leaves_nothing(service: Any, wait_until: Callable[..., None]) -> None:
    head = b"POST /v1/clips HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: 3000000\r\n\r\n"
    with talk(service, head + bytes(2_000_000)):
        wait_until(lambda: any(path.stat().st_size > 0 for path in service.uploads()))
    wait_until(lambda: service.uploads() == [])
    assert service.jobs.list() == ([], None)


def test_an_upload_that_falls_silent_is_given_up(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.uploads.chunks.__defaults__", (0.3,))
    head = b"POST /v1/clips HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: 3000000\r\n\r\n"
    with talk(service, head + bytes(1000)) as connection:
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert service.uploads() == []


def talk(service: Any, request: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=10)
    connection.sendall(request)
    return connection


def read_all(connection: socket.socket) -> bytes:
    """The answer; the server closes the connection after it."""
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer
