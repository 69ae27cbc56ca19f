from __future__ import annotations

import pytest

from service.names import NAME_LIMIT, clean_name, content_disposition, name_in_disposition, result_name


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("front door.mp4", "front door.mp4"),
        ("../../etc/x.mp4", "x.mp4"),
        ("..\\..\\windows\\x.mp4", "x.mp4"),
        ("C:\\clips\\x.mp4", "x.mp4"),
        ("a\r\nSet-Cookie: b.mp4", "aSet-Cookie: b.mp4"),
        ("photo\u202e4pm.exe", "photo4pm.exe"),
        ("nul\x00.mp4", "nul.mp4"),
        ("..", "clip"),
        ("", "clip"),
        (None, "clip"),
        ("дверь.mp4", "дверь.mp4"),
    ],
)
def test_names_are_made_safe_to_show(raw: str | None, shown: str) -> None:
    assert clean_name(raw) == shown


def test_long_names_are_cut_and_keep_their_suffix() -> None:
    name = clean_name("a" * 5000 + ".mp4")
    assert len(name) == NAME_LIMIT
    assert name.endswith("a.mp4")


def test_result_is_called_after_its_source() -> None:
    assert result_name("cam.front.avi", ".mp4") == "cam.front-enhanced.mp4"
    assert result_name("no suffix", ".mkv") == "no suffix-enhanced.mkv"


def test_disposition_of_an_ascii_name_is_plain() -> None:
    assert content_disposition("a b.mp4") == 'attachment; filename="a b.mp4"'


def test_disposition_of_other_names_has_a_fallback_and_an_encoded_form() -> None:
    assert content_disposition('Tür "7" ж.mp4') == (
        "attachment; filename=\"Tur _7_ .mp4\"; filename*=UTF-8''T%C3%BCr%20%227%22%20%D0%B6.mp4"
    )


def test_disposition_never_carries_a_line_break() -> None:
    assert "\n" not in content_disposition(clean_name("a\r\nb.mp4"))


def test_name_is_read_from_a_disposition_in_either_form() -> None:
    assert name_in_disposition('attachment; filename="a;b.mp4"') == "a;b.mp4"
    assert name_in_disposition("attachment; filename=x.mp4; filename*=UTF-8''T%C3%BCr.mp4") == "Tür.mp4"
    assert name_in_disposition("attachment") is None
    assert name_in_disposition(None) is None
