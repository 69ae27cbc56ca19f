"""File names as clients give and get them: display text only, never a path. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote

from python_multipart.multipart import parse_options_header

NAME_LIMIT = 200  # characters
DEFAULT_NAME = "clip"
_EXTENDED = re.compile(r"""filename\*\s*=\s*(utf-8|iso-8859-1)'[^']*'([^;\s]+)""", re.IGNORECASE)


def clean_name(raw: str | None) -> str:
    """A file name made safe to show: last component, no control or direction characters, at most NAME_LIMIT long."""
    text = unicodedata.normalize("NFC", raw or "")
    text = re.split(r"[/\\]", text)[-1]
    text = "".join(c for c in text if unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp"))
    text = text.strip()
    if len(text) > NAME_LIMIT:
        stem, suffix = split_suffix(text)
        text = stem[: NAME_LIMIT - len(suffix)] + suffix
    return DEFAULT_NAME if text.strip(".") == "" else text


def split_suffix(name: str) -> tuple[str, str]:
    """("car.front", ".mp4") of "car.front.mp4"; an unlikely suffix counts as part of the stem."""
    match = re.fullmatch(r"(.+)(\.[0-9A-Za-z]{1,8})", name, re.DOTALL)
    return (match[1], match[2]) if match else (name, "")


def result_name(source_name: str, suffix: str) -> str:
    """What a downloaded result is called: the source's name, marked as enhanced."""
    return f"{split_suffix(source_name)[0]}-enhanced{suffix}"


def content_disposition(name: str) -> str:
    """An attachment's Content-Disposition (RFC 6266): ASCII fallback for old clients, UTF-8 form beside it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'[\\"%]', "_", plain).strip() or "download"
    header = f'attachment; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"


def name_in_disposition(header: str | None) -> str | None:
    """The file name in a request's Content-Disposition, if it has one. Not cleaned."""
    if not header:
        return None
    extended = _EXTENDED.search(header)  # RFC 8187, which the multipart parser rightly does not know
    if extended:
        return unquote(extended[2], encoding=extended[1], errors="replace")
    _, options = parse_options_header(header.encode("latin-1", "replace"))
    found = options.get(b"filename")
    return None if found is None else found.decode("utf-8", "replace")
