"""Downloading results and reports."""

from __future__ import annotations

import base64
import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

CONTENT = random.Random(7).randbytes(100_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def url(service: Any, clip: Path) -> str:
    """Where the result of a finished clip is."""
    id = service.submitted(clip)
    service.finish(id, CONTENT, SHA256)
    return str(service.http.get(f"/v1/clips/{id}").json()["links"]["result"])


def test_a_result_is_downloaded_whole(service: Any, url: str) -> None:
    answer = service.http.get(url)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["etag"] == f'"sha256-{SHA256}"'
    digest = base64.b64encode(bytes.fromhex(SHA256)).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == 'attachment; filename="street-enhanced.mp4"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(CONTENT))


def test_the_record_says_what_the_result_is(service: Any, url: str) -> None:
    body = service.http.get(url.removesuffix("/result")).json()
    assert body["result"] == {"bytes": len(CONTENT), "sha256": SHA256, "name": "street-enhanced.mp4"}


def test_head_says_the_same_without_the_body(service: Any, url: str) -> None:
    answer = service.http.head(url, headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["etag"] == f'"sha256-{SHA256}"'


@pytest.mark.parametrize(
    ("range", "first", "last"),
    [("0-0", 0, 0), ("99990-", 99990, 99999), ("-5", 99995, 99999), ("70000-999999", 70000, 99999)],
)
def test_one_range(service: Any, url: str, range: str, first: int, last: int) -> None:
    answer = service.http.get(url, headers={"Range": f"bytes={range}"})
    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/100000"


def test_several_ranges_come_as_parts(service: Any, url: str) -> None:
    answer = service.http.get(url, headers={"Range": "bytes=0-9,100-109"})
    assert answer.status_code == 206
    assert answer.headers["content-type"].startswith("multipart/byteranges")
    assert CONTENT[:10] in answer.content
    assert CONTENT[100:110] in answer.content
    assert len(answer.content) == int(answer.headers["content-length"]) < 1000


@pytest.mark.parametrize("range", ["bytes=x-y", "bytes=9-1", "lines=1-2", "bytes=" + ",".join(["0-0,2-2"] * 50)])
def test_a_range_that_makes_no_sense_means_the_whole(service: Any, url: str, range: str) -> None:
    answer = service.http.get(url, headers={"Range": range})
    assert (answer.status_code, len(answer.content)) == (200, len(CONTENT))


def test_a_range_outside_the_file_is_refused(service: Any, url: str) -> None:
    answer = service.http.get(url, headers={"Range": "bytes=100000-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range-not-satisfiable")
    assert answer.headers["content-range"] == "bytes */100000"


def test_if_range_gives_the_part_only_of_the_same_file(service: Any, url: str) -> None:
    same = service.http.get(url, headers={"Range": "bytes=0-9", "If-Range": f'"sha256-{SHA256}"'})
    other = service.http.get(url, headers={"Range": "bytes=0-9", "If-Range": '"sha256-other"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_an_unchanged_result_is_not_sent_again(service: Any, url: str) -> None:
    answer = service.http.get(url, headers={"If-None-Match": f'"sha256-{SHA256}"'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == f'"sha256-{SHA256}"'


def test_names_beyond_ascii_are_encoded(service: Any, clip: Path) -> None:
    answer = service.http.post(
        "/v1/clips", params={"name": "Tür.avi"}, content=clip.read_bytes(), headers={"Content-Type": "video/mp4"}
    )
    id = answer.json()["id"]
    service.finish(id, CONTENT, SHA256)
    disposition = service.http.get(f"/v1/clips/{id}/result").headers["content-disposition"]
    assert disposition == "attachment; filename=\"Tur-enhanced.mp4\"; filename*=UTF-8''T%C3%BCr-enhanced.mp4"


def test_the_report_is_json(service: Any, url: str) -> None:
    answer = service.http.get(url.replace("/result", "/report"))
    assert answer.json() == {"v": 1}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == 'attachment; filename="street-report.json"'


@pytest.mark.parametrize("what", ["result", "report"])
def test_what_is_not_ready_is_refused(service: Any, clip: Path, what: str) -> None:
    id = service.submitted(clip)
    answer = service.http.get(f"/v1/clips/{id}/{what}")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-ready")
    assert "retry-after" in answer.headers
    service.http.delete(f"/v1/clips/{id}")
    answer = service.http.get(f"/v1/clips/{id}/{what}")
    assert (answer.status_code, answer.json()["code"]) == (409, "no-result")


def test_a_result_whose_file_is_gone_is_gone(service: Any, url: str) -> None:
    service.files.remove(url.split("/")[3])
    answer = service.http.get(url)
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
