"""Moments as clients give and get them: RFC 3339 with a time zone. Knows no route."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator

from service.problems import ProblemError
from service.views import timestamp

_LOST_PLUS = re.compile(r"(.*[0-9]) ([0-9]{2}:?[0-9]{2})")


def _plus(value: Any) -> Any:
    """A '+' that was not written as %2B in a query string has become a space."""
    match = _LOST_PLUS.fullmatch(value) if isinstance(value, str) and ":" in value[:16] else None
    return f"{match[1]}+{match[2]}" if match else value


Moment = Annotated[AwareDatetime, BeforeValidator(_plus)]


def check_order(start: float, end: float) -> None:
    """Unix seconds. Raises ProblemError 'invalid-request' unless the end is after the start."""
    if start >= end:
        raise bad_end(f"end ({timestamp(end)}) is not after start ({timestamp(start)})")


def bad_end(detail: str) -> ProblemError:
    """'invalid-request': what is wrong with the end of a stretch."""
    return ProblemError("invalid-request", f"not valid: {detail}", errors=[{"field": "end", "detail": detail}])
