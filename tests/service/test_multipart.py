from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.multipart import MAX_FIELD_BYTES, MAX_FIELDS, MultipartReader
from service.problems import ProblemError

TYPE = "multipart/form-data; boundary=xyz"
FILE = b'Content-Disposition: form-data; name="file"; filename="a.mp4"\r\nContent-Type: video/mp4'


def field(name: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"'.encode()


def body(*parts: tuple[bytes, bytes]) -> bytes:
    return b"".join(b"--xyz\r\n" + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts) + b"--xyz--\r\n"


class Read:
    """A body read in pieces of a size, and what came of it."""

    def __init__(self, content: bytes, piece: int = 1 << 20, content_type: str = TYPE) -> None:
        self.data = b""
        self.began: list[tuple[str, dict[str, str]]] = []

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(content), piece):
                yield content[at : at + piece]

        async def begin(name: str, fields: dict[str, str]) -> None:
            self.began.append((name, fields))

        async def data(chunk: bytes) -> None:
            self.data += chunk

        self.fields = asyncio.run(MultipartReader(content_type, begin, data).read(pieces()))


def problem_of(content: bytes, content_type: str = TYPE) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        Read(content, content_type=content_type)
    return caught.value


@pytest.mark.parametrize("piece", [1, 2, 7, 64, 1 << 20])
def test_file_and_fields_arrive_whole_whatever_the_pieces(piece: int) -> None:
    clip = b"\r\n--xy\r\n--xyz-not\x00\xff" * 20
    read = Read(body((field("scale"), b"2"), (FILE, clip), (field("codec"), "hévc".encode())), piece)
    assert read.data == clip
    assert read.fields == {"scale": "2", "codec": "hévc"}
    assert read.began == [("a.mp4", {"scale": "2"})]


def test_an_empty_file_is_a_file() -> None:
    assert Read(body((FILE, b""))).data == b""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no multipart at all",
        body((FILE, b"clip"))[:-6],
        body((FILE, b"clip")).replace(b"form-data", b"attachment"),
        body((b"X-Nothing: 1", b"clip")),
        b"--xyz\r\n" + b"X" * 10_000 + b": 1\r\n\r\n",
        b"--xyz\r\n" + b"X: 1\r\n" * 100 + b"\r\n",
    ],
)
def test_malformed_bodies_are_refused(content: bytes) -> None:
    assert problem_of(content).code == "malformed-multipart"


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 300])
def test_a_boundary_must_be_named_and_short(content_type: str) -> None:
    assert problem_of(body((FILE, b"clip")), content_type).code == "malformed-multipart"


def test_a_form_without_a_file_is_refused() -> None:
    assert problem_of(body((field("scale"), b"2"))).code == "missing-file"


@pytest.mark.parametrize(
    "parts",
    [
        [(FILE, b"1"), (FILE, b"2")],
        [(field("other") + b'; filename="b.mp4"', b"1"), (FILE, b"2")],
        [(field("scale"), b"2"), (field("scale"), b"2"), (FILE, b"1")],
        [(field("scale"), b"2" * (MAX_FIELD_BYTES + 1)), (FILE, b"1")],
        [(field("scale"), b"\xff"), (FILE, b"1")],
        [*((field(f"f{n}"), b"1") for n in range(MAX_FIELDS + 1)), (FILE, b"1")],
    ],
)
def test_forms_that_are_not_ours_are_refused(parts: list[tuple[bytes, bytes]]) -> None:
    assert problem_of(body(*parts)).code == "invalid-request"
