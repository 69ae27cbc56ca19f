"""Lists page by page: the cursor that comes in, and where the next page is. Knows no list."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Response

Cursor = Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before.")]


def next_page(response: Response, path: str, cursor: str | None, **wanted: str | int | None) -> str | None:
    """URL of the next page, in the header Link too; None where `cursor` is. wanted: the query; None is left out."""
    if cursor is None:
        return None
    query = {"cursor": cursor} | {name: value for name, value in wanted.items() if value is not None}
    link = f"{path}?{urlencode(query)}"
    response.headers["Link"] = f'<{link}>; rel="next"'
    return link
