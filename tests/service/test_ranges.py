from __future__ import annotations

import pytest

from service.ranges import MAX_RANGES, header, matches, parse


@pytest.mark.parametrize(
    ("given", "ranges"),
    [
        ("bytes=0-0", [(0, 0)]),
        ("bytes=10-", [(10, 99)]),
        ("bytes=90-1000", [(90, 99)]),
        ("bytes=-10", [(90, 99)]),
        ("bytes=-1000", [(0, 99)]),
        ("Bytes = 0-1 , 5-6", [(0, 1), (5, 6)]),
        ("bytes=5-9,0-6", [(0, 9)]),
        ("bytes=0-1,500-", [(0, 1)]),
        ("bytes=100-", []),
        ("bytes=-0", []),
        (None, None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=a-b", None),
        ("bytes=5-2", None),
        ("bytes=1-2,x", None),
        ("bytes=--5", None),
        ("lines=0-1", None),
        ("bytes=" + "9" * 40 + "-", None),
    ],
)
def test_range_header_is_decided(given: str | None, ranges: list[tuple[int, int]] | None) -> None:
    assert parse(given, 100) == ranges


def test_too_many_ranges_mean_the_whole_file() -> None:
    many = ",".join(f"{n * 5}-{n * 5}" for n in range(MAX_RANGES + 1))
    assert parse(f"bytes={many}", 100) is None


def test_an_empty_file_has_no_range() -> None:
    assert parse("bytes=0-", 0) == []


def test_ranges_are_written_as_they_are_read() -> None:
    assert parse(header([(0, 1), (5, 6)]), 100) == [(0, 1), (5, 6)]


def test_entity_tags_match_weakly_and_by_star() -> None:
    assert matches('"a", W/"b"', '"b"')
    assert matches("*", '"b"')
    assert not matches('"a"', '"b"')
    assert not matches(None, '"b"')
